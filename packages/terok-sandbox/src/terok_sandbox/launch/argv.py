"""Podman arguments of a RunSpec: a function of values, without a look at the host."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Final

from terok_util import podman_userns_args
from terok_util.values import lean_dataclass

from terok_sandbox.errors import PrerequisiteMissing, SpecError
from terok_sandbox.launch.check import check_spec
from terok_sandbox.launch.extra import CONTROLLERS, pairs
from terok_sandbox.launch.gpu import gpu_args
from terok_sandbox.launch.paths import check_host_path
from terok_sandbox.launch.seccomp import profile_name
from terok_sandbox.launch.spec import RunSpec
from terok_sandbox.values.host import HostFacts
from terok_sandbox.values.launch import SANDBOX_LABEL, SCOPE_LABEL, Enforcement, LaunchPlan, Planned, digest
from terok_sandbox.vault_addr import (
    CONTAINER_RUNTIME_DIR,
    CONTAINER_SSH_SOCKET,
    GUEST_SSH_PORT,
    LOOPBACK_EGRESS_PORT,
    LOOPBACK_HOST,
    SIDECAR_ANNOTATION,
)

SUDO_CAPABILITIES: Final = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETFCAP", "SETGID", "SETUID")
"""Capabilities that an unrestricted container keeps of Podman's set, because `sudo` and package managers need them.

All others are dropped, instead of dropping every one and adding these back: Podman gives explicitly added capabilities
to an ordinary user as ambient ones, and only root in the container is to have them.
"""

DROPPED_CAPABILITIES: Final = (
    *("AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "DAC_READ_SEARCH"),
    *("IPC_LOCK", "IPC_OWNER", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN"),
    *("NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW", "PERFMON", "SETPCAP", "SYSLOG", "SYS_ADMIN", "SYS_BOOT"),
    *("SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME"),
    *("SYS_TTY_CONFIG", "WAKE_ALARM"),
)
"""Every other capability, so that no `default_capabilities` of the user's `containers.conf` adds one."""

DEFAULT_PIDS: Final = 4096
LOG_LIMIT: Final = "64mb"  # size at which the container's own log starts over
_HOOK_OUTPUT: Final = {f"run.oci.hooks.{stream}": "/dev/null" for stream in ("stderr", "stdout")}
"""Podman 4 passes on an image's annotations, with which crun would append a hook's output to any file of the host."""
_RESOLV_CONF: Final = "nameserver 127.0.0.1\noptions timeout:8\n"
"""By themselves C libraries wait five seconds; the gateway may hold a question for seven (`HOLD_SECONDS`)."""
_PROXY: Final = f"http://{LOOPBACK_HOST}:{LOOPBACK_EGRESS_PORT}"
_APT_CONF: Final = f'Acquire::http::Proxy "{_PROXY}";\nAcquire::https::Proxy "{_PROXY}";\n'
"""Settings that lead apt to the egress proxy of an airlock, because sudo hides the proxy variables from it."""


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class LaunchPaths:
    """Host files of one container that podman is told about."""

    sidecar: Path
    guest_dir: Path
    resolv_conf: Path
    hosts: Path
    apt_conf: Path
    hostname: Path
    containerenv: Path
    localtime: Path
    env_file: Path
    monitor_pid: Path
    seccomp_dir: Path
    log: Path


