"""What became of the rows of a table, in words: how many are used, what they hold, why others are not.

These are the sentences that a user reads before and instead of a fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from clusterbayes.bands import Observable
from clusterbayes.wording import counted

__all__ = ["count_reasons", "describe_values", "few_stars", "remedy_for_few"]


def count_reasons(reasons: NDArray[np.str_]) -> dict[str, int]:
    """Return how often each reason is given, the most frequent first; "" is none."""
    return dict(Counter(str(reason) for reason in reasons if reason).most_common())


def describe_values(
    observables: Sequence[Observable], values: NDArray[np.float64], errors: NDArray[np.float64]
) -> list[str]:
    """Return a line on each observable: how many values (n_star, n_obs), from where to where, how precise [mag]."""
    lines = []
    for index, observable in enumerate(observables):
        known = np.isfinite(values[:, index])
        if not known.any():
            lines.append(f"  {observable.name}: no values")
            continue
        low, high = values[known, index].min(), values[known, index].max()
        error = np.median(errors[known, index])
        count = counted(known.sum(), "value")
        lines.append(f"  {observable.name}: {count} from {low:.3f} to {high:.3f}, median error {error:.4f} mag")
    return lines


def few_stars(n_star: int, n_input: int, dropped: Mapping[str, int], notes: Iterable[str]) -> str:
    """Say how few of the stars can be used, and what became of the others."""
    counts = [f"{count} {reason}" for reason, count in dropped.items()] or ["none were dropped"]
    counts += [note for note in notes if note.endswith("counted as missing")]
    return f"{n_star} of {n_input} stars can be used ({'; '.join(counts)})"


def remedy_for_few(reasons: Iterable[str]) -> str:
    """Return what may bring more stars, judged by the reasons for which others are not used."""
    text = " ".join(reasons)
    if " than the limit " in text:
        return "set the magnitude limit so that it keeps more stars (--mag-limit; none sets none)"
    if "hard cut" in text:
        return "check the centre and the units of the hard cut, or widen it (--pm-ellipse, --distance-range)"
    if "radius" in text:
        return "give a larger radius (--radius), or check the centre (--center)"
    if text:
        return "check which columns were read, and whether their cells hold magnitudes"
    return "give a longer table: so few stars do not tell an age"
