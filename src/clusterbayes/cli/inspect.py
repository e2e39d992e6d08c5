"""``clusterbayes inspect``: what would be used of a table, what would be left out, and what was guessed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clusterbayes.cli.console import JsonOption, guarded, output_console
from clusterbayes.cli.options import parse_default_error
from clusterbayes.cli.reading import (
    DefaultErrorOption,
    ErrorFloorOption,
    InstrumentalOption,
    MapOption,
    MissingOption,
    ObservablesOption,
    parse_columns,
    parse_treatment,
)
from clusterbayes.wording import counted

if TYPE_CHECKING:
    from clusterbayes.photometry import Photometry

__all__ = ["dry_run", "inspect"]


@guarded
def inspect(
    table: Annotated[Path, typer.Argument(help="Photometry, as 'clusterbayes fit' takes it.", show_default=False)],
    *,
    observables: ObservablesOption = None,
    column_map: MapOption = [],  # noqa: B006 (typer wants a list, and copies it)
    default_error: DefaultErrorOption = [],  # noqa: B006
    missing: MissingOption = [],  # noqa: B006
    error_floor: ErrorFloorOption = None,
    instrumental: InstrumentalOption = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to draw the colour-magnitude diagram (.png, .pdf, .svg).",
            show_default="STEM_cmd.png here",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read a table and say what a fit would make of it, without fitting.

    Prints what kind of table it is, what each column is read as, how many rows are used, and why others are not; draws
    the colour-magnitude diagram.

    [bold]Examples[/]

    [cyan]clusterbayes inspect afterglow_export.csv[/]

    [cyan]clusterbayes inspect survey.fits --map mymag=V --missing -9.99 --plot survey.png[/]

    [cyan]clusterbayes inspect survey.fits --json[/]
    """
    from clusterbayes.photometry import Photometry
    from clusterbayes.results.export import json_text
    from clusterbayes.results.plots.observed import save_observed

    photometry = Photometry.read(
        table,
        observables=observables,
        columns=parse_columns(column_map),
        default_error=parse_default_error(default_error),
        treatment=parse_treatment(missing, error_floor, instrumental),
    )
    picture = plot or Path(f"{table.name.partition('.')[0]}_cmd.png")
    if as_json:
        save_observed(picture, photometry, None)
        typer.echo(json_text({**_document(photometry), "plot": str(picture)}), nl=False)
    else:
        _show(photometry, None, picture)


def _document(photometry: Photometry) -> dict[str, Any]:
    """Return what was read, used and left out as plain values."""
    return {
        "source": photometry.source,
        "layout": photometry.layout,
        "read_as": photometry.read_as,
        "unread": list(photometry.unread),
        "observables": [observable.name for observable in photometry.observables],
        "counts": {"input": photometry.n_input, "used": photometry.n_star, "dropped": photometry.dropped},
        "notes": list(photometry.notes),
    }


def dry_run(photometry: Photometry, control: Photometry | None, fitting: dict[str, Any], plot: Path) -> None:
    """Say and draw what a fit would use.

    Parameters
    ----------
    photometry : Photometry
        As it was read.
    control : Photometry, optional
        The control field, as it was read.
    fitting : dict
        The fit's options; centre, radius and limits are looked at.
    plot : Path
        Where to draw.
    """
    from clusterbayes.inference.assembling import ingest
    from clusterbayes.inference.selecting import select

    where = "beyond 1.5 radii" if control is None else f"of the {control.source}"
    chosen, control = ingest(photometry, control, fitting["center"], fitting["radius"])
    limits = (fitting["mag_limit"], fitting["completeness"], fitting["max_error"])
    chosen, control, selection, notes = select(chosen, control, *limits)
    _show(photometry, chosen, plot)
    console = output_console()
    for note in notes:
        if note not in photometry.notes:
            console.print(f"  note: {note}", markup=False, soft_wrap=True)
    if control is not None:
        console.print(f"  field: {counted(control.n_star, 'star')} {where}", markup=False, soft_wrap=True)
    console.print("Nothing was fitted.", markup=False)


def _show(photometry: Photometry, chosen: Photometry | None, plot: Path) -> None:
    from clusterbayes.results.plots.observed import save_observed

    console = output_console()
    console.print(f"layout: {photometry.layout}", markup=False)
    used = set(photometry.table.colnames)
    for column, meaning in photometry.read_as.items():
        state = "" if photometry.pivoted or column in used else "  (not used)"
        console.print(f"  {column} -> {meaning}{state}", markup=False, soft_wrap=True)
    if photometry.unread:
        console.print(f"  not read: {', '.join(photometry.unread)}", markup=False, soft_wrap=True)
    console.print((chosen or photometry).describe(), markup=False, soft_wrap=True)
    save_observed(plot, photometry, chosen)
    console.print(f"colour-magnitude diagram in {plot}", markup=False, soft_wrap=True)
