"""Further hosts of package registries: those an image is configured for, and those a registry sends its clients to.

The first are read once for each image, in a container without a network; the second are learned by `setup` through
the clients themselves. Neither opens a private address by itself.
"""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import IO, Any, Final, cast

from terok_util import TerokError, atomic_write, ensure_dir

from terok_sandbox.config import SandboxConfig
from terok_sandbox.runtime.engine import podman
from terok_sandbox.shield.errors import PolicyError
from terok_sandbox.shield.policy_file import read_policy_file
from terok_sandbox.shield.profiles import profile_lines, profile_overrides
from terok_sandbox.shield.registries import (
    URL,
    Registry,
    apt_registry,
    dnf_registry,
    npm_scopes,
    read,
    read_ini,
    run_tool,
    targets,
)
from terok_sandbox.sidecar import PolicyTiers

LEARNED: Final = ("@pip", "@npm", "@apt")  # the symbols whose redirects setup learns
KEPT_SECONDS: Final = 7 * 86400.0
IMAGE_TIMEOUT: Final = 30.0
_HOPS: Final = 4
_MAX_TAR: Final = 4 * 1024 * 1024
_HOMES: Final = ("root", "home/dev")
_IMAGE_FILES: Final = (
    *("etc/apt", "etc/yum.repos.d", "etc/pip.conf", "etc/npmrc", "usr/etc/npmrc", "usr/local/etc/npmrc"),
    *(f"{home}/{name}" for home in _HOMES for name in (".npmrc", ".config/pip/pip.conf", ".pip/pip.conf")),
)
_PIP: Final = ("--dry-run", "--report", "-", "--no-deps", "--ignore-installed", "--no-input", "--retries", "0")


def profile_tiers(
    config: SandboxConfig,
    image: str | None,
    profiles: Sequence[str] | None,
    lines: Sequence[str] = (),
    policy: str | Path | None = None,
) -> PolicyTiers:
    """Return the policy of a launch of `image`: a `policy` file, the hosts of `profiles` here and in it, and `lines`.

    Profiles of None are the configured ones, or none beside a policy file. Raises `PolicyError` for an unknown
    one, a rule that cannot be read, or an expectation of the file that does not come true.
    """
    own = PolicyTiers() if policy is None else policy_tiers(policy)
    if profiles is None:
        profiles = config.shield_profiles if policy is None else ()
    if not profiles:
        return replace(own, project_allow=(*own.project_allow, *lines))
    of_image = cache(lambda: image_urls(config, image) if image else {})  # podman is asked once, and for symbols only

    def also(symbol: str) -> list[str]:
        return [*redirect_targets(config, symbol), *targets(of_image().get(symbol, []))]

    allowed = profile_lines(profiles, config.config_dir, also=also)
    override = profile_overrides(profiles, config.config_dir, also=lambda symbol: redirect_targets(config, symbol))
    return replace(own, override=(*own.override, *override), project_allow=(*own.project_allow, *allowed, *lines))


def policy_tiers(path: str | Path) -> PolicyTiers:
    """Return the rules of a policy file; raises `PolicyError` as `profile_tiers` does."""
    content = read_policy_file(path)
    for expected, decision in content.unmet():
        raise PolicyError(f"{path}:{expected.describe(decision)}", hint="see `terok-sandbox shield test`")
    tiers: dict[str, tuple[str, ...]] = {}
    for rule in content.rules:
        tiers[rule.tier] = (*tiers.get(rule.tier, ()), rule.line)
    return PolicyTiers(**tiers)


def image_urls(config: SandboxConfig, image: str) -> dict[str, list[str]]:
    """Return the registries that `image` is configured to use by symbol, none if it is unreadable; read once."""
    from terok_sandbox.runtime.podman_image import PodmanImage

    with suppress(TerokError, OSError, ValueError, KeyError, RecursionError):
        path = config.state_dir / "registries" / f"{PodmanImage(image).id}.json"
        if not path.exists():
            ensure_dir(path.parent)
            atomic_write(path, json.dumps(read_image(image)), mode=0o600)
        return dict(json.loads(path.read_text()))
    return {}


