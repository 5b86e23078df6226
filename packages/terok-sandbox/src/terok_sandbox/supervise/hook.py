"""OCI createRuntime hook: hand the container's network namespace to its supervisor, or stop the container.

Runs under `python3 -I -S` with the standard library alone; `setup` copies it. It works under runc and crun, in
Podman's user namespace and outside of one. Whatever goes wrong ends the start of the container.
"""

from __future__ import annotations

import os
import struct
import sys
import time

# The C halves of json, signal and socket: their Python halves (and typing, re, enum) take longer to import than all the
# rest of a hook takes to run, and every launch waits for it.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    import socket
    from collections.abc import Callable
    from json.encoder import encode_basestring_ascii as quoted
    from typing import Any

    Document = dict[str, Any]
    make_scanner: Callable[[object], Callable[[str, int], tuple[Any, int]]]
else:
    import _signal as signal
    import _socket as socket
    from _json import encode_basestring_ascii as quoted
    from _json import make_scanner

PROTOCOL = 1
BUILD = "0.1.0"

ANNOTATION = "terok.sandbox.sidecar"
FOREIGN = "run.oci."  # beginning of annotations that crun obeys; those of an image arrive here too
OWN = {"run.oci.hooks.stderr": "/dev/null", "run.oci.hooks.stdout": "/dev/null", "run.oci.keep_original_groups": "1"}
"""Those that a launch sets itself; Podman the last, for the device nodes of some GPUs."""
SCHEMAS = (1,)
DEADLINE = 10.0
ATTEMPTS = 5
MAX_STATE = 1024 * 1024
MAX_FRAME = 65536
HOOK_LOG = "hook.log"

RELAUNCH = "remove it with `terok-sandbox rm NAME` and launch it again"
SETUP = "run `terok-sandbox setup`"
START = "start it with `terok-sandbox start NAME`"


class RefusedError(Exception):
    """The container must not start; carries why and what to do."""

    def __init__(self, why: str, hint: str) -> None:
        super().__init__(why)
        self.why = why
        self.hint = hint


def main() -> int:
    """Run the hook; returns its exit status."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # crun starts hooks with every signal blocked
    deadline = time.monotonic() + DEADLINE
    name = "?"
    try:
        state = read_state(sys.stdin.fileno())
        path = state["annotations"][ANNOTATION]
        name = os.path.basename(path).removesuffix(".json")
        hand_over(state, path, read_sidecar(path), deadline)
    except RefusedError as error:
        return complain(name, error.why, error.hint)
    except Exception as error:
        return complain(name, f"{type(error).__name__}: {error}", SETUP)
    return 0


def complain(name: str, why: str, hint: str) -> int:
    """Say in one line why the container does not start; returns the exit status."""
    line = f"terok: container {name} not started: {why}; {hint.replace('NAME', name)}"
    printable = "".join(char if char.isprintable() else "?" for char in " ".join(line[:2000].split()))
    message = printable.encode("ascii", "replace").decode() + "\n"
    sys.stderr.write(message)
    leave_word(name, message)
    return 1


def leave_word(name: str, message: str) -> None:
    """Keep the line beside the container's logs: crun tells nobody what a hook says."""
    state_dir = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = os.path.join(state_dir, "containers", name, HOOK_LOG)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return  # no container of ours: standard error has to do
    with os.fdopen(descriptor, "w") as file:
        file.write(message)


def read_state(descriptor: int) -> Document:
    """Return the OCI state (bounded); it has a `pid`, an `id` and the annotation."""
    data = b""
    while chunk := os.read(descriptor, 65536):
        data += chunk
        if len(data) > MAX_STATE:
            raise RefusedError("the runtime's state document is too large", SETUP)
    state = parse(data)
    if state is None:
        raise RefusedError("the runtime's state document is not JSON", SETUP)
    pid = state.get("pid")
    if type(pid) is not int or pid <= 1 or not isinstance(state.get("id"), str):
        raise RefusedError("the runtime's state document names no process", SETUP)
    annotations = state.get("annotations")
    if not isinstance(annotations, dict) or not isinstance(annotations.get(ANNOTATION), str):
        raise RefusedError(f"it has no annotation {ANNOTATION}", RELAUNCH)
    for key, value in annotations.items():
        if key.startswith(FOREIGN) and OWN.get(key) != value:
            raise RefusedError(f"its image has {key}={value} for the runtime", "remove that annotation from the image")
    return state


