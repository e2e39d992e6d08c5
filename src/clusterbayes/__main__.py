"""Run the command line with ``python -m clusterbayes``."""

from __future__ import annotations

from clusterbayes.cli import main

if __name__ == "__main__":
    main()
