"""What is not committed in a checkout, found without git reading its files."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from terok_sandbox.gate.checkout import uncommitted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Repo


@pytest.fixture
def checkout(new_repo: Callable[..., Repo]) -> Repo:
    repo = new_repo()
    for name in ("plain", "ü x", "below/deep", "gone", "touched", "staged"):
        repo.commit(name)
    (repo.path / "link").symlink_to("plain")
    repo.git("add", "link")
    repo.git("commit", "-q", "-m", "link")
    return repo


def test_a_clean_checkout_has_nothing(checkout: Repo, new_repo: Callable[..., Repo]) -> None:
    os.utime(checkout.path / "touched", ns=(1, 1))
    (checkout.path / "new").write_text("x")
    assert uncommitted(checkout.path) == ()
    assert uncommitted(new_repo("empty").path) == ()
    assert uncommitted(checkout.clone(checkout.path, "bare.git", "--bare").path) == ()


def test_what_differs_is_named_and_no_filter_runs(checkout: Repo) -> None:
    """GIT-1: git itself would run the filters that the repository's configuration names."""
    witness = checkout.path.parent / "witness"
    checkout.git("config", "filter.evil.clean", f"touch '{witness}'; cat")
    checkout.git("config", "core.fsmonitor", f"touch '{witness}'; false")
    (checkout.path / ".git/info/attributes").write_text("* filter=evil\n")
    (checkout.path / "plain").write_text("y\n")
    (checkout.path / "ü x").write_text("longer\n")
    (checkout.path / "gone").unlink()
    (checkout.path / "link").unlink()
    (checkout.path / "link").symlink_to("below")
    linked = checkout.path.parent / "linked"
    assert uncommitted(checkout.path) == ("gone", "link", "plain", "ü x")
    assert not witness.exists()
    (checkout.path / ".git/info/attributes").unlink()
    checkout.git("config", "--unset", "core.fsmonitor")
    checkout.git("checkout", "-q", "-f", "HEAD")
    (checkout.path / "staged").write_text("staged\n")
    checkout.git("add", "staged")
    assert uncommitted(checkout.path) == ("staged",)
    checkout.git("worktree", "add", "-q", str(linked))
    assert uncommitted(linked) == ()
    (linked / "plain").write_text("z\n")
    assert uncommitted(linked) == ("plain",)
