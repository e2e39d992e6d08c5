"""Compiled normal distribution without tables or branches, for loops that the processor runs several stars at a time.

The density comes from a series and repeated squaring, the tail from it and a quotient of polynomials (Mills' ratio,
fitted to 2e-13 of itself up to 9). `kernels_normal` has the same as a table, which is quicker for a single number.
"""

from __future__ import annotations

import math

from numba import njit

__all__ = ["END", "exp_minus", "normal_pairs"]

#: From here on both functions stay at their values.
END = 9.0
_INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
# Terms of exp(−y) from the third power on, y from 0 to 0.633 (Chebyshev nodes), and of Φ(−z)/φ(z), z from 0 to 9.
_E3, _E4, _E5, _E6 = -0.16666666666666619, 0.041666666666577479, -0.0083333333300463115, 0.0013888888399466285
_E7, _E8, _E9, _E10 = -0.00019841232522716499, 2.4799965767121085e-05, -2.7515415944945738e-06, 2.6916857105953442e-07
_E11 = -1.9630674387666295e-08
_P0, _P1, _P2, _P3 = 1.2533141373157106, 1.3829213713236399, 0.75452445977906557, 0.24736152830130165
_P4, _P5, _P6 = 0.050784978081685028, 0.0061887774269086173, 0.00035410425266260123
_Q1, _Q2, _Q3, _Q4 = 1.901296171809755, 1.6190382776837804, 0.80448502839380331, 0.25355919410083627
_Q5, _Q6, _Q7 = 0.051138605458245438, 0.0061887933872554592, 0.00035410400293733868


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def exp_minus(x):
    """Evaluate exp(−x) for x from 0 to 40.5, to 2e-14 of itself: a series for exp(−x/64), squared six times."""
    y = x * (1.0 / 64.0)
    e = _E8 + y * (_E9 + y * (_E10 + y * _E11))
    e = _E4 + y * (_E5 + y * (_E6 + y * (_E7 + y * e)))
    e = 1.0 + y * (-1.0 + y * (0.5 + y * (_E3 + y * e)))
    e = e * e
    e = e * e
    e = e * e
    e = e * e
    e = e * e
    return e * e


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def normal_pairs(z, y):
    """Lower tails and densities Φ(−z), φ(z), Φ(−y), φ(y) for z and y from 0 to 9: two at once share a division."""
    density_z = _INV_SQRT_2PI * exp_minus(0.5 * z * z)
    density_y = _INV_SQRT_2PI * exp_minus(0.5 * y * y)
    over_z, under_z = _mills(z)
    over_y, under_y = _mills(y)
    inverse = 1.0 / (under_z * under_y)
    return density_z * over_z * under_y * inverse, density_z, density_y * over_y * under_z * inverse, density_y


@njit(nogil=True, cache=True, inline="always", error_model="numpy", fastmath={"contract"})
def _mills(z):
    """Numerator and denominator of Φ(−z)/φ(z)."""
    over = _P0 + z * (_P1 + z * (_P2 + z * (_P3 + z * (_P4 + z * (_P5 + z * _P6)))))
    under = 1.0 + z * (_Q1 + z * (_Q2 + z * (_Q3 + z * (_Q4 + z * (_Q5 + z * (_Q6 + z * _Q7))))))
    return over, under
