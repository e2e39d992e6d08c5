"""Priors by name: `normal(0, 0.2)`, `uniform(8, 9)`, `halfnormal(0.02)`, `beta(1, 20)`, `exponential(1)`.

Each prior knows its density, its bounds and the map between its parameter and a standard normal variate. The sampler
works in those variates, so that no proposal can leave the prior and every parameter has the same scale.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from clusterbayes.errors import SettingsError, close_matches

__all__ = ["Beta", "Exponential", "HalfNormal", "Normal", "Prior", "Uniform", "parse_prior"]

_TINY = 1e-300


class Prior:
    """A continuous prior on an interval; subclasses give the distribution function, its inverse and the density."""

    low: float
    high: float

    def cdf(self, x: np.ndarray) -> np.ndarray:
        """Probability below `x`."""
        raise NotImplementedError

    def quantile(self, p: np.ndarray, upper: np.ndarray) -> np.ndarray:
        """Value below which the share `p` lies; `upper` is 1 − p, accurate where p rounds to one."""
        raise NotImplementedError

    def log_pdf(self, x: np.ndarray) -> np.ndarray:
        """Log density; −inf outside the bounds."""
        raise NotImplementedError

    def from_normal(self, z: np.ndarray) -> np.ndarray:
        """Map standard normal variates to parameter values."""
        value = self.quantile(special.ndtr(z), special.ndtr(-np.asarray(z, float)))
        return np.minimum(np.maximum(value, self.low), self.high)  # `clip` takes longer than all else here

    def to_normal(self, x: np.ndarray) -> np.ndarray:
        """Map parameter values to standard normal variates (inverse of `from_normal`)."""
        return special.ndtri(np.clip(self.cdf(x), _TINY, 1.0 - 1e-16))

    def _inside(self, x: np.ndarray, value: np.ndarray) -> np.ndarray:
        return np.where((x >= self.low) & (x <= self.high), value, -np.inf)


@dataclass(frozen=True)
class Uniform(Prior):
    """Flat between two bounds."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"uniform({self.low:g}, {self.high:g})"

    def cdf(self, x):
        return np.clip((np.asarray(x, float) - self.low) / (self.high - self.low), 0.0, 1.0)

    def quantile(self, p, upper):
        return self.low + (self.high - self.low) * p

    def log_pdf(self, x):
        x = np.asarray(x, float)
        return self._inside(x, np.full(x.shape, -math.log(self.high - self.low)))


@dataclass(frozen=True)
class Normal(Prior):
    """Gaussian, optionally cut at bounds."""

    mean: float
    std: float
    low: float = -np.inf
    high: float = np.inf

    def __post_init__(self) -> None:
        low, high = self._ends
        if not high - low > _TINY:
            raise SettingsError(
                f"prior {self} has no probability between its bounds; order them, within reach of the mean"
            )

    def __str__(self) -> str:
        cut = "" if math.isinf(self.low) and math.isinf(self.high) else f", {self.low:g}, {self.high:g}"
        return f"normal({self.mean:g}, {self.std:g}{cut})"

    @cached_property
    def _ends(self):
        """Shares of the whole Gaussian below the bounds."""
        return special.ndtr((self.low - self.mean) / self.std), special.ndtr((self.high - self.mean) / self.std)

    def cdf(self, x):
        low, high = self._ends
        p = (special.ndtr((np.asarray(x, float) - self.mean) / self.std) - low) / (high - low)
        return np.clip(p, 0.0, 1.0)

    def quantile(self, p, upper):
        low, high = self._ends
        return self.mean + self.std * special.ndtri(np.minimum(np.maximum(low + p * (high - low), _TINY), 1.0 - 1e-16))

    def from_normal(self, z):
        if math.isinf(self.low) and math.isinf(self.high):
            return self.mean + self.std * np.asarray(z, float)
        return super().from_normal(z)

    def to_normal(self, x):
        if math.isinf(self.low) and math.isinf(self.high):
            return (np.asarray(x, float) - self.mean) / self.std
        return super().to_normal(x)

    def log_pdf(self, x):
        x = np.asarray(x, float)
        low, high = self._ends
        norm = math.log(self.std * math.sqrt(2.0 * math.pi) * (high - low))
        return self._inside(x, -0.5 * ((x - self.mean) / self.std) ** 2 - norm)


@dataclass(frozen=True)
class HalfNormal(Prior):
    """Gaussian about zero, positive half."""

    std: float
    low = 0.0
    high = np.inf

    def __str__(self) -> str:
        return f"halfnormal({self.std:g})"

    def cdf(self, x):
        return np.clip(special.erf(np.asarray(x, float) / (self.std * math.sqrt(2.0))), 0.0, 1.0)

    def quantile(self, p, upper):
        far = -special.ndtri(0.5 * np.maximum(upper, _TINY))
        return self.std * np.where(p < 0.5, math.sqrt(2.0) * special.erfinv(np.minimum(p, 0.5)), far)

    def log_pdf(self, x):
        x = np.asarray(x, float)
        return self._inside(x, -0.5 * (x / self.std) ** 2 + 0.5 * math.log(2.0 / math.pi) - math.log(self.std))


