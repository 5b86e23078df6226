"""Runs a vendor's own sign-in in a hardened container that can reach the vendor's sign-in pages and nothing else."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from terok_util import FileError, ensure_dir, namespace_runtime_dir

from terok_executor.auth.credential_files import MAX_FILE_BYTES, extract
from terok_executor.auth.files import read_inside, shred_tree
from terok_executor.auth.session import LOGIN_SECONDS
from terok_executor.errors import LoginError
from terok_executor.integrations.sandbox import PolicyTiers, RunSpec, Sandbox, Sharing, VolumeSpec, Wiring
from terok_executor.roster.egress import allow_lines
from terok_executor.roster.types import Agent, LoginSpec

NAME_PREFIX = "terok-login-"
CALLBACK_SECONDS = 30.0
LIFETIME = int(LOGIN_SECONDS) + 300


class ContainerLogin:
    """A `LoginDriver`. The agent's directories are empty ones of the host's RAM file system, wiped at the end."""

    def __init__(
        self,
        sandbox: Sandbox,
        agent: Agent,
        spec: LoginSpec,
        method: str,
        image: str,
        *,
        label: str = "",
        mounts_dir: Path | None = None,
    ) -> None:
        self._sandbox = sandbox
        self._agent = agent
        self._spec = spec
        self._command = spec.methods[method]
        self._image = image
        self.name = f"{NAME_PREFIX}{label and label + '-'}{agent.name}-{secrets.token_hex(4)}"
        # The user's RAM file system, unless another place is named.
        self._directory = (mounts_dir or ensure_dir(namespace_runtime_dir("executor") / "login")) / self.name

    def open(self) -> None:
        """Start the container; it ends by itself some time after the longest sign-in."""
        self._sweep()  # a program that was killed could not wipe what its sign-in wrote
        volumes = tuple(
            VolumeSpec(ensure_dir(source), target, sharing=Sharing.PRIVATE) for target, source in self._places().items()
        )
        self._sandbox.run(
            RunSpec(
                container_name=self.name,
                image=self._image,
                env=dict(self._spec.env),
                volumes=volumes,
                command=("sleep", str(LIFETIME)),
                task_dir=self._directory,
                unrestricted=False,
                workdir="/tmp",  # noqa: S108 - in the container
                wiring=Wiring(vault=False, tiers=PolicyTiers(project_allow=allow_lines(self._spec.allow))),
            )
        )

    def run(self, stdin: int, stdout: int) -> int:
        """Run the vendor's command; both of its output streams go to `stdout`."""
        return self._sandbox.runtime.exec_stdio(
            self.name, self._command, stdin=stdin, stdout=stdout, stderr=stdout, timeout=LOGIN_SECONDS
        )

    def callback(self, url: str) -> None:
        """Ask for the address inside the container; it travels over a pipe, never as an argument."""
        reader, writer = os.pipe()
        sink = os.open(os.devnull, os.O_WRONLY)
        try:
            quoted = url.replace("\\", "").replace('"', "")
            os.write(writer, f'url = "{quoted}"\n'.encode())
            os.close(writer)
            command = ["curl", "--silent", "--fail", "--location", "--max-time", "20", "--config", "-"]
            code = self._sandbox.runtime.exec_stdio(
                self.name, command, stdin=reader, stdout=sink, stderr=sink, timeout=CALLBACK_SECONDS
            )
        finally:
            os.close(reader)
            os.close(sink)
        if code != 0:
            raise LoginError("the sign-in did not take the address", hint="copy the whole address line of the browser")

    def collect(self) -> dict[str, Any]:
        """Return the credential of the first credential file there is."""
        return read_credential(self._agent, self._places())

    def _places(self) -> dict[str, Path]:
        """Return the host's directory for each of the agent's, by its place in the container."""
        return {mount.container_path: self._directory / mount.host_dir for mount in self._agent.mounts}

    def close(self) -> None:
        """Remove the container, then wipe what it has written."""
        self._remove(self._directory)

    def _sweep(self) -> None:
        """Remove what sign-ins have left whose program was killed: they are too old to be running."""
        for directory in self._directory.parent.glob(f"{NAME_PREFIX}*"):
            with suppress(FileNotFoundError):
                if time.time() - directory.stat().st_mtime > LIFETIME:
                    self._remove(directory)

    def _remove(self, directory: Path) -> None:
        self._sandbox.rm(directory.name)
        if directory.exists():
            shred_tree(directory)


def read_credential(agent: Agent, directories: Mapping[str, Path]) -> dict[str, Any]:
    """Return the credential a sign-in has left; `directories` are the host's, by their place in the container.

    Raises LoginError if there is no credential file, CredentialShapeError if it is not as the roster says.
    """
    for file in agent.credential_files:
        root = next(path for path in directories if file.path.startswith(path.rstrip("/") + "/"))
        try:
            data = read_inside(directories[root], file.path.removeprefix(root).lstrip("/"), limit=MAX_FILE_BYTES)
        except FileError as error:
            raise LoginError(f"{file.path} cannot be used: {error.message}") from error
        if data:
            return extract(file, data)
    looked = ", ".join(file.path for file in agent.credential_files) or "nowhere: the roster names no file"
    raise LoginError(f"the sign-in left no credential; looked at {looked}", hint="nothing was stored; try again")
