"""`python -m qgrad` is the command `qgrad`."""

from __future__ import annotations

import sys

from qgrad.cli import main

if __name__ == "__main__":
    sys.exit(main())
