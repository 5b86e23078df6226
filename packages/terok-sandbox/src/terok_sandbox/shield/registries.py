"""Package registries by symbol: the hosts that this machine's own tools are configured to use.

`@pip` and its like stand for names and ports that are read from the tools when a container is launched, so that a
site's mirror is allowed where the site uses one, and nothing else. A registry that the site configured and that lives
on a private address becomes an override for its name and port alone.
"""

from __future__ import annotations

import configparser
import os
import re
import socket
import time
import tomllib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from terok_util import TerokError, read_file
from terok_util.process import run
from terok_util.values import lean_dataclass

from terok_sandbox.shield.errors import PolicyError, SpellingError
from terok_sandbox.shield.policy.addresses import is_private
from terok_sandbox.shield.policy.names import check_name

TIMEOUT: Final = 15.0
RECENT: Final = 5.0  # seconds for which an answer of a tool is kept: one launch asks for it several times
OVERRIDE_DAYS: Final = 30
_MAX_FILE: Final = 1024 * 1024
URL: Final = re.compile(r"https?://[^\s\"'\]>]+")
_PIP_DEFAULT: Final = (
    "from pip._internal.models.index import PyPI; print(PyPI.simple_url, 'https://' + PyPI.file_storage_domain)"
)
_CARGO_DEFAULT: Final = ("https://index.crates.io", "https://static.crates.io", "https://crates.io")
_GO_DEFAULT: Final = ("https://proxy.golang.org", "https://sum.golang.org", "https://storage.googleapis.com")


@lean_dataclass(frozen=True, slots=True)
class Registry:
    """The URLs that a symbol stands for, and whether the site configured them (else they are the tool's default)."""

    urls: tuple[str, ...]
    configured: bool


def run_tool(argv: Sequence[str], *, check: bool = True) -> str:
    """Return a tool's output, nothing if it is missing or (`check`) fails; not run in the current directory."""
    try:
        return run(list(argv), timeout=TIMEOUT, cwd="/", check=check).text
    except TerokError:
        return ""


