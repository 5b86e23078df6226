"""Ways to a credential on the command line: a key that is typed, read or made by a program, or a sign-in."""

from __future__ import annotations

import getpass
import shlex
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from terok_util import may_ask, refuse_terminal, safe_text
from terok_util.process import ProcessError, run

from terok_executor.auth.authenticator import API_KEY, Authenticator
from terok_executor.auth.session import AuthSession
from terok_executor.cli.build import image_options, progress
from terok_executor.credentials import MAX_KEY_LENGTH
from terok_executor.errors import LoginError, RequestError
from terok_executor.roster.provider import Provider

COMMAND_SECONDS = 60.0


def sign_in(
    name: str,
    *,
    credential_set: str,
    method: str | None = None,
    base: str | None,
    from_file: str | None = None,
    from_command: str | None = None,
) -> int:
    """Store a credential of the provider that `name` stands for and return the exit code."""
    way = Authenticator(name, credential_set=credential_set, **image_options(base, None), on_line=progress)
    if from_file is not None:
        key = _file_key(Path(from_file))
    elif from_command is not None:
        key = _command_key(from_command)
    else:
        chosen = method or _choose(way)
        if chosen != API_KEY:
            return _drive(way.session(chosen))
        key = _read_key(way.provider)
    print(way.store_key(key))
    return 0


def _choose(way: Authenticator) -> str:
    if len(way.methods) == 1 or (API_KEY in way.methods and not may_ask()):
        return API_KEY if API_KEY in way.methods else way.methods[0]
    words = {"oauth": "sign in with an account", "device": "sign in with a code, on any device", API_KEY: "API key"}
    for number, method in enumerate(way.methods, start=1):
        print(f"  {number}  {words[method]}", file=sys.stderr)
    answer = _ask(f"How to sign in to {way.provider.label} [1]: ").strip() or "1"
    if not answer.isdecimal() or not 1 <= int(answer) <= len(way.methods):
        raise RequestError(f"there is no choice {safe_text(answer, limit=20)!r}", hint="give one of the numbers")
    return way.methods[int(answer) - 1]


def _drive(session: AuthSession) -> int:
    """Show a sign-in on the terminal; exit code 1 if it fails."""
    print("starting the sign-in's container", file=sys.stderr)
    with closing(session.events()) as events:
        for event in events:
            if event.kind == "url":
                print(f"open this page in a browser:\n\n  {event.text}\n", flush=True)
            elif event.kind == "code":
                print(f"and type this code there:\n\n  {event.text}\n", flush=True)
            elif event.kind == "input":
                _answer(session, f"{event.text}: ")
            elif event.kind == "waiting":
                print("waiting for you to sign in there (Ctrl-C gives up)", file=sys.stderr)
            elif event.kind == "done":
                print(event.text)
            else:
                raise LoginError(event.text, hint=event.hint or None)
    return 0


def _answer(session: AuthSession, question: str) -> None:
    """Ask until the sign-in takes the answer; a person copies the wrong line now and then."""
    while True:
        try:
            return session.answer(_ask(question, secret=True))
        except LoginError as error:
            if not may_ask():
                raise
            print(f"{error.message}; {error.hint}", file=sys.stderr)


def _read_key(provider: Provider) -> str:
    if provider.key_url and may_ask():
        print(f"keys are made at {provider.key_url}", file=sys.stderr)
    return _ask(f"API key of {provider.label}: ", secret=True)


def _file_key(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_KEY_LENGTH + 2).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not ASCII text"
        raise RequestError(f"the key cannot be read from {path}: {reason}") from None


def _command_key(command: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise RequestError(f"the command cannot be read: {error}") from None
    if not words:
        raise RequestError("the command is empty")
    try:
        return run(words, timeout=COMMAND_SECONDS, max_output=MAX_KEY_LENGTH + 2).stdout.decode("ascii", "replace")
    except ProcessError as error:
        raise RequestError(f"{words[0]} gave no key: {error.message}", hint=error.hint) from None


def _ask(question: str, *, secret: bool = False) -> str:
    if not may_ask():
        refuse_terminal("answer")
        return sys.stdin.readline(MAX_KEY_LENGTH + 2)
    read: Callable[[str], str] = getpass.getpass if secret else input
    try:
        return read(question)
    except EOFError:
        raise RequestError("nothing was given") from None
