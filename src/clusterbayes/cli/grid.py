"""``clusterbayes grid``: which isochrones there are, and what they cover."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from clusterbayes.cli.console import guarded, output_console

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Isochrone grids.")


def _range(values: list[float]) -> str:
    return f"{values[0]:g} to {values[1]:g}"


@app.command("list")
@guarded
def list_grids(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")] = False,
) -> None:
    """List the installed isochrone grids."""
    from clusterbayes.isochrones import available_grids
    from clusterbayes.results.export import json_text

    grids = available_grids()
    if as_json:
        typer.echo(json_text(grids), nl=False)
        return
    table = Table(header_style="bold", show_edge=False)
    for name in ("name", "family", "log age [log10 yr]", "[M/H] [dex]", "bands"):
        table.add_column(name.replace("[", r"\["), style="cyan" if name == "name" else None)
    for name, info in grids.items():
        ages, metallicities = _range(info["log_age"]), _range(info["mh"])
        table.add_row(name, str(info.get("family", "")), ages, metallicities, str(len(info["bands"])))
    output_console().print(table)


@app.command("info", no_args_is_help=True)
@guarded
def show_grid(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="Name of an installed grid, or a grid file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")] = False,
) -> None:
    """Show where a grid comes from, what it covers, and its bands with their photometric systems.

    [cyan]clusterbayes grid info parsec[/]
    """
    from clusterbayes.results.export import json_text

    info = _describe(name)
    if as_json:
        typer.echo(json_text(info), nl=False)
        return
    console = output_console()
    table = Table(show_header=False, show_edge=False, box=None)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    bands: dict[str, str] = info["bands"]
    table.add_row("log age", f"{_range(info['log_age'])} log10 yr, {info['n_age']} ages")
    table.add_row("metallicity", rf"{_range(info['mh'])} dex \[M/H], {info['n_mh']} values")
    table.add_row("points", f"{info['n_eep']} on each isochrone")
    for system in dict.fromkeys(bands.values()):
        of_system = " ".join(band for band, value in bands.items() if value == system)
        table.add_row(f"bands ({system})", of_system)
    known = {"log_age", "mh", "bands", "n_age", "n_mh", "n_eep"}
    for key, value in info.items():
        if key not in known and isinstance(value, str | int | float) and value != "":
            table.add_row(key.replace("_", " "), str(value).replace("[", r"\["))
    console.print(table)


def _describe(name: str) -> dict[str, Any]:
    """Return what a grid says about itself: installed ones and files alike."""
    from clusterbayes.isochrones import IsochroneGrid, available_grids

    grids = available_grids()
    if name in grids:
        return {"name": name, **grids[name]}
    return {**IsochroneGrid.load(name).info(), "path": str(Path(name))}
