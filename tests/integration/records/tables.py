"""A small table of photometry without a fault, as a client would send it."""

from __future__ import annotations

import numpy as np

from clusterbayes.records.inputs import InputTable

BANDS = ("G", "BP", "RP")


def star_table(n: int = 40, seed: int = 1, name: str = "stars.csv") -> InputTable:
    """Return a main sequence of `n` stars as CSV."""
    rng = np.random.default_rng(seed)
    magnitude = 12.0 + 5.0 * np.sqrt(rng.uniform(0.0, 1.0, n))
    colour = 0.3 + 0.2 * (magnitude - 12.0)
    columns = (magnitude, magnitude + 0.4 * colour, magnitude - 0.6 * colour)
    lines = ["id," + ",".join(f"{band},{band}_error" for band in BANDS)]
    for k in range(n):
        lines.append(f"s{k}," + ",".join(f"{values[k]:.4f},0.01" for values in columns))
    return InputTable(name, "\n".join(lines).encode())
