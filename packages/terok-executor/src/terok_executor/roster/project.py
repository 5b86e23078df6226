"""Turns a validated roster file into the frozen value the rest of the executor uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok_executor.roster.types import (
    Agent,
    AuthHeader,
    AutoApproveSpec,
    ConfigFile,
    CredentialFile,
    GitIdentity,
    HeadlessSpec,
    InstallSpec,
    LoginSpec,
    MountSpec,
    NpmStage,
    PhantomShape,
    PipStage,
    Provider,
    ProviderBinding,
    RefreshSpec,
    SessionSpec,
    StagedFile,
    Tool,
    WebSpec,
)

if TYPE_CHECKING:
    from terok_executor.roster.schema import (
        RawAgentYaml,
        RawAuthHeader,
        RawCredentialFile,
        RawInstall,
        RawLogin,
        RawMount,
        RawNpmStage,
        RawProviderYaml,
        RawToolYaml,
        RawWeb,
    )


def agent_from_raw(name: str, raw: RawAgentYaml) -> Agent:
    """Fill in what an agent's file leaves to its name."""
    return Agent(
        name=name,
        label=raw.label or name,
        kind=raw.kind,
        binary=raw.binary or name,
        speaks={str(protocol): dict(values) for protocol, values in raw.speaks.items()},
        git_identity=GitIdentity(raw.git_identity.name or name.capitalize(), raw.git_identity.email),
        headless=HeadlessSpec(tuple(raw.headless.args), raw.headless.model_flag, raw.headless.max_turns_flag),
        auto_approve=AutoApproveSpec(dict(raw.auto_approve.env), tuple(raw.auto_approve.flags)),
        session=SessionSpec(tuple(raw.session.continue_args)),
        provider=ProviderBinding(
            raw.provider.default,
            {str(kind): name for kind, name in raw.provider.token_env.items()},
            raw.provider.base_url_env,
        ),
        env=dict(raw.env),
        config_files=tuple(
            ConfigFile(item.path, item.content, item.patch, item.source, item.credential) for item in raw.config_files
        ),
        login=_login(raw.login) if raw.login else None,
        account_note=raw.account_note,
        credential_files=tuple(_credential_file(item) for item in raw.credential_files),
        instructions_file=raw.instructions_file,
        subagents_dir=raw.subagents_dir,
        acp=tuple(raw.acp),
        model_list=raw.model_list.model_dump() if raw.model_list else None,
        web=_web(raw.web),
        install=_install(raw.install),
        mounts=_mounts(name, raw.mounts),
        help=raw.help,
    )


def tool_from_raw(name: str, raw: RawToolYaml) -> Tool:
    """Fill in what a tool's file leaves to its name."""
    return Tool(
        name=name,
        label=raw.label or name,
        kind=raw.kind,
        binary=raw.binary or name,
        args=tuple(raw.args),
        provider=raw.provider,
        env=dict(raw.env),
        config_files=tuple(ConfigFile(item.path, item.content) for item in raw.config_files),
        web=_web(raw.web),
        install=_install(raw.install),
        mounts=_mounts(name, raw.mounts),
        help=raw.help,
    )


def provider_from_raw(name: str, raw: RawProviderYaml) -> Provider:
    """Fill in what a provider's file leaves to its name."""
    return Provider(
        name=name,
        label=raw.label or name,
        upstream=raw.upstream,
        auth={kind: _auth(header) for kind, header in raw.auth.items()},
        serves={str(protocol): path for protocol, path in raw.serves.items()},
        shared_domain=raw.shared_domain,
        default_model=raw.default_model,
        path_upstreams=dict(raw.path_upstreams),
        token=PhantomShape(raw.token.prefix, raw.token.length, raw.token.alphabet),
        oauth_refresh=RefreshSpec(**raw.oauth_refresh.model_dump()) if raw.oauth_refresh else None,
        key_url=raw.key_url,
        help=raw.help,
    )


def _mounts(name: str, raw: list[RawMount]) -> tuple[MountSpec, ...]:
    return tuple(MountSpec(item.host_dir, item.container_path, item.label or name) for item in raw)


def _web(raw: RawWeb | None) -> WebSpec | None:
    return WebSpec(tuple(raw.command), raw.port) if raw else None


def _install(raw: RawInstall) -> InstallSpec:
    return InstallSpec(
        version=raw.version,
        packages={family: tuple(names) for family, names in raw.packages.items()},
        npm=_npm(raw.npm) if raw.npm else None,
        pip=PipStage(tuple(raw.pip.requirements), raw.pip.directory) if raw.pip else None,
        run_as_root=tuple(raw.run_as_root),
        run_as_dev=tuple(raw.run_as_dev),
        files=tuple(
            StagedFile(item.path, item.content, item.resource, item.executable, item.owner) for item in raw.files
        ),
    )


def _npm(raw: RawNpmStage) -> NpmStage:
    return NpmStage(tuple(raw.packages), raw.track, raw.node, tuple(raw.run), dict(raw.artifacts))


def _login(raw: RawLogin) -> LoginSpec:
    return LoginSpec(
        methods={str(method): tuple(command) for method, command in raw.methods.items()},
        urls=tuple(raw.urls),
        code=raw.code,
        paste=raw.paste,
        callback_port=raw.callback_port,
        allow=tuple(raw.allow),
        env=dict(raw.env),
    )


def _credential_file(raw: RawCredentialFile) -> CredentialFile:
    return CredentialFile(
        path=raw.path,
        format=raw.format,
        type=raw.type,
        fields={name: tuple(path) for name, path in raw.fields.items()},
        optional={name: tuple(path) for name, path in raw.optional.items()},
        phantom=raw.phantom,
    )


def _auth(raw: RawAuthHeader) -> AuthHeader:
    prefix = raw.prefix
    if prefix is None:
        prefix = "Bearer " if raw.header.lower() == "authorization" else ""
    return AuthHeader(raw.header, prefix, dict(raw.extra_headers))
