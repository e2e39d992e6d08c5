"""``clusterbayes grid``: which isochrones there are, what they cover, and how well they are interpolated."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from clusterbayes.cli import grid_plot
from clusterbayes.cli.completion import complete_grids
from clusterbayes.cli.console import (
    JsonOption,
    OverwriteOption,
    QuietOption,
    error_console,
    guarded,
    output_console,
    refuse_existing,
)
from clusterbayes.errors import SettingsError

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Isochrone grids.")
app.command("plot", no_args_is_help=True)(grid_plot.plot)


_GridArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE", help="Name of a grid or family, or a grid file.", autocompletion=complete_grids
    ),
]


def _range(values: list[float]) -> str:
    return f"{values[0]:g}" if values[0] == values[-1] else f"{values[0]:g} to {values[-1]:g}"


@app.command("list")
@guarded
def list_grids(as_json: JsonOption = False) -> None:
    """List the isochrone grids and families: ready, composed on first use, or what they need.

    [bold]Examples[/]

    [cyan]clusterbayes grid list[/]

    [cyan]clusterbayes grid list --json[/]
    """
    from clusterbayes.isochrones.catalogue import known_grids
    from clusterbayes.results.export import json_text

    grids = known_grids()
    if as_json:
        typer.echo(json_text(grids), nl=False)
        return
    table = Table(header_style="bold", show_edge=False)
    missing = {name for name, info in grids.items() if info["state"].startswith("needs")}
    for head in ("name", "family", "state", "log age [log10 yr]", "[M/H] [dex]", "solar scale", "bands"):
        table.add_column(escape(head), style="cyan" if head == "name" else None, no_wrap=head == "name")
    for name, info in grids.items():
        ages, metals = _range(info["log_age"]), _range(info["mh"])
        scale = re.split(r";| \(", str(info.get("solar_scale", "")))[0]
        state = "not installed" if name in missing else info["state"]
        row = (name, str(info.get("family", "")), state, ages, metals, scale, str(len(info["bands"])))
        table.add_row(*map(escape, row))
    output_console().print(table)
    if missing:
        needed = ", ".join(sorted({grids[name]["state"] for name in missing}))
        error_console().print(f"{', '.join(sorted(missing))}: {needed}", markup=False, soft_wrap=True)


@app.command("info", no_args_is_help=True)
@guarded
def show_grid(
    name: _GridArgument,
    as_json: JsonOption = False,
) -> None:
    """Show where a grid comes from, whom to cite, what it covers, and its bands with their photometric systems.

    [bold]Examples[/]

    [cyan]clusterbayes grid info parsec[/]

    [cyan]clusterbayes grid info mygrid.h5 --json[/]
    """
    from clusterbayes.isochrones.catalogue import describe
    from clusterbayes.results.export import json_text

    info = describe(name)
    if as_json:
        typer.echo(json_text(info), nl=False)
        return
    table = Table(show_header=False, show_edge=False, box=None)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in _rows(info):
        table.add_row(escape(key), escape(value))
    output_console().print(table)


def _rows(info: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what is to be shown of a grid, as keys and texts."""
    bands: dict[str, str] = info["bands"]
    number = {key: f", {info[n]} {what}{'s' * (info[n] != 1)}" if n in info else "" for key, n, what in (
        ("log_age", "n_age", "age"), ("mh", "n_mh", "value"))}  # fmt: skip
    rows = [
        ("name", str(info.get("name", ""))),
        ("state", info["state"]),
        ("log age", f"{_range(info['log_age'])} log10 yr{number['log_age']}"),
        ("metallicity", f"{_range(info['mh'])} dex [M/H]{number['mh']}"),
    ]
    if "n_eep" in info:
        rows.append(("points", f"{info['n_eep']} on each isochrone"))
    for system in dict.fromkeys(bands.values()):
        rows.append((f"bands ({system})", " ".join(band for band, value in bands.items() if value == system)))
    shown = {"name", "state", "log_age", "mh", "bands", "n_age", "n_mh", "n_eep"}
    first = ("family", "title", "release", "solar_scale", "alpha", "citation", "licence", "source", "digest")
    others = [key for key in info if key not in shown and key not in first]
    for key in (*first, *others):
        value = info.get(key)
        if isinstance(value, str | int | float) and value != "":
            rows.append((key.replace("_", " "), str(value)))
    return rows


