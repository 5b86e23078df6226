"""The error tree of terok-sandbox.

Every error carries a one-line message (what happened, where), an optional hint (what to do) and the exit code its
command ends with::

    SandboxError                     1
    ├── ConfigError                 78   a configuration file or environment value cannot be used
    ├── SpecError                    2   a launch was asked for with values that are refused
    │   └── GpuConfigError           2   it asked for GPUs that this host does not offer to containers
    ├── SidecarError                 1   the file that wires a container to its supervisor cannot be trusted
    ├── AuditError                   1   an audit row could not be made durable
    ├── LaunchError                  1   a container could not be brought up
    │   ├── NameTaken                1   another container has the name
    │   ├── ContainerBusy            1   another command works on the container
    │   ├── LockedDown              73   nothing starts after a panic
    │   └── SupervisionError         1   it came up without the supervision it needs, and was taken down
    ├── EngineError                  1   podman failed; nothing is known about what was asked
    │   ├── EngineTimeout            1   podman did not answer in time
    │   ├── ContainerNotFound        1   podman answered: there is no such container
    │   └── ImageNotFound            1   podman answered: there is no such image
    ├── SetupError                   1   setup or uninstall could not do its work
    │   ├── SetupRequired            3   run `terok-sandbox setup` first
    │   ├── SetupDowngrade           4   the installed setup is newer than this program
    │   └── PrerequisiteMissing      5   the host lacks something that setup cannot provide
    ├── NetnsError                   1   a network namespace could not be entered or prepared
    ├── SupervisorError              1   fork server, supervisor or worker
    ├── ShieldError                  1   policy, ruleset, DNS
    ├── GateError                    1   git mirror or git server
    └── VaultError                   1   credential store, tokens, proxy
"""

from __future__ import annotations

from typing import ClassVar

from terok_util import TerokError


class SandboxError(TerokError):
    """Base of everything terok-sandbox raises on purpose."""


class ConfigError(SandboxError):
    """A configuration file or environment value cannot be used."""

    exit_code: ClassVar[int] = 78


class SpecError(SandboxError):
    """A launch was asked for with values that are refused."""

    exit_code: ClassVar[int] = 2


class GpuConfigError(SpecError):
    """A launch asked for GPUs that this host does not offer to containers."""


class SidecarError(SandboxError):
    """A sidecar file is missing, foreign, damaged or of another schema."""


class AuditError(SandboxError):
    """An audit row could not be written."""


class LaunchError(SandboxError):
    """A container could not be brought up; nothing of it is left."""


class ContainerBusy(LaunchError):
    """Another command works on the container."""


class NameTaken(LaunchError):
    """A container of that name exists; it was left alone."""


class LockedDown(LaunchError):
    """Nothing may start until a person ends the lockdown."""

    exit_code: ClassVar[int] = 73


class SupervisionError(LaunchError):
    """A container came up without verified supervision and was taken down again."""


class EngineError(SandboxError):
    """Podman failed: whatever was asked remains unknown."""


class EngineTimeout(EngineError, TimeoutError):
    """Podman did not answer, or the container did not end, within the time allowed."""


class ContainerNotFound(EngineError):
    """Podman answered that the container does not exist."""


class ImageNotFound(EngineError):
    """Podman answered that the image does not exist."""


class SetupError(SandboxError):
    """Setup or uninstall could not do its work."""


class SetupRequired(SetupError):
    """The hooks of this version are not installed."""

    exit_code: ClassVar[int] = 3


class SetupDowngrade(SetupError):
    """A newer version has set this host up."""

    exit_code: ClassVar[int] = 4


class PrerequisiteMissing(SetupError):
    """The host lacks something that setup cannot provide."""

    exit_code: ClassVar[int] = 5


class NetnsError(SandboxError):
    """A network namespace could not be entered or prepared."""


class SupervisorError(SandboxError):
    """Fork server, supervisor or worker could not do what was asked."""


class ShieldError(SandboxError):
    """Policy, ruleset or name resolution failed."""


class GateError(SandboxError):
    """A git mirror or the git server failed."""


class VaultError(SandboxError):
    """The credential store, a token or the proxy failed."""
