"""Run a batch of fakes from the command line, so that it can be killed: FOLDER ADDRESS|- WORKERS."""

from __future__ import annotations

import sys
from pathlib import Path

from clusterbayes.batch import BatchOptions, Job, fit_many


def run(folder: Path, client=None, **options):
    """Fit the tables in FOLDER/tables into FOLDER/out."""
    from integration.batch import fakes

    jobs = [Job(path.stem, path) for path in sorted((folder / "tables").iterdir())]
    return fit_many(jobs, client, out=folder / "out", options=BatchOptions(fit=fakes.fit, **options))


def main() -> None:
    """Run, with a scheduler if there is one."""
    folder, address, workers = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    if address == "-":
        run(folder, n_workers=workers)
        return
    from distributed import Client

    with Client(address) as client:
        run(folder, client)


if __name__ == "__main__":
    main()
