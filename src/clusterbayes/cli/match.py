"""``clusterbayes match``: two tables of one field made one, by position."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clusterbayes.cli.console import JsonOption, QuietOption, error_console, guarded
from clusterbayes.cli.options import parse_number
from clusterbayes.cli.reading import (
    ErrorFloorOption,
    InstrumentalOption,
    MapOption,
    MissingOption,
    parse_columns,
    parse_treatment,
)
from clusterbayes.errors import SettingsError
from clusterbayes.wording import counted

if TYPE_CHECKING:
    from clusterbayes.photometry.crossmatch import Match

__all__ = ["match"]


@guarded
def match(
    first: Annotated[Path, typer.Argument(help="Table whose rows are kept, in their order.", show_default=False)],
    second: Annotated[Path, typer.Argument(help="Table whose columns are added.", show_default=False)],
    *,
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="FILE", help="Table to write (.ecsv, .csv, .fits, .vot).", show_default=False
        ),
    ],
    radius: Annotated[float, typer.Option(metavar="ARCSEC", help="Largest separation of a pair (arcsec).")] = 1.0,
    epochs: Annotated[
        str | None,
        typer.Option(
            metavar="YEAR,YEAR",
            help="Epochs of the two tables (Julian years), e.g. 2025.2,2016. Proper motions move the stars from one to "
            "the other.",
            show_default="their columns ref_epoch or jd",
        ),
    ] = None,
    column_map: MapOption = [],  # noqa: B006 (typer wants a list, and copies it)
    column_map_2: Annotated[
        list[str],
        typer.Option(
            "--map-2",
            metavar="COLUMN=NAME",
            help="As --map, for the second table. May be repeated.",
            show_default=False,
        ),
    ] = [],  # noqa: B006
    missing: MissingOption = [],  # noqa: B006
    error_floor: ErrorFloorOption = None,
    instrumental: InstrumentalOption = False,
    only_matched: Annotated[
        bool, typer.Option("--only-matched", help="Leave out rows of the first table that have no partner.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE.")] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Match two tables by position: photometry of one beside the parallaxes of the other.

    Pairs are one to one, each star being the other's nearest; those with another star within the radius are counted as
    ambiguous and marked. Fillers (--missing) and the floor of errors are for both tables.

    [bold]Examples[/]

    [cyan]clusterbayes match afterglow.csv gaia.csv --epochs 2025.2,2016 --out both.ecsv[/]

    [cyan]clusterbayes match afterglow.csv gaia.csv --out both.ecsv --json[/]
    """
    from clusterbayes.photometry.crossmatch import match as pair
    from clusterbayes.photometry.crossmatch import merge, read_catalogue
    from clusterbayes.results.export import check_output_file, json_text, lost_metadata, write_table

    check_output_file(out, overwrite)
    years = _two_years(epochs)
    treatment = parse_treatment(missing, error_floor, instrumental)
    one = read_catalogue(first, columns=parse_columns(column_map), epoch=years[0], treatment=treatment)
    two = read_catalogue(second, columns=parse_columns(column_map_2), epoch=years[1], treatment=treatment)
    pairs = pair(one, two, radius)
    made = merge(one, two, pairs, only_matched=only_matched)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_table(made, out)
    lost = lost_metadata(made, out)
    read = [*one.notes, *two.notes, *([lost] if lost else [])]
    if as_json:
        notes = [*read, *pairs.notes]
        typer.echo(json_text({"out": str(out), "rows": len(made), **_document(pairs), "notes": notes}), nl=False)
        return
    console = error_console(quiet)
    for note in read:
        shown = error_console() if note == lost else console  # a loss is said in any case
        shown.print(f"note: {note}", markup=False, soft_wrap=True)
    console.print(pairs.describe(), markup=False, soft_wrap=True)
    console.print(f"{counted(len(made), 'row')} in {out}", markup=False, soft_wrap=True)


def _document(pairs: Match) -> dict[str, Any]:
    """Return how many stars are matched, how well, and why others are not, as plain values."""
    import numpy as np

    return {
        "matched": len(pairs.first),
        "ambiguous": int(pairs.ambiguous.sum()),
        "median_separation_arcsec": float(np.median(pairs.separation)) if len(pairs.first) else None,
        "not_matched": {why: count for why, count in pairs.counts.items() if why != "matched"},
    }


def _two_years(text: str | None) -> tuple[float | None, float | None]:
    if text is None:
        return None, None
    form = "two Julian years, e.g. 2025.2,2016; leave one empty if a column says it"
    one, comma, two = text.partition(",")
    if not comma:
        raise SettingsError("two epochs were expected", "--epochs", text, form)
    read = [parse_number(part, "--epochs", form) if part.strip() else None for part in (one, two)]
    return read[0], read[1]
