"""What a simulated catalogue may have beyond a clean isochrone: every parameter that a fit can sample.

With it the simulator draws from the model that the likelihood describes: laws and slopes of masses and mass ratios,
outliers, floors of the errors, zero points, a colour discrepancy, and differences of extinction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from clusterbayes.model.discrepancy import colour_amplitudes

__all__ = ["Details"]


@dataclass(frozen=True)
class Details:
    """Particulars of a simulation.

    Attributes
    ----------
    mass_law, binary_law : str
        Names of the mass function and of the law of mass ratios.
    alpha : tuple of float
        Slopes of the mass function below and above its break.
    q_slope : float
        Of the binary law "power".
    outlier_frac : float
        Chance of each member to be an outlier: evenly spread over the magnitudes and colours of the other stars.
    floor, zero_point : dict of str to float
        Scatter beyond the listed errors, and offset, by band [mag].
    colour : dict of float to float
        Colour discrepancy [mag] at knots in log Teff.
    depth : float
        Standard deviation of the members' distances [pc].
    log_age_offset : float
        The cluster's log_age less that of its isochrone [dex].
    a_v_dispersion : float
        Standard deviation of the members' extinctions [mag]; none of them is negative.
    """

    mass_law: str = "kroupa"
    binary_law: str = "flat"
    alpha: tuple[float, float] = (1.3, 2.3)
    q_slope: float = 0.0
    outlier_frac: float = 0.0
    floor: dict[str, float] = field(default_factory=dict)
    zero_point: dict[str, float] = field(default_factory=dict)
    colour: dict[float, float] = field(default_factory=dict)
    depth: float = 0.0
    log_age_offset: float = 0.0
    a_v_dispersion: float = 0.0

    @classmethod
    def from_parameters(
        cls, values: Mapping[str, float], *, mass_law: str = "kroupa", binary_law: str = "flat"
    ) -> Details:
        """Take the particulars out of a fit's parameters, free and held ones by name; others are left alone."""

        def named(prefix: str) -> dict[str, float]:
            return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}

        alpha_2 = values["alpha_2"]
        return cls(
            mass_law=mass_law, binary_law=binary_law, alpha=(values.get("alpha_1", alpha_2), alpha_2),
            q_slope=values["q_slope"], outlier_frac=values["outlier_frac"], floor=named("floor_"),
            zero_point=named("zero_point_"),
            colour=colour_amplitudes(values),
            log_age_offset=values.get("log_age_offset", 0.0),  # results of before have neither
            a_v_dispersion=values.get("a_v_dispersion", 0.0),
        )  # fmt: skip