def read_image(image: str) -> dict[str, list[str]]:
    """Return the registry URLs of `image` by symbol; raises `TerokError`."""
    script = f"env; echo; cd / && tar -cf - {' '.join(_IMAGE_FILES)} 2>/dev/null"
    options = ("--network", "none", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--pull", "never")
    argv = ["run", "--rm", *options, "--user", "0", "--entrypoint", "/bin/sh", image, "-c", script]
    output = podman(argv, timeout=IMAGE_TIMEOUT).stdout[:_MAX_TAR]
    settings, _, archive = output.partition(b"\n\n")
    variables = dict(line.split("=", 1) for line in settings.decode("utf-8", "replace").splitlines() if "=" in line)
    with tempfile.TemporaryDirectory() as place:
        with suppress(tarfile.TarError, OSError), tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for member in tar:
                path = Path(place) / member.name
                # The archive comes from an image: neither links nor paths out of the directory are followed.
                if member.isreg() and ".." not in path.parts and path.is_relative_to(place):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(cast("IO[bytes]", tar.extractfile(member)).read())
        return configured_urls(Path(place), variables)


def configured_urls(root: Path, variables: dict[str, str]) -> dict[str, list[str]]:
    """Return the registry URLs by symbol that the files below `root` and the environment `variables` name."""
    lowered = {key.lower(): value for key, value in variables.items()}
    pip, npm = f"{lowered.get('pip_index_url', '')} {lowered.get('pip_extra_index_url', '')}", ""
    for file in (path for name in _IMAGE_FILES for path in [root / name] if path.is_file()):
        text = file.read_text("utf-8", "replace")
        if file.name == "pip.conf":
            parser = read_ini(text)
            pip += " ".join(["", *(parser.get("global", key, fallback="") for key in ("index-url", "extra-index-url"))])
        else:
            npm += " ".join(["", *npm_scopes(text)])
    return {
        "@pip": URL.findall(pip),
        "@npm": URL.findall(f"{lowered.get('npm_config_registry', '')} {npm}"),
        "@apt": list(apt_registry(root / "etc/apt").urls),
        "@dnf": list(dnf_registry(root / "etc/yum.repos.d").urls),
        "@go": URL.findall(lowered.get("goproxy", "").replace(",", " ").replace("|", " ")),
    }


def learn_redirects(config: SandboxConfig, *, ask: Callable[[Sequence[str]], str] | None = None) -> str:
    """Ask the registries of `LEARNED`, once a week, where they send clients; remember that and return a summary."""
    known, ask = _load(config), ask or (lambda argv: run_tool(argv, check=False))
    registries = {symbol: read(symbol) for symbol in LEARNED}
    stale = [
        symbol
        for symbol, registry in registries.items()
        if known.get(symbol, {}).get("urls") != list(registry.urls) or time.time() - known[symbol]["at"] > KEPT_SECONDS
    ]
    from concurrent.futures import ThreadPoolExecutor  # every launch imports this module

    with ThreadPoolExecutor(len(LEARNED)) as pool:
        for symbol, redirects in zip(
            stale, pool.map(lambda one: _follow(one, registries[one], ask), stale), strict=True
        ):
            known[symbol] = {"urls": list(registries[symbol].urls), "at": time.time(), "targets": redirects}
    if stale:
        atomic_write(_path(config), json.dumps(known), mode=0o600)
    return ", ".join(f"{symbol}: {len(known[symbol]['targets'])} further hosts" for symbol in LEARNED)


def redirect_targets(config: SandboxConfig, symbol: str) -> list[str]:
    """Return `name:port` of where the registries of `symbol` were seen to send clients."""
    row = _load(config).get(symbol, {})
    if not row or row.get("urls") != list(read(symbol).urls):
        return []
    return [str(target) for target in row["targets"]]


def _follow(symbol: str, registry: Registry, ask: Callable[[Sequence[str]], str]) -> list[str]:
    files: list[str] = []
    if symbol == "@pip":
        with suppress(ValueError, KeyError, IndexError, TypeError):
            report = json.loads(ask(["python3", "-m", "pip", "install", "-q", *_PIP, "pip"]))
            files = [str(report["install"][0]["download_info"]["url"])]
    elif symbol == "@npm":
        files = URL.findall(ask(["npm", "view", "npm", "dist.tarball", "--fetch-retries=0", "--fetch-timeout=5000"]))
    starts = [f"{url.rstrip('/')}/dists/" for url in registry.urls] if symbol == "@apt" else list(registry.urls)
    seen = [*files]
    for start in dict.fromkeys([*starts, *files]):
        url = start
        for _ in range(_HOPS):
            curl = ["curl", "-sI", "-o", "/dev/null", "--max-time", "5", "--proto", "=http,https"]
            redirects = URL.findall(ask([*curl, "-w", "%{redirect_url}", "--", url]))
            if not redirects:
                break
            url = redirects[0]
            seen.append(url)
    known = targets(registry.urls)
    return [target for target in targets(seen) if target not in known]


def _load(config: SandboxConfig) -> dict[str, Any]:
    with suppress(OSError, ValueError, RecursionError):
        rows = json.loads(_path(config).read_text())
        return rows if isinstance(rows, dict) else {}
    return {}


def _path(config: SandboxConfig) -> Path:
    return config.state_dir / "registries.json"
