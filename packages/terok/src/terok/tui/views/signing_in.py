"""Providers to sign in to, and one sign-in from its link to its end, as lines. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from terok.tui.views.clock import until
from terok.tui.views.sections import Row, Section
from terok.tui.views.text import Line, Span, cropped, fit, said, wrapped
from terok.tui.views.vault import state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from terok.services.signing_in import AuthEvent, Way

_SHORT: Final = {"oauth": "account", "device": "code", "api-key": "key"}


def way_sections(ways: Iterable[Way], now: float) -> tuple[Section, ...]:
    """Return the providers that agents use by default, and all others."""
    used: list[Row] = []
    others: list[Row] = []
    for way in ways:
        (used if way.agents else others).append(Row(way.name, _way(way, now), way))
    return Section("agents", tuple(used), "no agent"), Section("others", tuple(others), "none")


def _way(way: Way, now: float) -> Callable[[int], Line]:
    def line(cells: int) -> Line:
        methods = ", ".join(_SHORT.get(method, method) for method in way.methods)
        expires = f" {until(way.expires, now)}" if way.expires is not None else ""
        return cropped(
            (
                Span("  "),
                Span(fit(way.label, 22 if cells >= 76 else 14), "bold"),
                Span(f" {fit(way.state, 10)}", state(way.state).style),
                said(expires, "dim"),
                Span(f" {fit(methods, 19)} "),
                said(" ".join(way.agents), "dim"),
                said(f"  {way.account}" if way.account else ""),
            ),
            cells,
        )

    return line


class SignIn(NamedTuple):
    """One sign-in as far as it has come. `asks` is what is to be written here, `ended` whether nothing more comes."""

    label: str
    step: str = "starting the sign-in's container"
    link: str = ""
    code: str = ""
    asks: str = ""
    done: str = ""
    failed: str = ""
    hint: str = ""

    @property
    def ended(self) -> bool:
        """Whether it has come to its end."""
        return bool(self.done or self.failed)


def after_event(now: SignIn, event: AuthEvent) -> SignIn:
    """Return a sign-in after something has happened."""
    match event.kind:
        case "url":
            return now._replace(link=event.text, step="open this page in a browser, on any device")
        case "code":
            return now._replace(code=event.text)
        case "input":
            return now._replace(asks=event.text)
        case "waiting":
            return now._replace(step="waiting for you to sign in there")
        case "done":
            return now._replace(done=event.text, step="", asks="")
        case _:
            return now._replace(failed=event.text or "it failed", hint=event.hint, step="", asks="")


def sign_in_lines(now: SignIn, cells: int) -> list[Line]:
    """Return what a person has to know and do."""
    lines: list[Line] = [(said(now.label, "bold"),)]
    lines += [(said(text),) for text in (now.step,) if text]
    if now.link:
        lines += [(), *((Span(text, "link"),) for text in wrapped(now.link, cells))]
    if now.code:
        lines += [(), (Span("and type this code there: ", "dim"), said(now.code, "needs"))]
    if now.asks:
        lines += [(), (Span("then enter, and write here: ", "dim"), said(now.asks, "needs"))]
    if now.done:
        lines += [(), (said(now.done, "working"),)]
    if now.failed:
        lines += [(), (said(f"failed: {now.failed}", "error"),), (said(now.hint),)]
    return [cropped(line, cells) for line in lines]