def _text(path: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return read_file(path, _MAX_FILE).decode()
    return ""


def read_ini(text: str) -> configparser.ConfigParser:
    """Return the sections of an ini file as far as they can be read."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    with suppress(configparser.Error):
        parser.read_string(text)
    return parser


def pip_registry(ask: Callable[[Sequence[str]], str] = run_tool) -> Registry:
    """Read pip's configuration; its default is asked of pip itself."""
    listed = ask(["pip", "config", "list"])
    settings = dict(line.split("=", 1) for line in listed.splitlines() if "=" in line)
    words = {key.rpartition(".")[2]: value.strip("'\"") for key, value in settings.items()}
    for key in ("index-url", "extra-index-url"):
        words[key] = os.environ.get("PIP_" + key.upper().replace("-", "_"), words.get(key, ""))
    urls = URL.findall(f"{words['index-url']} {words['extra-index-url']}")
    if words["index-url"]:
        return Registry(tuple(urls), configured=True)
    default = next((text for python in ("python3", "python") if (text := ask([python, "-c", _PIP_DEFAULT]))), "")
    return Registry((*default.split(), *urls), configured=False)


def npm_registry(ask: Callable[[Sequence[str]], str] = run_tool, home: Path | None = None) -> Registry:
    """Read npm's registry, and those of scopes in the user's `.npmrc`."""
    main = URL.findall(ask(["npm", "config", "get", "registry", "--logs-max=0"]))
    rc = _text((home or Path.home()) / ".npmrc")
    scoped = npm_scopes(rc)
    configured = bool(scoped) or any(key.lower() == "npm_config_registry" for key in os.environ)
    return Registry((*main, *scoped), configured)


def npm_scopes(npmrc: str) -> list[str]:
    """Return the registries that the text of an `.npmrc` names."""
    return re.findall(r"^(?:@[^:\s]+:)?registry\s*=\s*(\S+)", npmrc, re.MULTILINE)


def apt_registry(etc: Path = Path("/etc/apt")) -> Registry:
    """Read the sources of apt, one-line and deb822 files."""
    files = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*.list"))]
    urls = [url for file in files for line in _lines(file) if line.startswith("deb") for url in URL.findall(line)]
    for file in sorted((etc / "sources.list.d").glob("*.sources")):
        urls += [url for line in _lines(file) if line.lower().startswith("uris:") for url in URL.findall(line)]
    return Registry(tuple(urls), configured=True)


def dnf_registry(etc: Path = Path("/etc/yum.repos.d")) -> Registry:
    """Read the repositories of dnf that are enabled."""
    urls: list[str] = []
    for file in sorted(etc.glob("*.repo")):
        parser = read_ini(_text(file))
        for section in parser.sections():
            if parser.get(section, "enabled", fallback="1") != "0":
                values = [parser.get(section, key, fallback="") for key in ("baseurl", "mirrorlist", "metalink")]
                urls += URL.findall(" ".join(values))
    return Registry(tuple(urls), configured=True)


def cargo_registry(home: Path | None = None) -> Registry:
    """Read cargo's configuration: a replaced source, and registries beside the default one."""
    base = Path(os.environ.get("CARGO_HOME", (home or Path.home()) / ".cargo"))
    document: dict[str, Any] = {}
    for name in ("config", "config.toml"):
        with suppress(tomllib.TOMLDecodeError):
            document |= tomllib.loads(_text(base / name))
    sources, others = document.get("source", {}), document.get("registries", {})
    urls = [str(table.get(key, "")) for table in sources.values() for key in ("registry",) if isinstance(table, dict)]
    urls += [str(table.get("index", "")) for table in others.values() if isinstance(table, dict)]
    used = URL.findall(" ".join(urls))
    # A replaced source means that the default registry is not asked at all.
    replaced = any(isinstance(table, dict) and "replace-with" in table for table in sources.values())
    return Registry((*used, *(() if replaced else _CARGO_DEFAULT)), configured=replaced)


def go_registry(ask: Callable[[Sequence[str]], str] = run_tool) -> Registry:
    """Read GOPROXY and GOSUMDB."""
    proxy = os.environ.get("GOPROXY") or ask(["go", "env", "GOPROXY"])
    urls = tuple(URL.findall(proxy.replace(",", " ").replace("|", " ")))
    default = not urls or urls[0].startswith(_GO_DEFAULT[0])
    return Registry(_GO_DEFAULT if default else urls, configured=not default)


READERS: Final[dict[str, Callable[[], Registry]]] = {
    "@pip": pip_registry,
    "@npm": npm_registry,
    "@apt": apt_registry,
    "@dnf": dnf_registry,
    "@cargo": cargo_registry,
    "@go": go_registry,
}


def expand(symbol: str, also: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the rule lines of a symbol such as `@pip` and of the targets `also`; raises `PolicyError`."""
    return tuple(f"+ {target} %from={symbol}" for target in dict.fromkeys([*targets(read(symbol).urls), *also]))


def private_overrides(
    symbol: str, also: Iterable[str] = (), *, lookup: Callable[[str], Iterable[Any]] | None = None
) -> tuple[str, ...]:
    """Return override lines for a symbol's hosts, or targets `also`, that the site configured on private addresses."""
    registry = read(symbol)
    if not registry.configured:
        return ()
    end = (datetime.now(UTC) + timedelta(days=OVERRIDE_DAYS)).strftime("%Y-%m-%dT%H:%M:%SZ")
    reason = f'%reason="registry this site configured for {symbol[1:]}"'
    ask = lookup or _addresses
    return tuple(
        f"+ {target} {reason} %expires={end}"
        for target in dict.fromkeys([*targets(registry.urls), *also])
        if any(map(is_private, ask(target.rpartition(":")[0])))
    )


def targets(urls: Iterable[str]) -> list[str]:
    """Return `name:port` for every URL with a canonical host name, each once."""
    found: dict[str, None] = {}
    for url in urls:
        with suppress(ValueError, SpellingError):
            parts = urlsplit(url)
            name = check_name((parts.hostname or "").lower())
            found[f"{name}:{parts.port or (80 if parts.scheme == 'http' else 443)}"] = None
    return list(found)


def read(symbol: str) -> Registry:
    """Return the registry of a symbol, asked of its tool anew after `RECENT`; raises `PolicyError`."""
    reader = READERS.get(symbol.strip())
    if reader is None:
        raise PolicyError(f"unknown registry {symbol[:40]!r}", hint=f"use one of {' '.join(READERS)}")
    read_at, registry = _recent.get(reader, (0.0, None))
    if registry is None or time.monotonic() - read_at > RECENT:
        registry = reader()
        _recent[reader] = (time.monotonic(), registry)
    return registry


_recent: dict[Callable[[], Registry], tuple[float, Registry]] = {}


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in _text(path).splitlines()]


def _addresses(name: str) -> list[Any]:
    with suppress(OSError, ValueError):
        return [ip_address(str(info[4][0]).partition("%")[0]) for info in socket.getaddrinfo(name, None)]
    return []
