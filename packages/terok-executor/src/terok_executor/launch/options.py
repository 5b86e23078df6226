"""The keyword arguments that every way of running an agent takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from terok_executor.launch.request import HeadlessRequest

if TYPE_CHECKING:
    from terok_executor.integrations.sandbox import SecurityClass
    from terok_executor.launch.instructions import Instructions


class RunOptions(TypedDict, total=False):
    """Options of a run, all of them optional.

    `bound_provider` is the model provider to use instead of the agent's own, `allow` opens destinations
    (`HOST:PORT`), `tools` are further programs with a token of their own, `subagents` Markdown files. `gpu`
    stands for `gpus="all"`. The rest is explained at `HeadlessRequest`.
    """

    branch: str | None
    model: str | None
    name: str | None
    gate: bool
    workspace: Path | None
    sealed: bool
    unrestricted: bool
    gpu: bool
    gpus: str | None
    memory: str | None
    cpus: float | None
    human_name: str | None
    human_email: str | None
    authorship: str | None
    instructions: Instructions
    subagents: Iterable[Path]
    tools: Iterable[str]
    shared_dir: Path | None
    shared_mount: str
    timezone: str | None
    task_id: str
    project_id: str
    dossier_path: Path | None
    bound_provider: str | None
    credential_set: str
    allow: Iterable[str]
    profiles: Sequence[str] | None
    policy: Path | None
    budget: Iterable[str]
    ssh_scope: str | None
    ephemeral: bool
    security_class: SecurityClass | None


def make_request(
    agent: str,
    repo: str | None,
    options: RunOptions,
    *,
    base_image: str,
    family: str | None,
    prompt: str | None = None,
    max_turns: int | None = None,
    timeout: int = 1800,
    web: bool = False,
) -> HeadlessRequest:
    """Return the request that the options stand for."""
    given = dict(options)
    gpus = given.pop("gpus", None) or ("all" if given.pop("gpu", False) else None)
    given.pop("gpu", None)
    for key in ("subagents", "tools", "allow", "budget"):
        given[key] = tuple(given.get(key) or ())  # type: ignore[arg-type]
    if given.get("profiles") is not None:
        given["profiles"] = tuple(given["profiles"])  # type: ignore[arg-type]
    return HeadlessRequest(
        agent=agent,
        repo=repo,
        prompt=prompt,
        max_turns=max_turns,
        timeout=timeout,
        web=web,
        gpus=gpus,  # type: ignore[arg-type]
        provider=given.pop("bound_provider", None),  # type: ignore[arg-type]
        base_image=base_image,
        family=family,
        **given,  # type: ignore[arg-type]
    )