def plan_launch(
    spec: RunSpec,
    facts: HostFacts,
    paths: LaunchPaths,
    *,
    enforcement: Enforcement,
    cdi_devices: Collection[str] = (),
    cdi_grants: Collection[str] = (),
) -> LaunchPlan:
    """Turn `spec` into a plan for the host of `facts`, its GPU devices, and what their descriptions grant.

    Raises SpecError, GpuConfigError, and PrerequisiteMissing without a program for the container's network.
    """
    check_spec(spec)
    for path in (getattr(paths, field.name) for field in fields(paths)):
        check_host_path(str(path))
    hostname = spec.hostname or spec.container_name.translate(str.maketrans("_.", "--")).strip("-")
    mounts = [volume for volume in spec.volumes if volume.live or not spec.sealed]
    limits, warnings = _limits(spec, facts)
    own = _own_mounts(spec, paths, airlock=enforcement == "airlock")
    options = [
        *_identity(spec, paths, facts, hostname),
        *_confinement(spec, facts),
        *("--security-opt", f"seccomp={paths.seccomp_dir / profile_name(spec.opt_outs)}"),
        *_network(spec, facts, enforcement),
        *limits,
        *gpu_args(spec.gpus, cdi_devices, runtime=spec.runtime or facts.runtime),
        *_mount_args(own, labels=facts.selinux),
        *(word for volume in mounts for word in ("--volume", volume.to_mount_arg(labels=facts.selinux))),
    ]
    argv = [
        facts.podman,
        *(["create"] if spec.sealed else ["run", "--detach"]),
        *("--pull", "never"),
        *options,
        # Where it can be followed as it is written: Podman's own place for it belongs to the container's root.
        *("--log-opt", f"path={paths.log}"),
        # Only where Podman removes the container: the file's directory does not outlive a reboot.
        *(("--conmon-pidfile", str(paths.monitor_pid)) if spec.ephemeral else ()),
        *("--env-file", str(paths.env_file)),
        *(("--workdir", spec.workdir) if spec.workdir else ()),
        spec.image,
        *spec.command,
    ]
    settings = [f"{name}={value}" for name, value in sorted({**_proxy(enforcement), **_environment(spec)}.items())]
    return LaunchPlan(
        name=spec.container_name,
        image=spec.image,
        argv=tuple(argv),
        options=tuple(options),
        sealed=spec.sealed,
        copies=tuple(volume for volume in spec.volumes if volume not in mounts),
        env_file="".join(f"{setting}\n" for setting in settings),
        resolv_conf=_RESOLV_CONF,
        hosts=f"127.0.0.1 localhost {hostname}\n::1 localhost\n",
        apt_conf=_APT_CONF if enforcement == "airlock" else "",
        hostname=f"{hostname}\n",
        timezone=spec.timezone,
        planned=Planned(
            hostname=hostname,
            mounts=(
                *((str(source), target, "ro") for source, target in own),
                *((str(one.host_path), one.container_path, "ro" if one.read_only else "rw") for one in mounts),
                *(
                    ("tmpfs", value.partition(":")[0], "rw")
                    for flag, value in pairs(spec.extra_args)
                    if flag == "--tmpfs"
                ),
            ),
            env=tuple(sorted(map(digest, settings))),
            capabilities=SUDO_CAPABILITIES if spec.unrestricted else (),
            restricted=not spec.unrestricted,
            user_namespace=facts.rootless,
            own_network=spec.runtime == "krun",
            labels=facts.selinux,
            devices=tuple(cdi_grants) if spec.gpus else (),
            image_stores=facts.image_stores,
        ),
        network=None if enforcement == "airlock" or spec.runtime == "krun" else facts.network,
        warnings=tuple(warnings),
    )


def _identity(spec: RunSpec, paths: LaunchPaths, facts: HostFacts, hostname: str) -> list[str]:
    annotations = {SIDECAR_ANNOTATION: str(paths.sidecar), **_HOOK_OUTPUT, **spec.annotations}
    labels = {SANDBOX_LABEL: spec.container_name} | ({SCOPE_LABEL: spec.wiring.scope} if spec.wiring.scope else {})
    runtime = ["--runtime", spec.runtime] if spec.runtime else []
    return [
        *("--name", spec.container_name, "--hostname", hostname),
        "--init" if facts.init and spec.init else "--init=false",
        *(["--rm"] if spec.ephemeral else []),
        *runtime,
        *(word for key, value in sorted(annotations.items()) for word in ("--annotation", f"{key}={value}")),
        *(word for key, value in labels.items() for word in ("--label", f"{key}={value}")),
    ]


def _confinement(spec: RunSpec, facts: HostFacts) -> list[str]:
    euid = 1 if facts.rootless else 0
    if spec.unrestricted:
        privileges = [f"--cap-drop={','.join(DROPPED_CAPABILITIES)}"]
    else:
        privileges = ["--cap-drop=all", "--security-opt", "no-new-privileges", "--user", "1000:1000"]
    return [
        *podman_userns_args(facts.version[:2], euid=euid),
        *privileges,
        # Podman would otherwise pass on the host's proxy variables, notify socket and a systemd cgroup mount, and would
        # run the image's own health check again and again.
        *("--http-proxy=false", "--sdnotify", "ignore", "--systemd", "false", "--no-healthcheck"),
        # The user's `containers.conf` may share these with the host by default.
        *("--pid", "private", "--ipc", "private", "--uts", "private", "--cgroupns", "private"),
        *("--env-host=false", "--privileged=false"),
        *("--log-driver", "k8s-file", "--log-opt", f"max-size={LOG_LIMIT}"),
    ]


