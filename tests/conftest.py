"""Settings for all tests."""

from __future__ import annotations

from hypothesis import settings

# Shared machines pause for longer than any example takes; a failure prints how to repeat it.
settings.register_profile("qgrad", deadline=None, print_blob=True)
settings.load_profile("qgrad")