@app.command("build", no_args_is_help=True)
@guarded
def build(
    name: Annotated[
        str, typer.Argument(help="A family that 'clusterbayes grid list' shows.", autocompletion=complete_grids)
    ],
    force: Annotated[bool, typer.Option("--force", help="Compose it again, even if it is there.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Compose the grid of a family into the cache now, not when it is first used.

    [bold]Example[/]

    [cyan]clusterbayes grid build mist[/]
    """
    from clusterbayes.cli.progress import reporting
    from clusterbayes.isochrones.catalogue import known_grids
    from clusterbayes.isochrones.families import FAMILIES, compose, composed_path

    grids = known_grids()
    if name not in grids:
        raise SettingsError.unknown("family of isochrones", name, grids)
    if name not in FAMILIES or ("path" in grids[name] and Path(grids[name]["path"]) != composed_path(name)):
        output_console().print(f"{name} comes with clusterbayes: there is nothing to compose.")
        return
    with reporting(quiet) as tell:
        path = compose(name, tell, force=force)
    if not quiet:
        output_console().print(escape(f"{name} is ready: {path} ({path.stat().st_size / 1e6:.1f} MB)"), soft_wrap=True)


@app.command("import", no_args_is_help=True)
@guarded
def import_files(
    *,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Isochrone files, or folders of them.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE.h5", help="Grid file to write.", show_default=False)
    ],
    name: Annotated[str | None, typer.Option(help="Title to keep in the grid.")] = None,
    single_age: Annotated[
        bool, typer.Option("--single-age", help="Accept a single age: for plots, and fits with the age held.")
    ] = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a grid of your own isochrone files: PARSEC (CMD web interface), MIST or BaSTI-IAC.

    All ages and metallicities of the files make one grid, so every pair must be there. What was dropped is counted.

    [bold]Examples[/]

    [cyan]clusterbayes grid import isochrones/ --out mygrid.h5[/]

    [cyan]clusterbayes grid import MIST_iso_5fd2532653c27.iso.cmd --out mist_mine.h5[/]

    then [cyan]clusterbayes fit stars.csv --grid mygrid.h5 --out mycluster[/]
    """
    from dataclasses import asdict

    from clusterbayes.cli.progress import reporting
    from clusterbayes.isochrones.importer import import_isochrones
    from clusterbayes.results.export import json_text

    refuse_existing(out, overwrite=overwrite)
    with reporting(quiet or as_json) as tell:
        report = import_isochrones(paths, out, name=name, single_age=single_age, progress=tell)
    if as_json:
        typer.echo(json_text({**asdict(report), "out": str(report.out)}), nl=False)
        return
    if not quiet:
        for line in report.lines():
            output_console().print(escape(line), soft_wrap=True)


@app.command("certify", no_args_is_help=True)
@guarded
def certify_grid(
    *,
    name: _GridArgument,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the page goes.", show_default=False)
    ],
    raw: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Published isochrones between the nodes, to compare with; may be repeated."),
    ] = None,
    diagram: Annotated[
        str, typer.Option("--cmd", metavar="MAG,COLOUR", help="Diagram in which nodes are left out.")
    ] = "Gaia_G,Gaia_BP-Gaia_RP",
    faintest: Annotated[float, typer.Option(help="Faintest absolute magnitude that counts (mag).")] = 9.0,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure the interpolation error of a grid, and write a page with tables and pictures.

    Nodes are left out in turn and foretold from the others. Files of published isochrones are a second test.

    [bold]Examples[/]

    [cyan]clusterbayes grid certify mist --out certificates[/]

    [cyan]clusterbayes grid certify parsec --raw published.dat --raw more.dat --out certificates[/]
    """
    from clusterbayes.cli.progress import reporting
    from clusterbayes.isochrones.certify import certify
    from clusterbayes.results.certificate import write_certificate
    from clusterbayes.results.export import json_text

    magnitude, colour = grid_plot.parse_diagram(diagram)
    bands = (*magnitude.bands, *colour.bands)
    with reporting(quiet or as_json) as tell:
        made = certify(name, raw=raw or (), bands=bands, faintest=faintest, progress=tell)
        tell("drawing", 1.0)
        files = write_certificate(made, out)
    phases = made.phases()
    rows = [dict(zip(phases.colnames, map(_plain, row), strict=True)) for row in phases]
    if as_json:
        floor = {"grid": made.name, "digest": made.info.get("digest", ""), "floor": made.floor(), "phases": rows}
        typer.echo(json_text({**floor, "files": [str(path) for path in files]}), nl=False)
        return
    if quiet:
        return
    table = Table(title="rms between nodes [mag], log age 8.0 to 10.1".replace("[", r"\["), title_justify="left")
    for head in phases.colnames:
        table.add_column(
            head.replace("mh", "[M/H]").replace("[", r"\["), justify="left" if head == "phase" else "right"
        )
    for row in rows:
        table.add_row(*map(_cell, row.values()))
    output_console().print(table)
    error_console().print(f"Written to {out}: {', '.join(path.name for path in files)}", markup=False, soft_wrap=True)


def _cell(value: str | float) -> str:
    """Return a table's text, a dash for what was not measured."""
    return value if isinstance(value, str) else f"{value:.4f}" if math.isfinite(value) else "–"


def _plain(value: Any) -> str | float:
    return str(value) if isinstance(value, str) else float(value)
