"""Mass ratios of binaries: the laws to choose from, and the nodes between which the light of pairs is followed.

A law is a density of q = M2/M1 between the lowest node, 0.1, and 1. Companions below a tenth of the primary's mass add
less than a thousandth to its light in any band, so such systems count as single in `binary_frac`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clusterbayes.errors import SettingsError

__all__ = ["BINARY_LAWS", "FINE_MASS_RATIOS", "MassRatios"]

#: Names of the laws, with what they are.
BINARY_LAWS = {
    "flat": "all mass ratios equally frequent",
    "power": "p(q) ∝ q^q_slope, with q_slope sampled",
    "moe2017": "solar-type primaries at the peak of their periods, Moe & Di Stefano (2017)",
}
#: Mass ratios for models taken to be exact, where the shape of the strip between neighbouring sequences matters.
FINE_MASS_RATIOS = (0.1, 0.25, 0.36, 0.45, 0.53, 0.6, 0.66, 0.72, 0.77, 0.82, 0.87, 0.91, 0.96, 1.0)
#: Moe & Di Stefano (2017), ApJS 230, 17, section 9, for M1 = 1 Msun and log10(P/day) = 5: slopes below and above
#: q = 0.3, and the share of the binaries of q > 0.3 in the excess of twins, q > 0.95: 0.30 (1 − (5 − 1)/(7 − 1)).
_MOE_SLOPES, _MOE_BREAK, _MOE_TWINS, _TWIN = (0.3, -0.5), 0.3, 0.1, 0.95


@dataclass(frozen=True)
class MassRatios:
    """Nodes of the mass ratio q = M2/M1 and the law between them, from the lowest node to 1.

    Attributes
    ----------
    nodes : tuple of float
        Ascending, the last one 1.
    law : str
        One of `BINARY_LAWS`. "flat" is "power" with a slope that is held at 0.

    Raises
    ------
    SettingsError
        If the law is unknown.
    """

    nodes: tuple[float, ...] = (0.1, 0.3, 0.48, 0.62, 0.74, 0.84, 0.92, 1.0)
    law: str = "flat"

    def __post_init__(self) -> None:
        if self.law not in BINARY_LAWS:
            raise SettingsError.unknown("binary law", self.law, BINARY_LAWS)

    def share(self, slope: np.ndarray) -> np.ndarray:
        """Share of the binaries between neighbouring nodes, shape (n_walkers, n_node − 1)."""
        return np.diff(self._moment(np.asarray(self.nodes), slope, 0), axis=1)

    def lean(self, slope: np.ndarray) -> np.ndarray:
        """Mean place of the binaries between neighbouring nodes, from −½ to ½, shape (n_walkers, n_node − 1)."""
        nodes = np.asarray(self.nodes)
        number, first = (np.diff(self._moment(nodes, slope, power), axis=1) for power in (0, 1))
        return (first / number - 0.5 * (nodes[1:] + nodes[:-1])) / np.diff(nodes)

    def share_above(self, q: float, slope: np.ndarray) -> np.ndarray:
        """Share of the binaries with a mass ratio above `q`, shape (n_walkers,)."""
        return 1.0 - self._moment(np.array([q]), slope, 0)[:, 0]

    def draw(self, rng: np.random.Generator, n: int, slope: float = 0.0) -> np.ndarray:
        """Draw n mass ratios, by inverting the cumulative law between 2,000 values."""
        q = np.linspace(self.nodes[0], 1.0, 2001)
        return np.interp(rng.random(n), self._moment(q, np.array([slope]), 0)[0], q)

    def _moment(self, q: np.ndarray, slope: np.ndarray, power: int) -> np.ndarray:
        """Integral of q^power p(q) up to each of `q`, shape (n_walkers, n), for slopes (n_walkers,)."""
        slope = np.asarray(slope, float)[:, None]
        q, low = np.asarray(q, float)[None, :], self.nodes[0]
        if self.law != "moe2017":
            whole = _power_integral(low, np.ones((1, 1)), slope)
            return _power_integral(low, q, slope + power) / whole
        total, parts = 0.0, 0.0
        joint = max(_MOE_BREAK, low)
        for a, b, exponent in ((low, joint, _MOE_SLOPES[0]), (joint, 1.0, _MOE_SLOPES[1])):
            scale = joint**-exponent  # continuous at the break
            inside = np.clip(q, a, b)
            total += scale * _power_integral(a, np.array(b), exponent)
            parts = parts + scale * _power_integral(a, inside, exponent + power)
        above = joint**0.5 * _power_integral(joint, np.ones(()), _MOE_SLOPES[1])
        twins = above * _MOE_TWINS / (1.0 - _MOE_TWINS) / (1.0 - _TWIN)
        parts = parts + twins * _power_integral(_TWIN, np.maximum(q, _TWIN), float(power))
        total = total + twins * (1.0 - _TWIN)
        return np.broadcast_to(parts / total, (slope.shape[0], q.shape[1]))


def _power_integral(low: float, q: np.ndarray, exponent: np.ndarray | float) -> np.ndarray:
    """Integral of q^exponent from `low` to `q`."""
    p = np.asarray(exponent, float) + 1.0
    near = np.abs(p) < 1e-9
    return np.where(near, np.log(q / low), (q**p - low**p) / np.where(near, 1.0, p))
