"""``clusterbayes export`` and ``clusterbayes derive``: a finished fit's tables for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clusterbayes.cli.console import (
    JsonOption,
    OverwriteOption,
    QuietOption,
    error_console,
    guarded,
    output_console,
)
from clusterbayes.cli.options import parse_center
from clusterbayes.cli.reading import MapOption, parse_columns
from clusterbayes.errors import SettingsError
from clusterbayes.wording import counted

if TYPE_CHECKING:
    from clusterbayes.results.derived import DerivedOptions

__all__ = ["derive", "export"]

ResultArgument = Annotated[
    Path, typer.Argument(metavar="RESULT", help="Folder of a fit, or its result.h5.", show_default=False)
]
CenterOption = Annotated[
    str | None,
    typer.Option(metavar="RA,DEC", help="Centre (deg).", show_default="the fit's, else the members' mean"),
]
MassLimitsOption = Annotated[
    str,
    typer.Option(metavar="LOW..HIGH", help="Initial masses (Msun) between which the total mass is summed up."),
]


def _options(center: str | None, mass_limits: str, column_map: list[str]) -> DerivedOptions:
    from clusterbayes.results.derived import DerivedOptions

    form = "LOW..HIGH in solar masses, e.g. 0.1..100"
    low, sign, high = mass_limits.partition("..")
    try:
        limits = (float(low), float(high)) if sign else None
    except ValueError:
        limits = None
    if limits is None:
        raise SettingsError("the limits were not understood", "--mass-limits", mass_limits, form)
    return DerivedOptions(parse_center(center), limits, parse_columns(column_map) or {})


@guarded
def export(
    result: ResultArgument,
    *,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="File to write.", show_default=False)],
    what: Annotated[
        Literal["sources", "astromancer", "summary", "derived", "hr", "luminosity", "mass"],
        typer.Option(
            help="sources: every input row; astromancer: its wide CSV with membership; summary: one row for the "
            "cluster; derived: distance, radius, masses, motions; hr: for the HR diagram; luminosity and mass: the "
            "functions."
        ),
    ] = "sources",
    format: Annotated[
        Literal["ecsv", "fits", "votable", "csv", "astromancer"] | None,
        typer.Option(
            help="Form of the file; astromancer means --what astromancer as CSV.", show_default="by FILE's ending"
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the cluster in the summary.", show_default="the folder's")
    ] = None,
    center: CenterOption = None,
    mass_limits: MassLimitsOption = "0.1..100",
    column_map: MapOption = [],  # noqa: B006 (typer wants a list, and copies it)
    overwrite: OverwriteOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a table of a finished fit as ECSV, FITS, VOTable or CSV.

    [bold]Examples[/]

    [cyan]clusterbayes export mycluster --out mycluster.vot[/]    for TOPCAT

    [cyan]clusterbayes export mycluster --format astromancer --out mycluster.csv[/]

    [cyan]clusterbayes export mycluster --what summary --out row.csv[/]
    """
    from clusterbayes.cli.show import warn_if_not_converged
    from clusterbayes.results import FitResult
    from clusterbayes.results.export import check_output_file, write_table
    from clusterbayes.results.sharing import shared_table

    table = "astromancer" if format == "astromancer" else what
    kind = check_output_file(out, overwrite, "csv" if format == "astromancer" else format)
    fit = FitResult.load(result)
    options = _options(center, mass_limits, column_map)
    made = shared_table(fit, table, name=name or _cluster_name(result), options=options)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_table(made, out, kind)
    error_console(quiet).print(f"{table}: {counted(len(made), 'row')} in {out}", markup=False, soft_wrap=True)
    warn_if_not_converged(error_console(), fit)


def _cluster_name(result: Path) -> str:
    return (result if result.is_dir() else result.parent).resolve().name


@guarded
def derive(
    result: ResultArgument,
    *,
    center: CenterOption = None,
    mass_limits: MassLimitsOption = "0.1..100",
    column_map: MapOption = [],  # noqa: B006
    as_json: JsonOption = False,
) -> None:
    """Print the quantities that follow from a fit: distance, age, radius, masses, motions, with their errors.

    [bold]Examples[/]

    [cyan]clusterbayes derive ruprecht147 --center 289.07,-16.46[/]

    [cyan]clusterbayes derive mycluster --json[/]
    """
    from clusterbayes.cli.show import derived_table, warn_if_not_converged
    from clusterbayes.results import FitResult
    from clusterbayes.results.derived import derive as derive_quantities
    from clusterbayes.results.export import json_text

    fit = FitResult.load(result)
    found = derive_quantities(fit, _options(center, mass_limits, column_map))
    if as_json:
        typer.echo(json_text({"converged": fit.converged, **found.document()}), nl=False)
    else:
        console = output_console()
        console.print(derived_table(found))
        for note in found.notes:
            console.print(f"note: {note}", markup=False, soft_wrap=True)
    warn_if_not_converged(error_console(), fit)