@dataclass(frozen=True)
class Exponential(Prior):
    """Falling from zero with a mean, optionally cut at an upper bound."""

    mean: float
    high: float = np.inf
    low = 0.0

    def __str__(self) -> str:
        return f"exponential({self.mean:g})" if math.isinf(self.high) else f"exponential({self.mean:g}, {self.high:g})"

    def _mass(self) -> float:
        return -math.expm1(-self.high / self.mean)

    def cdf(self, x):
        return np.clip(-np.expm1(-np.asarray(x, float) / self.mean) / self._mass(), 0.0, 1.0)

    def quantile(self, p, upper):
        if math.isinf(self.high):
            far = -self.mean * np.log(np.maximum(upper, _TINY))
            return np.where(p < 0.5, -self.mean * np.log1p(-np.minimum(p, 0.5)), far)
        return -self.mean * np.log1p(-np.asarray(p) * self._mass())

    def log_pdf(self, x):
        x = np.asarray(x, float)
        return self._inside(x, -x / self.mean - math.log(self.mean * self._mass()))


@dataclass(frozen=True)
class Beta(Prior):
    """Beta distribution on 0 to 1."""

    a: float
    b: float
    low = 0.0
    high = 1.0

    def __str__(self) -> str:
        return f"beta({self.a:g}, {self.b:g})"

    def cdf(self, x):
        return special.betainc(self.a, self.b, np.clip(np.asarray(x, float), 0.0, 1.0))

    def quantile(self, p, upper):
        if self.a == 1.0:
            return -np.expm1(np.log(np.maximum(upper, _TINY)) / self.b)
        return special.betaincinv(self.a, self.b, p)

    def log_pdf(self, x):
        x = np.asarray(x, float)
        inside = special.xlogy(self.a - 1.0, x) + special.xlog1py(self.b - 1.0, -x) - special.betaln(self.a, self.b)
        return self._inside(x, inside)


_KINDS = {
    "uniform": (Uniform, 2, 2),
    "normal": (Normal, 2, 4),
    "halfnormal": (HalfNormal, 1, 1),
    "exponential": (Exponential, 1, 2),
    "beta": (Beta, 2, 2),
}
_EXAMPLES = "uniform(8, 9), normal(0, 0.2), normal(0, 0.2, -0.5, 0.5), halfnormal(0.02), exponential(1), beta(1, 20)"


def parse_prior(spec: str | Prior) -> Prior:
    """Read a prior from its text, for instance ``normal(0, 0.2)``.

    Parameters
    ----------
    spec : str or Prior
        Name and arguments; a `Prior` is returned as it is.

    Returns
    -------
    Prior

    Raises
    ------
    SettingsError
        If the name is unknown, or the arguments are too few, too many or out of order.
    """
    if isinstance(spec, Prior):
        return spec
    if _is_number(spec):
        problem, remedy = "a prior is a distribution", "hold a parameter at a value with --fix, in Python with fixed="
        raise SettingsError(problem, value=spec, expected=f"one such as {_EXAMPLES}", remedy=remedy)
    match = re.fullmatch(r"\s*([A-Za-z_-]+)\s*\(([^()]*)\)\s*", str(spec))
    name = match.group(1).lower().replace("_", "").replace("-", "") if match else ""
    if match is None or name not in _KINDS:
        meant = close_matches(name or str(spec), _KINDS)
        raise SettingsError(f"prior {spec!r} was not understood; write one of: {_EXAMPLES}", suggestions=meant)
    kind, least, most = _KINDS[name]
    try:
        arguments = [float(text) for text in match.group(2).split(",")]
    except ValueError:
        raise SettingsError(f"prior {spec!r} has an argument that is not a number; write one of: {_EXAMPLES}") from None
    if not least <= len(arguments) <= most or not all(math.isfinite(a) for a in arguments):
        raise SettingsError(f"prior {spec!r}: {name} takes {least} to {most} finite numbers; for example {_EXAMPLES}")
    scale = {"uniform": arguments[-1] - arguments[0], "normal": arguments[min(1, len(arguments) - 1)]}
    if scale.get(name, min(arguments)) <= 0.0:
        raise SettingsError(f"prior {spec!r}: widths must be positive and the lower bound below the upper")
    return kind(*arguments)


def _is_number(spec: object) -> bool:
    try:
        float(str(spec))
    except ValueError:
        return False
    return True
