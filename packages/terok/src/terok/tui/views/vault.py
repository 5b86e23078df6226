"""The vault as lines and sections; nothing here has ever seen a secret. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from terok.model.bars import bar
from terok.tui.views.choice import Option
from terok.tui.views.clock import until
from terok.tui.views.rows import passed
from terok.tui.views.sections import Row, Section
from terok.tui.views.text import Line, Span, cropped, fit, said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from terok.model.task import Task
    from terok.services.vaults import Credential, Limit, Safe, Token

PASSPHRASE: Final = (
    Option("show", "show the tiers", "which ones this machine has"),
    Option("seal", "seal", "keep it as a sealed systemd credential"),
    Option("to-keyring", "to the keyring", "keep it in the desktop's keyring"),
    Option("to-file", "to a file", "keep it in a file of yours alone"),
    Option("forget", "forget", "keep it nowhere but in the session", "needs"),
    Option("reveal", "reveal", "print the recovery key, in a terminal"),
    Option("acknowledge", "acknowledge", "confirm that it is written down, in a terminal"),
    Option("change", "change", "encrypt the vault with another one, in a terminal"),
)
"""Choices about the vault's passphrase, by the words of `vault passphrase`."""
IN_TERMINAL: Final = frozenset(("reveal", "acknowledge", "change"))
"""Those that show or ask for the passphrase: never on this screen."""
DECISIONS: Final = (
    Option("stop", "stop", "refuse the calls that wait, and further ones", "needs"),
    Option("finish", "finish the turn", "let calls through until it has ended"),
    Option("raise", "raise the limit", "you say how far"),
)
"""Answers about a limit."""
_STATES: Final = {"unlocked": "working", "valid": "working", "refreshes": "working", "room": "working"}
_BAD: Final = frozenset(("error", "locked", "expired", "unroutable", "missing", "refuses", "holds"))
_BAR: Final = 10


def safe_lines(safe: Safe, cells: int) -> list[Line]:
    """Return how the vault stands, and what is wrong with it."""
    tier = f" by {safe.tier}" if safe.tier else ""
    lines: list[Line] = [
        (Span("vault ", "dim"), state(safe.state), said(tier), said(f"  {safe.path}", "dim")),
        (Span("passphrase ", "dim"), said(f"kept in: {safe.kept}"), _acknowledged(safe)),
    ]
    lines += [(said(f"warning: {text}", "needs"),) for text in safe.warnings]
    lines += [(said(text, "error"),) for text in (safe.problem,) if text]
    lines += [(said(text, "bold"),) for text in (safe.hint,) if text]
    if safe.silent:
        lines.append((said(f"limits not told: {', '.join(safe.silent)}", "doubt"),))
    return [cropped(line, cells) for line in lines]


def _acknowledged(safe: Safe) -> Span:
    if safe.state != "unlocked":
        return Span("")
    return Span("  recovery key written down" if safe.acknowledged else "  recovery key not written down", "dim")


def state(word: str) -> Span:
    """Return a state as a word with its style."""
    return said(word, "error" if word in _BAD else _STATES.get(word, "plain"))


def safe_sections(safe: Safe, tasks: Mapping[str, Task], now: float) -> tuple[Section, ...]:
    """Return credentials, limits, tokens, and the tiers for the passphrase."""
    closed = "the vault is not open" if safe.state != "unlocked" else ""
    credentials = tuple(
        Row(f"{one.credential_set} {one.provider}", _credential(one, now), one) for one in safe.credentials
    )
    limits = tuple(Row(f"{one.container} {one.whose} {one.limit}", _limit(one, tasks), one) for one in safe.limits)
    tokens = tuple(Row(one.id, _token(one, tasks, now), one) for one in safe.tokens)
    tiers = tuple(Row(name, _tier(name, safe.kept, there=there)) for name, there in safe.tiers)
    return (
        Section("credentials", credentials, closed or "none; + stores a key or signs in"),
        Section("budgets", limits, "no task that runs has a limit"),
        Section("tokens", tokens, closed or "no container has one"),
        Section("passphrase", tiers, "no tier can be looked at"),
    )


def _credential(one: Credential, now: float) -> Callable[[int], Line]:
    def line(cells: int) -> Line:
        expires = f"  {until(one.expires, now)}" if one.expires is not None else ""
        return cropped(
            (
                Span("  "),
                Span(fit(one.provider, 14 if cells >= 60 else 10), "bold"),
                said(f" {fit(one.state, 10)}", state(one.state).style),
                Span(fit(expires, 16), "dim"),
                Span(f" {fit(one.billing, 8)}"),
                Span(fit(one.kind, 9), "dim"),
                said(one.account),
                said(f"  set {one.credential_set}" if one.credential_set != "default" else "", "dim"),
            ),
            cells,
        )

    return line


def _limit(one: Limit, tasks: Mapping[str, Task]) -> Callable[[int], Line]:
    def line(cells: int) -> Line:
        drawn = fit(bar(one.used / one.most if one.most else 1.0, _BAR), _BAR)
        held = f"  {one.held} waiting" if one.held else ""
        return cropped(
            (
                Span("  "),
                Span(fit(_named(one.task, one.container, tasks), 20), "bold"),
                Span(f" {fit(one.state, 9)}", state(one.state).style),
                Span(f" {drawn} ", "meta"),
                said(f"{one.used:g} of {one.most:g} {one.limit} of the {one.whose}"),
                said(held, "needs"),
            ),
            cells,
        )

    return line


def _token(one: Token, tasks: Mapping[str, Task], now: float) -> Callable[[int], Line]:
    def line(cells: int) -> Line:
        made = passed(now - one.made) if one.made is not None else "-"
        return cropped(
            (
                Span("  "),
                Span(fit(one.id, 12), "dim"),
                Span(" "),
                Span(fit(_named(one.task, one.container, tasks), 24), "bold"),
                said(f" {fit(one.provider, 14)}"),
                Span(f" {made}", "dim"),
                said(f"  set {one.credential_set}" if one.credential_set != "default" else "", "dim"),
            ),
            cells,
        )

    return line


def _tier(name: str, kept: str, *, there: bool) -> Callable[[int], Line]:
    used = "in use" if name == kept else "available" if there else "not on this machine"

    def line(cells: int) -> Line:
        return cropped((Span("  "), Span(fit(name, 14), "bold"), Span(f" {used}", "plain" if there else "dim")), cells)

    return line


def _named(task: str, container: str, tasks: Mapping[str, Task]) -> str:
    found = tasks.get(task)
    return f"{found.project}/{found.name}" if found is not None else container
