"""Settings of the unit tests of all wheels."""

from __future__ import annotations

import os

from hypothesis import settings

# No deadline: the machine's load is not what is tested. No database: the checkout may be read-only.
# Continuous integration tries the same examples every time; a developer's runs try new ones.
settings.register_profile("terok", deadline=None, database=None, derandomize="CI" in os.environ)
settings.load_profile("terok")

# Tests say themselves where their state is, and leave the desktop's keyring alone. How Podman stores images stays:
# whoever asks it first in a new place decides that for good.
for name in [*os.environ]:
    if name.startswith(("TEROK_", "CONTAINERS_", "DBUS_SESSION_BUS_")) and name != "CONTAINERS_STORAGE_CONF":
        del os.environ[name]