def _network(spec: RunSpec, facts: HostFacts, enforcement: Enforcement) -> list[str]:
    """Give the container no network, because the supervisor starts its way out, behind the rules.

    A start that no supervisor watches, as when Podman does not find the hook, thus reaches nothing. Only a microVM gets
    Podman's own network, which publishes its SSH port on the host's loopback; Podman chooses a free port there.
    """
    if enforcement == "airlock":
        if spec.runtime == "krun":
            raise SpecError(
                "a microVM is reached over its network, which airlock takes away", hint="use another runtime"
            )
        return ["--network", "none"]
    if facts.network is None:
        raise PrerequisiteMissing(
            "no program for container networks is installed", hint="install passt (Podman 5) or slirp4netns (Podman 4)"
        )
    if spec.runtime != "krun":
        return ["--network", "none"]
    network = "slirp4netns:allow_host_loopback=false" if facts.network == "slirp4netns" else facts.network
    return ["--network", network, "--publish", f"127.0.0.1::{GUEST_SSH_PORT}"]


def _proxy(enforcement: Enforcement) -> dict[str, str]:
    if enforcement != "airlock":
        return {}
    upper = {"HTTP_PROXY": _PROXY, "HTTPS_PROXY": _PROXY, "NO_PROXY": f"localhost,{LOOPBACK_HOST}"}
    return upper | {name.lower(): value for name, value in upper.items()}


def _environment(spec: RunSpec) -> dict[str, str]:
    agent = {"SSH_AUTH_SOCK": CONTAINER_SSH_SOCKET} if spec.wiring.vault and spec.wiring.ssh_scope is not None else {}
    return agent | dict(spec.env)


def _limits(spec: RunSpec, facts: HostFacts) -> tuple[list[str], list[str]]:
    wanted = (
        ("memory", "--memory", spec.memory),
        ("cpu", "--cpus", None if spec.cpus is None else f"{spec.cpus:g}"),
        ("pids", "--pids-limit", None if spec.pids is None else str(spec.pids)),
    )
    defaults = {"pids": str(DEFAULT_PIDS), "memory": f"{facts.memory * 3 // 4}b" if facts.memory else None}
    arguments: list[str] = []
    warnings: list[str] = []
    for controller, flag, value in wanted:
        if controller in facts.controllers:
            if given := value or defaults.get(controller):
                arguments += [flag, given]
        elif value:
            warnings.append(_no_effect(flag, value, controller))
    for flag, value in pairs(spec.extra_args):
        needed = CONTROLLERS.get(flag)
        if needed is None or needed in facts.controllers:
            arguments += [flag, value]
        else:
            warnings.append(_no_effect(flag, value, needed))
    return arguments, warnings


def _no_effect(flag: str, value: str, controller: str) -> str:
    return f"{flag} {value} has no effect: this user has no {controller} cgroup controller"


def _own_mounts(spec: RunSpec, paths: LaunchPaths, *, airlock: bool) -> tuple[tuple[Path, str], ...]:
    """Return the sandbox's own mounts, (source, destination): Podman's own copies of the last four are writable."""
    return (
        *([(paths.apt_conf, "/etc/apt/apt.conf.d/99terok-airlock")] if airlock else []),
        (paths.resolv_conf, "/etc/resolv.conf"),
        (paths.guest_dir, CONTAINER_RUNTIME_DIR),
        (paths.hosts, "/etc/hosts"),
        (paths.hostname, "/etc/hostname"),
        (paths.containerenv, "/run/.containerenv"),
        *([(paths.localtime, "/etc/localtime")] if spec.timezone else []),
    )


def _mount_args(mounts: Iterable[tuple[Path, str]], *, labels: bool) -> list[str]:
    options = "ro,z" if labels else "ro"
    return [word for source, target in mounts for word in ("--volume", f"{source}:{target}:{options}")]
