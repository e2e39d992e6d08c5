"""What a fit says, in words: the verdict, what to be wary of, and each parameter as a sentence and as numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from clusterbayes.model.priors import Prior, Uniform, parse_prior
from clusterbayes.results.result import FitResult
from clusterbayes.wording import counted

__all__ = ["ParameterRow", "Verdict", "parameter_rows", "provenance_rows", "sentences", "verdict", "warnings"]

_NAMES = {
    "log_age": "log10 of the age", "age_gyr": "age", "mh": "metallicity [M/H]", "dist_mod": "true distance modulus",
    "distance": "distance", "a_v": "extinction A_V", "ebv": "reddening E(B−V)",
    "binary_frac": "binaries, q above 0.1", "binary_frac_q05": "binaries, q above 0.5",
    "member_frac": "members among the stars", "outlier_frac": "outliers among the members",
}  # fmt: skip
_EDGE = 0.02  # of a prior's range
_LITTLE = 0.9  # a posterior as wide as this share of its prior's width says little
_FEW_MEMBERS = 30
_LIGHT_YEARS = 3.261563777


@dataclass(frozen=True)
class Verdict:
    """Whether a fit may be relied on: "good" or "bad", a headline, and reasons."""

    kind: str
    headline: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class ParameterRow:
    """One parameter, as text."""

    name: str
    words: str
    median: str
    central: str
    wide: str
    unit: str
    prior: str
    main: bool


def verdict(result: FitResult) -> Verdict:
    """Say first whether the sampler met its targets."""
    diagnostics = result.diagnostics
    if not result.converged:
        reasons = tuple(str(reason) for reason in diagnostics.get("reasons") or ())
        return Verdict("bad", "Not converged: do not rely on these numbers; allow more steps.", reasons)
    size = f"{counted(result.chain.shape[0], 'step')} of {result.chain.shape[1]} walkers"
    return Verdict("good", "Converged: the chain met its targets.", (size,))


def warnings(result: FitResult) -> list[str]:
    """Say what to be wary of: edges of priors, parameters that the data leave open, few members."""
    found = list(_prior_warnings(result))
    members = float(np.nansum(result.p_member))
    if members < _FEW_MEMBERS:
        found.append(f"Only {counted(members, 'member')} expected: the answer hangs on few stars.")
    return found


def _prior_warnings(result: FitResult) -> Iterator[str]:
    for name in _NAMES:
        spec = (result.provenance.get("priors") or {}).get(name)
        if spec is None or name not in result.draws:
            continue
        prior, draws, words = parse_prior(spec), result.draws[name], _NAMES[name]
        if isinstance(prior, Uniform):
            margin = _EDGE * (prior.high - prior.low)
            low, high = np.percentile(draws, [16, 84])
            side = "lower" if low < prior.low + margin else "upper" if high > prior.high - margin else ""
            if side:
                yield f"The {words} lies at the {side} edge of its prior, {spec}: the truth may lie beyond."
                continue
        share = float(np.std(draws)) / _prior_width(prior)
        if share > _LITTLE:
            yield f"The {words} is as uncertain as its prior, {spec}, has it: the data say little about it."


def _prior_width(prior: Prior) -> float:
    """Return the standard deviation of a prior, from values that divide it into equal parts."""
    parts: NDArray[np.float64] = ndtri((np.arange(999) + 0.5) / 999)
    return float(np.std(prior.from_normal(parts)))


def _rounded(values: list[float], spread: float) -> list[str]:
    """Return numbers with two digits of a spread."""
    if not all(map(math.isfinite, [*values, spread])) or spread <= 0:
        return [f"{value:.4g}" for value in values]
    digits = min(max(0, 1 - math.floor(math.log10(spread))), 6)
    return [f"{value:.{digits}f}".replace("-", "−") for value in values]


def parameter_rows(result: FitResult) -> list[ParameterRow]:
    """Return every parameter, those that people ask for first."""
    summary, priors = result.summary(), result.provenance.get("priors") or {}
    order = [name for name in _NAMES if name in summary] + [name for name in summary if name not in _NAMES]
    rows = []
    for name in order:
        row = summary[name]
        keys = ("median", "q16", "q84", "q05", "q95")
        median, q16, q84, q05, q95 = _rounded([row[key] for key in keys], 0.5 * (row["q84"] - row["q16"]))
        held = not row["std"] > 0
        central, wide = ("held", "held") if held else (f"{q16} to {q84}", f"{q05} to {q95}")
        words = _NAMES.get(name, name.replace("_", " "))
        rows.append(
            ParameterRow(name, words, median, central, wide, row["unit"], str(priors.get(name, "")), name in _NAMES)
        )
    return rows


def sentences(result: FitResult) -> list[str]:
    """Say the main parameters in plain sentences, with 68 % intervals."""
    draws = {name: draw for name, draw in result.draws.items() if np.isfinite(draw).all()}
    for name, value in (result.provenance.get("fixed") or {}).items():
        draws.setdefault(name, np.array([float(value)]))
    found = []
    if "log_age" in draws:
        old = np.percentile(draws["log_age"], 50) < 9.0
        age = 10.0 ** (draws["log_age"] - (6.0 if old else 9.0))
        found.append(f"The cluster is {_with_range(age)} {'million' if old else 'billion'} years old.")
    if "dist_mod" in draws:
        distance = 10.0 ** (draws["dist_mod"] / 5.0 + 1.0)
        light = float(f"{float(np.median(distance)) * _LIGHT_YEARS:.3g}")
        found.append(f"It is {_with_range(distance)} parsecs away, about {light:,.0f} light years.")
    if "mh" in draws:
        found.append(f"It is {_with_range(10.0 ** draws['mh'])} times as rich in metals as the Sun.")
    if "a_v" in draws:
        found.append(f"Dust on the way dims it by {_with_range(draws['a_v'])} magnitudes in V.")
    if "binary_frac_q05" in draws:
        share = 100.0 * draws["binary_frac_q05"]
        found.append(f"{_with_range(share)} per cent of its stars have a companion of more than half their mass.")
    members, used = float(np.nansum(result.p_member)), result.counts.get("used")
    found.append(f"Of {used} stars in the sample, {members:.0f} are expected to be members.")
    return found


def _with_range(draws: NDArray[np.float64]) -> str:
    low, middle, high = np.percentile(draws, [16, 50, 84])
    text = _rounded([middle, low, high], 0.5 * (high - low))
    return text[0] if high == low else f"{text[0]} ({text[1]} to {text[2]})"


def provenance_rows(result: FitResult) -> list[tuple[str, str]]:
    """Return where everything came from, as names and values."""
    known = result.provenance
    grid, source = known.get("grid") or {}, known.get("input") or {}
    rows = [
        ("Input", source.get("source")),
        ("SHA-256 of the input", source.get("checksum")),
        ("Isochrones", grid.get("name")),
        ("Digest of the isochrones", grid.get("digest")),
        ("Extinction law", _law(grid)),
        ("Seed", known.get("seed")),
        ("Fitted observables", ", ".join(result.observables)),
        ("Magnitude limits", _limits(result)),
        ("Held parameters", _pairs(known.get("fixed"))),
        ("Settings", _pairs(known.get("settings"))),
        ("Versions", _pairs(known.get("versions"))),
        ("Sampler", _pairs({k: v for k, v in result.diagnostics.items() if isinstance(v, (int, float))})),
        ("Made on", known.get("created_on")),
    ]
    return [(name, str(value)) for name, value in rows if value not in (None, "")]


def _law(grid: dict[str, Any]) -> str | None:
    law = grid.get("extinction_law")
    return f"{law}, R_V = {grid['r_v']:g}" if law and grid.get("r_v") else law


def _limits(result: FitResult) -> str | None:
    if result.mag_limits is None:
        return None
    name, bright, faint = result.mag_limits
    ends = [f"{value:g}" if math.isfinite(value) else "none" for value in (bright, faint)]
    return f"{name}, bright {ends[0]}, faint {ends[1]} mag"


def _pairs(values: Any) -> str | None:
    if not values:
        return None
    return ", ".join(f"{name} {value:.6g}" if isinstance(value, float) else f"{name} {value}"
                     for name, value in values.items() if value not in (None, {}, []))  # fmt: skip
