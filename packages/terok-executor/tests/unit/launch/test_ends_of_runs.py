"""What is left of a run that ends, fails, is interrupted or removed, and whose its name is."""

from __future__ import annotations

import pytest
from terok_executor.credentials import store_key
from terok_executor.errors import ExecutorError, RequestError
from terok_executor.image.builder import ImageBuilder
from terok_executor.paths import task_dir
from terok_executor.runner.container_care import Outcome
from terok_sandbox import LifecycleHooks
from terok_sandbox.errors import EngineError, SupervisionError

from .conftest import Host, tokens


def test_removal_leaves_nothing(host: Host) -> None:
    host.runner.start(host.request())
    host.runner.remove("task-1")
    assert tokens(host) == []
    assert not task_dir("task-1").exists()
    assert not host.config.sidecar_path("task-1").exists()
    host.runner.remove("task-1")


def test_a_launch_that_fails_leaves_nothing(host: Host) -> None:
    host.supervision.prepared = False
    with pytest.raises(SupervisionError):
        host.runner.start(host.request())
    assert tokens(host) == []
    assert not task_dir("task-1").exists()
    assert host.runtime.records == {}
    host.supervision.prepared = True

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        host.runner.start(host.request(), hooks=LifecycleHooks(pre_start=interrupted))
    assert tokens(host) == []
    assert not task_dir("task-1").exists()


def test_a_name_in_use_is_refused_and_its_container_keeps_token_and_files(host: Host) -> None:
    host.runner.start(host.request())
    with pytest.raises(RequestError, match="exists already"):
        host.runner.start(host.request(prompt="other"))
    assert tokens(host) == ["task-1"]
    assert (task_dir("task-1") / "home" / "prompt.txt").read_text() == "do it"


def test_a_name_in_use_is_refused_before_anything_is_built(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.runner.start(host.request())
    host.config.sidecar_path("task-1").unlink()  # as a container that somebody else has made
    monkeypatch.setattr(host.runner, "_image", None)
    monkeypatch.setattr(ImageBuilder, "ensure_default_l1", lambda *_: pytest.fail("an image is built"))
    with pytest.raises(RequestError, match="exists already") as caught:
        host.runner.start(host.request(prompt="other"))
    assert caught.value.hint == "choose another --name, or `terok-executor rm task-1`"


def test_what_a_container_removed_by_hand_has_left_is_cleared_before_the_name_is_used_again(host: Host) -> None:
    host.runner.start(host.request())
    host.runtime.records.clear()
    host.runner.start(host.request())
    assert tokens(host) == ["task-1"]


def test_an_agent_that_does_not_end_is_stopped_and_counts_as_timed_out(host: Host) -> None:
    host.runner.start(host.request())
    assert host.runner.follow("task-1", lambda _line: None) == Outcome(124, timed_out=True)
    assert not host.runtime.container("task-1").running
    with pytest.raises(TimeoutError):
        host.runtime.container("task-1").start()
        host.runner.wait_for_exit("task-1", timeout=0.1)


def test_a_container_that_does_not_get_ready_or_whose_wait_is_interrupted_is_stopped(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_up(*_: object, **__: object) -> bool:
        raise KeyboardInterrupt

    for wait, raised in ((lambda *_, **__: False, ExecutorError), (give_up, KeyboardInterrupt)):
        monkeypatch.setattr(host.runner.sandbox, "stream_logs", wait)
        with pytest.raises(raised):
            host.runner.run_interactive("claude", str(host.repo), name="task-1")
        assert not host.runtime.container("task-1").running
        host.runner.remove("task-1")


def test_no_page_no_container(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ExecutorError("the page cannot be served")

    monkeypatch.setattr(host.runner.sandbox, "stream_logs", lambda *_, **__: True)
    monkeypatch.setattr("terok_executor.web.page.serve_page", fail)
    store_key(host.config, host.runner.roster.provider("openrouter"), "sk-or-v1-key")
    with pytest.raises(ExecutorError, match="served"):
        host.runner.run_web(str(host.repo), provider="opencode", name="task-1")
    assert not host.runtime.container("task-1").running


def test_ctrl_c_stops_the_container(host: Host) -> None:
    host.runner.start(host.request())
    host.runtime.records["task-1"].output = "x\n"

    def interrupt(_line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        host.runner.follow("task-1", interrupt)
    assert not host.runtime.container("task-1").running


def test_a_stop_that_podman_calls_failed_is_judged_by_whether_the_container_runs(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.runner.start(host.request())
    kind = type(host.runtime.container("task-1"))
    stop = kind.stop

    def stop_and_complain(self: object, timeout: int = 10) -> None:
        stop(self, timeout)
        raise EngineError("timed out waiting for file")

    monkeypatch.setattr(kind, "stop", stop_and_complain)
    host.runner.stop("task-1")

    def only_complain(self: object, timeout: int = 10) -> None:
        raise EngineError("it does not answer")

    host.runtime.container("task-1").start()
    monkeypatch.setattr(kind, "stop", only_complain)
    with pytest.raises(EngineError):
        host.runner.stop("task-1")


def test_podman_s_own_failure_is_not_an_exit_code(host: Host) -> None:
    with pytest.raises(RuntimeError):
        host.runner.wait_for_exit("nobody")
