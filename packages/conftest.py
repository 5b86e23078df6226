"""Settings of the property tests of all wheels."""

from __future__ import annotations

import os

from hypothesis import settings

# No deadline: the machine's load is not what is tested. No database: the checkout may be read-only.
# Continuous integration tries the same examples every time; a developer's runs try new ones.
settings.register_profile("terok", deadline=None, database=None, derandomize="CI" in os.environ)
settings.load_profile("terok")
