"""``clusterbayes grid plot``: isochrones of grids and of files, in one diagram, over stars if there are any."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clusterbayes.cli.console import OverwriteOption, QuietOption, error_console, guarded, refuse_existing
from clusterbayes.cli.options import parse_number
from clusterbayes.errors import GridError, GridRangeError, SettingsError

if TYPE_CHECKING:
    from clusterbayes.bands import Observable
    from clusterbayes.isochrones.formats import RawTable
    from clusterbayes.photometry import Photometry
    from clusterbayes.results.plots.isochrones import Track

__all__ = ["parse_diagram", "plot"]

_FORM = "a magnitude and a colour, e.g. Gaia_G,Gaia_BP-Gaia_RP or V,B-V"
_CUSTOM = ("G,BP-RP", "V,B-V", "V,V-I", "r,g-r", "i,g-i", "Ks,2MASS_J-2MASS_Ks", "PS1_g,PS1_g-PS1_r")
_AGES = (8.0, 8.5, 9.0, 9.5, 10.0)
_NEAR = 0.03  # dex within which an isochrone of a file has the age or metallicity that was asked for
_MOST = 60

_Sources = list[tuple[str, "list[RawTable] | None"]]


def parse_diagram(text: str, option: str = "--cmd") -> tuple[Observable, Observable]:
    """Read MAGNITUDE,COLOUR.

    Raises
    ------
    SettingsError
        If it is anything else.
    BandError
        If a band is not known.
    """
    from clusterbayes.bands import parse_observable

    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(parts):
        raise SettingsError("a diagram was expected", option, text, _FORM)
    magnitude, colour = (parse_observable(part) for part in parts)
    if not (magnitude.is_magnitude and colour.is_colour):
        raise SettingsError("the first is to be a magnitude, the second a colour", option, text, _FORM)
    return magnitude, colour


def _values(text: str | None, option: str) -> tuple[float, ...] | None:
    """Read numbers with commas between them."""
    if text is None:
        return None
    return tuple(
        parse_number(part.strip(), option, "numbers, e.g. 8.5,9.0") for part in text.split(",") if part.strip()
    )


@guarded
def plot(
    *,
    sources: Annotated[
        list[str], typer.Argument(metavar="NAME|FILE...", help="Grids, families, grid files or isochrone files.")
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="PNG", help="Picture to write: .png, .pdf or .svg.", show_default=False),
    ],
    diagram: Annotated[
        str | None,
        typer.Option("--cmd", metavar="MAG,COLOUR", help="E.g. V,B-V.", show_default="what all sources have"),
    ] = None,
    log_age: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Ages (log10 yr), e.g. 8.5,9.", show_default="a few; all of a file"),
    ] = None,
    mh: Annotated[
        str | None, typer.Option(metavar="LIST", help="Metallicities M/H (dex).", show_default="0; all of a file")
    ] = None,
    over: Annotated[
        str | None, typer.Option(metavar="TABLE", help="Stars to draw them over: a table, or an example's name.")
    ] = None,
    dist_mod: Annotated[float, typer.Option(help="True distance modulus to shift them by (mag).")] = 0.0,
    a_v: Annotated[float, typer.Option(min=0.0, max=6.0, help="Extinction A_V to redden them by (mag).")] = 0.0,
    title: Annotated[str | None, typer.Option(help="Title of the picture.")] = None,
    overwrite: OverwriteOption = False,
    quiet: QuietOption = False,
) -> None:
    """Draw isochrones of grids and of files in one colour-magnitude diagram.

    Lines are drawn within a phase only, so nothing joins the tip of the giant branch to the clump.

    [bold]Examples[/]

    [cyan]clusterbayes grid plot parsec mist --log-age 9.0 --out models.png[/]

    [cyan]clusterbayes grid plot isochrones.dat --cmd V,B-V --out mine.png[/]

    [cyan]clusterbayes grid plot parsec mist --over ruprecht147 --log-age 9.43 --mh 0.1 --dist-mod 7.4 --a-v 0.25
    --out rup147.png[/]
    """
    refuse_existing(out, overwrite=overwrite)
    ages, metals = _values(log_age, "--log-age"), _values(mh, "--mh")
    asked = None if diagram is None else parse_diagram(diagram)
    from clusterbayes.cli.progress import reporting
    from clusterbayes.results.plots.cmd import cmd_axes
    from clusterbayes.results.plots.isochrones import plot_isochrones
    from clusterbayes.results.plots.style import save_figure

    found = [(source, _read(source)) for source in sources]
    stars: dict[str, Any] = {}
    if over is not None:
        photometry = _photometry(over)
        wanted = (None, None) if asked is None else (asked[1].name, asked[0].name)
        axes = cmd_axes(photometry.observables, *wanted)
        asked = (axes.magnitude, axes.colour)
        stars = {"stars": axes.project(photometry.values), "stars_name": Path(over).stem}
    magnitude, colour = asked or _shared_diagram(found)
    bands = tuple(dict.fromkeys((*magnitude.bands, *colour.bands)))
    tracks: list[Track] = []
    with reporting(quiet) as tell:
        for source, tables in found:
            tracks += _tracks(source, tables, bands, ages, metals, (dist_mod, a_v), tell)
    ax = plot_isochrones(tracks, magnitude, colour, title=title, **stars)
    if dist_mod or a_v:
        ax.set_title(f"$(m-M)_0$ {dist_mod:g}, $A_V$ {a_v:g}", loc="right", fontsize=9, fontweight="normal")
    save_figure(ax.figure, out)  # type: ignore[arg-type]
    error_console().print(f"{len(tracks)} isochrone{'s' * (len(tracks) != 1)} in {out}", markup=False, soft_wrap=True)


def _read(source: str) -> list[RawTable] | None:
    """Return the isochrones of a file or folder; None for the name of a grid or a grid file."""
    import h5py

    from clusterbayes.isochrones.families import FAMILIES
    from clusterbayes.isochrones.formats import read_isochrones
    from clusterbayes.isochrones.storage import installed_grids

    path = Path(source)
    if not path.exists() or path.is_dir() and source in {*FAMILIES, *installed_grids()}:
        return None
    return None if path.is_file() and h5py.is_hdf5(path) else read_isochrones(path)


def _photometry(over: str) -> Photometry:
    from clusterbayes.photometry import Photometry, example, examples

    return example(over) if over in examples() and not Path(over).exists() else Photometry.read(over)


def _shared_diagram(found: _Sources) -> tuple[Observable, Observable]:
    """Return the first usual diagram that every source has the bands for."""
    from clusterbayes.isochrones.catalogue import describe

    having: list[set[str]] = []
    for source, tables in found:
        having += [set(describe(source)["bands"])] if tables is None else [set(table.bands) for table in tables]
    for text in _CUSTOM:
        magnitude, colour = parse_diagram(text)
        if all({*magnitude.bands, *colour.bands} <= bands for bands in having):
            return magnitude, colour
    remedy = "give --cmd, or plot the sources one by one"
    raise GridError("the sources share no usual diagram", ", ".join(s for s, _ in found), remedy=remedy)


def _tracks(
    source: str,
    tables: list[RawTable] | None,
    bands: tuple[str, ...],
    ages: tuple[float, ...] | None,
    metals: tuple[float, ...] | None,
    place: tuple[float, float],
    tell: Any,
) -> list[Track]:
    """Return the isochrones of one source."""
    from clusterbayes.isochrones import IsochroneGrid
    from clusterbayes.results.plots.isochrones import file_tracks, grid_tracks

    seen = {"dist_mod": place[0], "a_v": place[1]}
    if tables is not None:
        return file_tracks(_chosen(tables, source, ages, metals), bands, **seen)
    grid = IsochroneGrid.load(source, bands=bands, progress=tell)
    low, high = float(grid.log_age[0]), float(grid.log_age[-1])
    usual = tuple(age for age in _AGES if low <= age <= high) or (low,)
    metal = float(min(max(0.0, grid.mh[0]), grid.mh[-1]))
    name = Path(source).stem if Path(source).is_file() else source
    try:
        return grid_tracks(grid, ages or usual, metals or (metal,), source=name, **seen)
    except GridRangeError as error:
        raise GridError(str(error), name, remedy="choose what all grids have, or leave this one out") from error


def _chosen(
    tables: list[RawTable], source: str, ages: tuple[float, ...] | None, metals: tuple[float, ...] | None
) -> list[RawTable]:
    """Return the isochrones of a file that were asked for, or all of them if they are not too many."""
    some = [
        table
        for table in tables
        if (ages is None or min(abs(table.log_age - age) for age in ages) < _NEAR)
        and (metals is None or min(abs(table.mh - metal) for metal in metals) < _NEAR)
    ]
    if not some:
        has = "log_age " + " ".join(f"{age:g}" for age in sorted({round(t.log_age, 3) for t in tables}))
        has += "; [M/H] " + " ".join(f"{metal:g}" for metal in sorted({round(t.mh, 3) for t in tables}))
        raise GridError("the file has no isochrone of this age and metallicity", source, has)
    if len(some) > _MOST:
        step = -(-len(some) // _MOST)
        error_console().print(
            f"{Path(source).name}: {len(some)} isochrones, one in {step} is drawn; choose with --log-age and --mh",
            markup=False,
            soft_wrap=True,
        )
        some = some[::step]
    return some
