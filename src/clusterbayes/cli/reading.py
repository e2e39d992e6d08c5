"""Options that say how a table is to be read, shared by the commands that read one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from clusterbayes.cli.options import parse_pairs

if TYPE_CHECKING:
    from clusterbayes.photometry.treatment import Treatment

__all__ = [
    "DATA_PANEL", "DefaultErrorOption", "ErrorFloorOption", "InstrumentalOption", "MapOption", "MissingOption",
    "ObservablesOption", "parse_columns", "parse_treatment",
]  # fmt: skip

DATA_PANEL = "What is fitted"

ObservablesOption = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        help="Magnitudes and colours to fit (mag), e.g. G,BP,RP or G,BP-RP or V,B-V. "
        "Found from the columns if left out.",
        rich_help_panel=DATA_PANEL,
        show_default=False,
    ),
]
MapOption = Annotated[
    list[str],
    typer.Option(
        "--map",
        metavar="COLUMN=NAME",
        help="Say what a column is, e.g. mymag=V, e_mymag=V_error, star=id. May be repeated.",
        rich_help_panel=DATA_PANEL,
        show_default=False,
    ),
]
DefaultErrorOption = Annotated[
    list[str],
    typer.Option(
        metavar="BAND=VALUE",
        help="Error (mag) for bands without an error column, e.g. V=0.02; a bare number serves all. May be repeated.",
        rich_help_panel=DATA_PANEL,
        show_default=False,
    ),
]
MissingOption = Annotated[
    list[str],
    typer.Option(
        "--missing",
        metavar="VALUE",
        help="A filler: cells with this number or text are missing values, e.g. -9.99. May be repeated.",
        rich_help_panel=DATA_PANEL,
        show_default=False,
    ),
]
ErrorFloorOption = Annotated[
    float | None,
    typer.Option(
        metavar="MAG",
        help="Raise smaller errors (mag), zero and negative ones included, to this.",
        rich_help_panel=DATA_PANEL,
        show_default=False,
    ),
]
InstrumentalOption = Annotated[
    bool,
    typer.Option(
        "--instrumental", help="Use magnitudes (mag) that were not calibrated as they are.", rich_help_panel=DATA_PANEL
    ),
]


def parse_columns(texts: list[str]) -> dict[str, str] | None:
    """Read the values of --map."""
    return parse_pairs(texts, "--map", "COLUMN=NAME, e.g. mymag=V", at_last=True) or None


def parse_treatment(missing: list[str], error_floor: float | None, instrumental: bool) -> Treatment | None:
    """Gather what is done with cells; None if nothing was asked for."""
    from clusterbayes.photometry.treatment import Treatment

    treatment = Treatment(tuple(missing), error_floor, instrumental)
    return None if treatment == Treatment() else treatment
