"""The vault's answer to a call over a limit, in the form that its vendor's clients understand. Pure."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from terok_sandbox.vault.refusal import VaultRefusal
from terok_sandbox.vault.routes import Route

NO_RETRY: Final = (("x-should-retry", "false"),)
LATER: Final = (("Retry-After", "2"),)
_ERROR_FORMS: Final = Path(__file__).with_name("error-forms.json")


def budget_refusal(route: Route, message: str, *, later: bool = False) -> VaultRefusal:
    """Return a 429 in the error form of the route's vendor; its clients are told whether trying again is of use."""
    hint = "raise the limit with `terok-sandbox budget`, or in the `budget:` section of the configuration"
    text = f"{message} ({hint})"
    document = _error_document(f"{route.provider} {route.upstream.origin}", text, later=later)
    if later:
        return VaultRefusal(429, "budget_busy", message, hint, document=document, headers=LATER)
    back = budget_refusal(route, message, later=True)
    return VaultRefusal(429, "budget_exceeded", message, hint, document=document, headers=NO_RETRY, later=back)


def _error_document(vendor: str, text: str, *, later: bool) -> dict[str, Any]:
    """Return an error in the form of a vendor's API, or of the API that most others speak."""
    forms = _error_forms()
    form = next((form for name, form in forms.items() if name in vendor), forms["*"])
    error = form["later" if later else "over"]["error"] | {"message": text}
    return {**form["later" if later else "over"], "error": error}


@cache
def _error_forms() -> dict[str, Any]:
    forms: dict[str, Any] = json.loads(_ERROR_FORMS.read_bytes())
    return forms