def read_sidecar(path: str) -> Document:
    """Return the sidecar at `path` once its place, owner, mode, schema, container name and mounts are right."""
    if not path.startswith("/") or os.path.normpath(path) != path or len(path) > 4096:
        raise RefusedError("the sidecar's path is not absolute and plain", RELAUNCH)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise RefusedError(f"its sidecar {path} cannot be opened: {error.strerror}", RELAUNCH) from None
    with os.fdopen(descriptor, "rb") as file:
        info = os.fstat(descriptor)
        if info.st_mode & 0o170000 != 0o100000 or info.st_uid != os.geteuid() or info.st_mode & 0o077:
            raise RefusedError(f"its sidecar {path} is not a private file of this user", RELAUNCH)
        data = file.read(MAX_STATE + 1)
    sidecar = parse(data) if len(data) <= MAX_STATE else None
    if sidecar is None:
        raise RefusedError(f"its sidecar {path} is damaged", RELAUNCH)
    if sidecar.get("schema") not in SCHEMAS:
        raise RefusedError(f"its sidecar has schema {sidecar.get('schema')}, the hook knows {SCHEMAS[-1]}", SETUP)
    runtime_dir = sidecar.get("runtime_dir")
    if sidecar.get("container_name") != os.path.basename(path).removesuffix(".json"):
        raise RefusedError(f"its sidecar {path} belongs to another container", RELAUNCH)
    if not isinstance(runtime_dir, str) or not runtime_dir.startswith("/"):
        raise RefusedError(f"its sidecar {path} names no runtime directory", RELAUNCH)
    for source, real in sidecar.get("mounts", ()):
        if os.path.realpath(source) != real:
            raise RefusedError(f"its mount {source} leads to another place than at its launch", RELAUNCH)
    return sidecar


def hand_over(state: Document, path: str, sidecar: Document, deadline: float) -> None:
    """Pass network namespace, pidfd and configuration to the supervisor and wait for its verified OK."""
    pid, runtime_dir, bundle = state["pid"], sidecar["runtime_dir"], state.get("bundle")
    if not isinstance(bundle, str):
        raise RefusedError("the runtime's state document names no bundle", SETUP)
    try:
        descriptors = [
            os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC),
            os.pidfd_open(pid),
            os.open(f"{bundle}/config.json", os.O_RDONLY | os.O_CLOEXEC),  # only Podman's own users may read it
        ]
    except OSError as error:
        raise RefusedError(f"its namespace or configuration cannot be opened: {error.strerror}", SETUP) from None
    request = {"type": "handover", "sidecar": path, "container_id": state["id"], "pid": pid, "bundle": bundle}
    request["fresh"] = 1  # nothing of the container runs before the hook ends
    for attempt in range(ATTEMPTS):
        reply = ask(runtime_dir, "supervisor.sock", request, descriptors, deadline)
        if reply is None:  # none yet, or that of the container's last run is just going
            request_supervisor(runtime_dir, path, deadline)
            time.sleep(0.01 * attempt)
        elif reply.get("type") == "ok":
            return
        else:
            raise RefusedError(*explained(reply))
    raise RefusedError("its supervisor ends before it answers", "see the supervisor's log, `terok-sandbox doctor`")


def request_supervisor(runtime_dir: str, path: str, deadline: float) -> None:
    """Have the fork server make a supervisor."""
    base = os.path.dirname(os.path.dirname(runtime_dir))
    reply = ask(base, "forkserver.sock", {"type": "supervise", "sidecar": path}, [], deadline)
    if reply is None:
        raise RefusedError("no supervisor is running and none can be made from here", START)
    if reply.get("type") != "ok":
        raise RefusedError(*explained(reply))


def explained(reply: Document) -> tuple[str, str]:
    """Return message and hint of an error reply."""
    return str(reply.get("message") or "its supervisor refused"), str(reply.get("hint") or START)


def ask(directory: str, name: str, request: Document, descriptors: list[int], deadline: float) -> Document | None:
    """Send `request` to the socket `name` in `directory`; `None` means that nobody listens (any more)."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise RefusedError("its supervisor did not answer in time", START)
    frame = written({"v": PROTOCOL, "build": BUILD, **request})
    packed = struct.pack(f"={len(descriptors)}i", *descriptors)
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        channel.settimeout(left)
        os.chdir(directory)  # an address holds 107 bytes, a path may be longer
        channel.connect(name)
        channel.sendmsg([frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, packed)] if descriptors else [])
        data = channel.recv(MAX_FRAME)
    except (FileNotFoundError, ConnectionError):
        return None
    except TimeoutError:
        raise RefusedError("its supervisor did not answer in time", START) from None
    finally:
        channel.close()
    reply = parse(data)
    if data and reply is None:
        raise RefusedError("its supervisor gave an unreadable answer", SETUP)
    return reply


class Reading:
    """The attributes that the JSON scanner reads from its decoder."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


def parse(data: bytes) -> Document | None:
    """Return the JSON object in `data`, `None` when it is not one."""
    try:
        text = data.decode().strip(" \t\r\n")
        document, end = make_scanner(Reading())(text, 0)
    except Exception:  # besides ValueError: StopIteration, and SystemError where json.decoder is not imported
        return None
    return document if isinstance(document, dict) and end == len(text) else None


def written(document: Document) -> bytes:
    """Return a flat object of texts and whole numbers as JSON."""
    members = [f"{quoted(key)}:{quoted(one) if isinstance(one, str) else int(one)}" for key, one in document.items()]
    return ("{" + ",".join(members) + "}").encode()


if __name__ == "__main__":
    sys.exit(main())
