"""Options of the hard cut: Astromancer's ellipse of proper motions and range of distances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clusterbayes.cli.reading import DATA_PANEL
from clusterbayes.errors import SettingsError

if TYPE_CHECKING:
    from clusterbayes.photometry import Photometry

__all__ = ["CutModeOption", "Cutter", "DistanceRangeOption", "PmEllipseOption"]

PmEllipseOption = Annotated[
    str | None,
    typer.Option(
        metavar="RA,DEC,A,B",
        help="Hard cut: leave out stars whose proper motion (mas/yr) is outside this ellipse, centre and half axes.",
        rich_help_panel=DATA_PANEL,
        show_default=False,
    ),
]
DistanceRangeOption = Annotated[
    str | None,
    typer.Option(
        metavar="LOW..HIGHUNIT",
        help="Hard cut: leave out stars whose distance is outside, e.g. 1.7..2.3kpc. Distances are those of a column, "
        "else inverse parallaxes.",
        rich_help_panel=DATA_PANEL,
        show_default=False,
    ),
]
CutModeOption = Annotated[
    Literal["apply", "mark"],
    typer.Option(
        "--hard-cut",
        help="With --pm-ellipse or --distance-range: apply leaves the stars outside out; mark fits them all and only "
        "notes the verdict beside their membership.",
        rich_help_panel=DATA_PANEL,
    ),
]


class Cutter:
    """The cut that was asked for; it does nothing if none was.

    Parameters
    ----------
    pm_ellipse, distance_range : str or None
        As typed.
    mode : {"apply", "mark"}
        Whether stars are left out.
    """

    def __init__(self, pm_ellipse: str | None, distance_range: str | None, mode: str) -> None:
        self._limits, self._mode = (pm_ellipse, distance_range), mode
        if mode == "mark" and self._limits == (None, None):
            raise SettingsError("there is no cut to mark", "--hard-cut", mode, "--pm-ellipse or --distance-range")

    def __call__(self, photometry: Photometry) -> Photometry:
        """Cut a table."""
        if self._limits == (None, None):
            return photometry
        from clusterbayes.photometry.hard_cut import HardCut, apply_hard_cut

        return apply_hard_cut(photometry, HardCut.parse(*self._limits), exclude=self._mode == "apply")
