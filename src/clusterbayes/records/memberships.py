"""Membership rows: one for every row of the input, in its order, as services keep them."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field, StrictBool, StrictStr

from clusterbayes.records.documents import Number, OptionalNumber
from clusterbayes.records.record import WireModel
from clusterbayes.results.result import FitResult

__all__ = ["MembershipRow", "membership_rows"]

_NUMBERS = ("p_member", "p_outlier", "p_binary", "mass", "mass_std", "q", "q_std", "log_teff", "log_lum")


class MembershipRow(WireModel):
    """What a fit says about one row of its input.

    The probability to be a member is always there, and NaN (null on the wire) for rows that were not used.
    """

    row: int = Field(ge=0, description="Row of the input, from 0.")
    source_id: StrictStr = Field(description="Identifier in the input.")
    p_member: Number = Field(description="Probability to be a member.")
    p_outlier: OptionalNumber = Field(default=None, description="Probability to be an outlier of the cluster.")
    p_binary: OptionalNumber = Field(default=None, description="Probability to be an unresolved binary, if a member.")
    mass: OptionalNumber = Field(default=None, description="Initial mass of the primary, if a member [solMass].")
    mass_std: OptionalNumber = None
    q: OptionalNumber = Field(default=None, description="Mass ratio, 0 for a single star, if a member.")
    q_std: OptionalNumber = None
    log_teff: OptionalNumber = Field(default=None, description="log10 of the effective temperature [K].")
    log_lum: OptionalNumber = Field(default=None, description="log10 of the luminosity [solar units].")
    used: StrictBool = Field(description="Whether the row was used in the fit.")
    drop_reason: StrictStr = Field(default="", description="Why it was not used.")


def membership_rows(result: FitResult) -> list[MembershipRow]:
    """Return the membership rows of a fit.

    Parameters
    ----------
    result : FitResult
        The fit.

    Returns
    -------
    list of MembershipRow, n_input
    """
    stars = result.stars
    columns: dict[str, list[Any]] = {
        name: np.asarray(stars[name], float).tolist() for name in _NUMBERS if name in stars.colnames
    }
    columns["source_id"] = [str(value) for value in stars["id"]]
    columns["used"] = [bool(value) for value in stars["used"]]
    columns["drop_reason"] = [str(value) for value in stars["drop_reason"]]
    rows = zip(*columns.values(), strict=True)
    return [MembershipRow(row=k, **dict(zip(columns, values, strict=True))) for k, values in enumerate(rows)]
