"""``clusterbayes simulate``: a catalogue of a cluster whose truth is known."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from clusterbayes.cli.completion import complete_grids, complete_laws
from clusterbayes.cli.console import JsonOption, OverwriteOption, QuietOption, error_console, guarded, refuse_existing
from clusterbayes.errors import SettingsError
from clusterbayes.wording import counted

__all__ = ["simulate"]

_CLUSTER, _SAMPLE = "Cluster", "Catalogue"


@guarded
def simulate(
    *,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Table to write; its ending says how: .csv, .ecsv, "
            ".fits or .vot. The truth goes beside it, into STEM.truth.json.",
            show_default=False,
        ),
    ],
    log_age: Annotated[float, typer.Option(help="log10 of the age (log10 yr).", rich_help_panel=_CLUSTER)] = 9.0,
    mh: Annotated[float, typer.Option(help="Metallicity M/H (dex).", rich_help_panel=_CLUSTER)] = 0.0,
    dist_mod: Annotated[float, typer.Option(help="True distance modulus (mag).", rich_help_panel=_CLUSTER)] = 10.0,
    a_v: Annotated[float, typer.Option(help="Extinction A_V (mag).", rich_help_panel=_CLUSTER)] = 0.3,
    binary_frac: Annotated[
        float, typer.Option(help="Fraction of stars with a companion, 0 to 1.", rich_help_panel=_CLUSTER)
    ] = 0.4,
    n_members: Annotated[
        int, typer.Option(min=0, help="Cluster stars within the limit.", rich_help_panel=_SAMPLE)
    ] = 600,
    n_field: Annotated[int, typer.Option(min=0, help="Field stars within the limit.", rich_help_panel=_SAMPLE)] = 400,
    bands: Annotated[
        str, typer.Option(metavar="LIST", help="Bands (mag), e.g. G,BP,RP or B,V or g,r,i.", rich_help_panel=_SAMPLE)
    ] = "G,BP,RP",
    mag_limit: Annotated[
        str | None,
        typer.Option(
            metavar="LIMIT",
            help="Magnitude limit (mag), e.g. Gaia_G=18 or V=10..19 (bright..faint).",
            rich_help_panel=_SAMPLE,
            show_default="18 in the first band",
        ),
    ] = None,
    parallax: Annotated[
        bool,
        typer.Option(
            "--parallax", help="Add parallaxes (mas) with errors; zero point applied.", rich_help_panel=_SAMPLE
        ),
    ] = False,
    depth: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Standard deviation of the members' distances (pc): near clusters are deeper than they look.",
            rich_help_panel=_SAMPLE,
        ),
    ] = 0.0,
    a_v_dispersion: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Standard deviation of the members' extinctions (mag): differential reddening.",
            rich_help_panel=_SAMPLE,
        ),
    ] = 0.0,
    proper_motion: Annotated[
        bool, typer.Option("--proper-motion", help="Add proper motions (mas/yr) with errors.", rich_help_panel=_SAMPLE)
    ] = False,
    positions: Annotated[
        bool,
        typer.Option("--positions", help="Add places (deg) in a circle about the cluster.", rich_help_panel=_SAMPLE),
    ] = False,
    grid: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE", help="Isochrones; see 'clusterbayes grid list'.", autocompletion=complete_grids
        ),
    ] = "parsec",
    extinction_law: Annotated[
        str,
        typer.Option(
            metavar="NAME|NUMBERS",
            help="How dust dims the bands: tables follows each star's spectrum; CCM89, F19, G23 and others are "
            "published laws; astromancer is that teaching tool's; G=0.84,BP=1.08,RP=0.63 is A_b/A_V for all stars.",
            autocompletion=complete_laws,
        ),
    ] = "tables",
    r_v: Annotated[
        float,
        typer.Option(
            "--r-v",
            metavar="X",
            help="Ratio of total to selective extinction, A_V/E(B-V).",
        ),
    ] = 3.1,
    seed: Annotated[int, typer.Option(min=0, help="Seed; the same one gives the same table.")] = 1,
    overwrite: OverwriteOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Simulate a cluster with field stars, and write the truth beside the catalogue.

    [bold]Examples[/]

    [cyan]clusterbayes simulate --out mock.csv --log-age 8.5 --dist-mod 9 --a-v 0.2 --seed 4[/]

    [cyan]clusterbayes simulate --out mock.fits --bands B,V --mag-limit V=20 --n-members 300 --n-field 0[/]

    then, for instance, [cyan]clusterbayes fit mock.csv --out mock --model-error none[/]
    """
    from clusterbayes.bands import resolve_band
    from clusterbayes.results.export import json_text, lost_metadata, table_format, write_json, write_table

    table_format(out)  # an unknown ending is said before any work
    truth_file = out.with_name(f"{out.stem}.truth.json")
    refuse_existing(out, truth_file, overwrite=overwrite)
    names = [resolve_band(text.strip()).name for text in bands.split(",") if text.strip()]
    if len(names) < 2 or len(set(names)) < len(names):
        expected = "two or more bands, each once, e.g. G,BP,RP"
        raise SettingsError("these bands can't be simulated", "--bands", bands, expected)
    limit = mag_limit or f"{names[0]}=18"
    if "=" not in limit:
        expected = f"a band and its limit, e.g. {names[0]}=18 or {names[0]}=10..18 (bright..faint)"
        raise SettingsError("a simulation ends at a magnitude", "--mag-limit", limit, expected)
    for option, value in (("--dist-mod", dist_mod), ("--a-v", a_v), ("--log-age", log_age), ("--mh", mh)):
        if not math.isfinite(value):
            raise SettingsError("a number was expected", option, value)

    from clusterbayes.cli.progress import reporting
    from clusterbayes.isochrones import IsochroneGrid
    from clusterbayes.model.simulate import simulate_cluster

    with reporting(quiet or as_json) as tell:
        isochrones = IsochroneGrid.load(grid, bands=names, law=extinction_law, r_v=r_v, progress=tell)
    cluster = (log_age, mh, dist_mod, a_v, binary_frac, n_members, n_field)
    made = simulate_cluster(
        *cluster, grid=isochrones, bands=names, mag_limit=limit, seed=seed,
        depth=depth, a_v_dispersion=a_v_dispersion, parallax=parallax, proper_motion=proper_motion,
        positions=positions,
    )  # fmt: skip
    known = {"name": isochrones.name, "digest": isochrones.digest}
    dust = {"extinction_law": isochrones.metadata.get("law"), "r_v": isochrones.r_v}
    origin = {"bands": names, "mag_limit": limit, "grid": known | dust}
    out.parent.mkdir(parents=True, exist_ok=True)
    write_table(made.table, out)
    write_json({**made.truth, **origin}, truth_file)
    lost = lost_metadata(made.table, out)
    if lost and not quiet:
        error_console().print(f"note: {lost}", markup=False, soft_wrap=True)
    if as_json:
        typer.echo(json_text({**made.truth, **origin}), nl=False)
    elif not quiet:
        error_console().print(
            f"{counted(len(made.table), 'star')} in {out}, the truth in {truth_file}", markup=False, soft_wrap=True
        )
