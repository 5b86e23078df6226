"""Ports of the host that a container was given, and vault and gate on host ports for guests with their own network."""

from __future__ import annotations

import os
import pwd
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from support import Shell, tool
from terok_sandbox import GuestKeys, KrunRuntime, RunSpec, Sandbox, SandboxConfig, Sidecar, SshTransport, service_ports
from terok_sandbox.launch.spec import Wiring
from terok_sandbox.runtime.guest import GuestEndpoint
from terok_sandbox.sidecar import GateWiring
from terok_sandbox.vault.unlock import open_vault

REQUEST = "GET /v1/x HTTP/1.0\\r\\nHost: vault\\r\\nx-api-key: {}\\r\\n\\r\\n"


def tcp(port: int, request: str) -> list[str]:
    return ["timeout", "20", "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port} && printf '{request}' >&3 && cat <&3"]


@contextmanager
def greeter() -> Iterator[int]:
    """Greet whoever connects to a port of this host's loopback."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"from the host: " + connection.recv(100))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def guest(keys: GuestKeys) -> Iterator[GuestEndpoint]:
    """Run the SSH server of a guest, which here is this host: its loopback stands for the guest's."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": keys.host_key,
        "AuthorizedKeysFile": keys.authorized_keys,
        "StrictModes": "no",
        "UsePAM": "no",
        "PidFile": "none",
    }
    words = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    server = subprocess.Popen([tool("sshd"), "-D", "-e", "-f", "/dev/null", *words])
    try:
        deadline = time.monotonic() + 20
        with socket.socket() as probe:
            while probe.connect_ex(("127.0.0.1", port)):
                assert server.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
        yield GuestEndpoint("127.0.0.1", port)
    finally:
        server.terminate()
        server.wait(10)


def test_ports_of_the_host(ready: Shell, base_image: str, real_key: str, container: str, tmp_path: Path) -> None:
    config = replace(SandboxConfig.load(), services_mode="tcp")
    sandbox, keys = Sandbox(config), GuestKeys.make(tmp_path / "k")
    with open_vault(config) as vault:
        token = vault.create_token(container, "demo", "default")
    wiring = Wiring(scope="svc", enforcement="airlock", gate=GateWiring.for_token(tmp_path / "m.git", "m", "secret"))
    with greeter() as given, greeter() as other:
        spec = RunSpec(
            container_name=container,
            image=base_image,
            workdir="/tmp",
            command=("sleep", "600"),
            loopback_ports=(given,),
            wiring=wiring,
        )
        sandbox.run(spec)
        exec_in = sandbox.runtime.exec
        mounts = sandbox.runtime.container(container).mounts
        assert (str(config.guest_dir(container)), "/run/terok", False) in mounts
        assert not any(mount.writable for mount in mounts)
        assert exec_in(container, tcp(given, "hello")).stdout == "from the host: hello"
        assert exec_in(container, tcp(other, "hello")).exit_code == 1
    assert exec_in(container, tcp(given, "hello")).stdout == "", "nobody is there any more"
    ports = Sidecar.load(config.sidecar_path(container)).host_ports
    assert ports is not None
    with guest(keys) as endpoint:
        user = pwd.getpwuid(os.geteuid()).pw_name
        transport = SshTransport(
            keys, resolve=lambda name: endpoint, user=user, workdir="/tmp", forwards=service_ports(config)
        )
        runtime = KrunRuntime(transport, config)
        try:
            for key, status in ((token, ""), (secrets.token_hex(8), " 401 ")):
                told = runtime.exec(container, tcp(9419, REQUEST.format(key))).stdout
                assert told.startswith("HTTP/1")
                assert status in told.splitlines()[0] and (status or " 401 " not in told.splitlines()[0])
            told = runtime.exec(container, tcp(9418, "GET /m.git/info/refs HTTP/1.0\\r\\n\\r\\n")).stdout
            assert " 401 " in told.splitlines()[0]
        finally:
            leave = transport.argv(container, ["true"])
            subprocess.run([*leave[:-3], "-O", "exit", *leave[-2:-1]], check=False, capture_output=True)
    sandbox.rm(container)
    for port in (ports.vault, ports.gate):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
