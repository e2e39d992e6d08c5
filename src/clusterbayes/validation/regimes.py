"""Kinds of clusters to simulate: how many stars, how much field, how old, and what is known of the field.

A regime changes priors, never truths alone: what is drawn from is what the fit believes, so that calibration can be
demanded of each regime by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from clusterbayes.errors import SettingsError

__all__ = ["REGIMES", "Regime", "regime"]

# Every cluster drawn from these has stars within the limit; the tails of the mass function's slopes stay as they are.
_PRIORS = {
    "log_age": "uniform(7.8, 9.9)",
    "mh": "normal(0, 0.2, -0.6, 0.4)",
    "dist_mod": "uniform(6, 11)",
    "a_v": "exponential(0.3, 2)",
    "member_frac": "uniform(0.2, 1)",
}


@dataclass(frozen=True)
class Regime:
    """A kind of clusters.

    Attributes
    ----------
    n_star : (int, int)
        Fewest and most stars of a catalogue, evenly spread in the logarithm.
    priors : dict of str to str
        Of the simulation and of the fit; parameters that are not named keep the fit's defaults.
    n_control : int
        Stars of a control field that is given to the fit; 0: the field is learned from the sample.
    bands : tuple of str
    mag_limit : str
    """

    n_star: tuple[int, int] = (30, 1000)
    priors: Mapping[str, str] = field(default_factory=lambda: dict(_PRIORS))
    n_control: int = 2000
    bands: tuple[str, ...] = ("Gaia_G", "Gaia_BP", "Gaia_RP")
    mag_limit: str = "Gaia_G=6..18"


def _with(**priors: str) -> dict[str, str]:
    return {**_PRIORS, **priors}


#: The regimes by name.
REGIMES = {
    "all": Regime(),
    "few-stars": Regime(n_star=(30, 100)),
    "many-stars": Regime(n_star=(300, 1000)),
    "clean": Regime(priors=_with(member_frac="uniform(0.8, 1)")),
    "crowded": Regime(priors=_with(member_frac="uniform(0.2, 0.5)")),
    "young": Regime(priors=_with(log_age="uniform(7, 8)")),
    "old": Regime(priors=_with(log_age="uniform(9.3, 10)")),
    "learned-field": Regime(n_control=0),
}


def regime(name: str) -> Regime:
    """Return a regime by its name.

    Raises
    ------
    SettingsError
        If there is none of that name.
    """
    if name not in REGIMES:
        raise SettingsError.unknown("regime", name, REGIMES)
    return REGIMES[name]
