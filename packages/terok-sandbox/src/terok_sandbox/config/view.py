"""The sections of `config.yml` that the sandbox owns, validated.

Unknown sections and keys are refused; what is in the sections of other wheels is theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from terok_util import ConfigScope, ConfigStack, TerokError, config_error, load_config_file

from terok_sandbox.errors import ConfigError
from terok_sandbox.values.launch import Enforcement, OptOut, SecurityClass
from terok_sandbox.values.limits import Budget, Limits, OnLimit
from terok_sandbox.values.servers import parse_server

_HINT = "correct the file; unknown keys are refused so that a misspelled one is not silently ignored"


class Section(BaseModel):
    """A section a person writes: strict, no unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


class CredentialsSection(Section):
    """`credentials:` where the vault lives and how it is unlocked."""

    passphrase_command: list[str] | None = Field(default=None, min_length=1)
    """A command, word by word, that prints the passphrase of the vault."""


class ShieldSection(Section):
    """`shield:` how egress is enforced."""

    mode: Enforcement = "filter"
    """How egress is held: by nft rules (`filter`), or without any interface but loopback (`airlock`)."""
    profiles: list[str] = Field(default_factory=list, max_length=32)
    """Allowlists that are open; `terok sandbox shield profiles` lists them."""
    resolvers: list[str] = Field(default_factory=list, max_length=3)
    """Name servers for containers, `address` or `address:port`; without any, the host's."""

    @field_validator("resolvers")
    @classmethod
    def _check_resolvers(cls, value: list[str]) -> list[str]:
        for text in value:
            try:
                parse_server(text)
            except TerokError as error:
                raise ValueError(error.message) from error
        return value


class GateSection(Section):
    """`gate:` what containers see of their project's upstream."""

    security_class: SecurityClass = "gatekeeping"
    """Whether containers see the upstream beside the gate: `gatekeeping` (no) or `online`."""


class LimitsSection(Section):
    """Limits; what is not given is not limited."""

    cost_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """US dollars."""
    tokens: int | None = Field(default=None, ge=0)
    """Tokens, in and out."""
    requests: int | None = Field(default=None, ge=0)
    """Requests to providers."""
    bytes: int | None = Field(default=None, ge=0)
    """Bytes, both ways."""
    wall_seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Seconds since the launch."""


def _absolute(path: str) -> str:
    if not path.startswith(("/", "~/")):
        raise ValueError("use an absolute path, or one that begins with ~/")
    return path


class DayLimitsSection(Section):
    """Limits of one day; what is not given is not limited."""

    cost_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """US dollars."""
    tokens: int | None = Field(default=None, ge=0)
    """Tokens, in and out."""
    requests: int | None = Field(default=None, ge=0)
    """Requests to providers."""
    bytes: int | None = Field(default=None, ge=0)
    """Bytes, both ways."""


class VaultSection(Section):
    """`vault:` the vault's own settings."""

    prices: Annotated[str, AfterValidator(_absolute)] | None = None
    """File with your own prices of models; by default `prices.json` beside `config.yml`, if it exists."""


class BudgetSection(Section):
    """`budget:` what a task, all tasks of a project, and all tasks on one day may use of their providers."""

    task: LimitsSection = LimitsSection()
    """Limits of one task."""
    project: LimitsSection = LimitsSection()
    """Limits of all tasks of a project together."""
    day: DayLimitsSection = DayLimitsSection()
    """Limits of all tasks of all projects together on one day (UTC)."""
    on_limit: OnLimit = "refuse"
    """A call beyond a limit is refused, or held until a person decides."""


class ServicesSection(Section):
    """`services:` how containers reach vault and gate."""

    mode: Literal["socket", "tcp"] = "socket"
    """`tcp` serves vault and gate on ports of the loopback too, for microVMs."""


class RunSection(Section):
    """`run:` how containers are run."""

    shutdown_timeout: int = Field(default=10, ge=0, le=600)
    """Seconds until a container that is stopped is killed."""
    seccomp_opt_outs: list[OptOut] = Field(default_factory=list)
    """Parts of Podman's seccomp profile to keep: nested, perf, debug, 32bit."""


class SandboxConfigView(BaseModel):
    """The sandbox's view of the shared `config.yml`; what is written into a section without settings is refused."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    paths: Section = Section()
    gate_server: Section = Section()
    network: Section = Section()
    ssh: Section = Section()

    credentials: CredentialsSection = CredentialsSection()
    vault: VaultSection = VaultSection()
    services: ServicesSection = ServicesSection()
    shield: ShieldSection = ShieldSection()
    gate: GateSection = GateSection()
    run: RunSection = RunSection()
    budget: BudgetSection = BudgetSection()

    def settings(self) -> dict[str, Any]:
        """Return the keyword arguments of SandboxConfig that the file sets."""
        command = self.credentials.passphrase_command
        return {
            "credentials_passphrase_command": None if command is None else tuple(command),
            "own_prices": self.vault.prices,
            "services_mode": self.services.mode,
            "shield_mode": self.shield.mode,
            "security_class": self.gate.security_class,
            "shield_profiles": tuple(self.shield.profiles),
            "shield_resolvers": tuple(self.shield.resolvers),
            "budget": Budget(
                Limits(**self.budget.task.model_dump()),
                Limits(**self.budget.project.model_dump()),
                self.budget.on_limit,
                Limits(**self.budget.day.model_dump()),
            ),
            "shutdown_timeout": self.run.shutdown_timeout,
            "seccomp_opt_outs": tuple(self.run.seccomp_opt_outs),
        }


def parse_view(path: Path, content: bytes) -> SandboxConfigView:
    """Return the view of what `path` holds; a ConfigError names file, line and key."""
    return parse_layers([(path, content)])


def parse_layers(layers: Iterable[tuple[Path, bytes]]) -> SandboxConfigView:
    """Return the view of files laid over each other, the lowest first; raises as `parse_view` does."""
    view, stack = SandboxConfigView(), ConfigStack()
    for path, content in layers:
        try:
            scope = load_config_file(path, content)
        except TerokError as error:
            raise ConfigError(error.message, hint=error.hint) from None
        stack.push(scope)
        _validated(scope.data, scope)  # by itself, so that an error is found where it stands
        view = _validated(stack.resolve(), scope)
    return view


def _validated(data: Mapping[str, Any], scope: ConfigScope) -> SandboxConfigView:
    try:
        return SandboxConfigView.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        problem = config_error(scope, first["loc"], first["msg"].removeprefix("Value error, "), hint=_HINT)
        raise ConfigError(problem.message, hint=problem.hint) from None
