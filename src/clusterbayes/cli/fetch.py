"""``clusterbayes fetch``: a cluster's stars, and those of the field around it, from a public catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from clusterbayes.cli.console import JsonOption, QuietOption, error_console, guarded
from clusterbayes.wording import counted

__all__ = ["fetch"]

# Catalogues in bands that the default grid lacks.
_OTHER_GRID = {"panstarrs": " --grid mist", "allwise": " --grid mist"}


@guarded
def fetch(
    place: Annotated[
        str,
        typer.Argument(metavar="NAME|RA,DEC", help="A cluster's name, or its centre (deg).", show_default=False),
    ],
    *,
    radius: Annotated[float, typer.Option(metavar="DEG", help="Radius of the cluster (deg).", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="Table to write: .ecsv, .csv, .fits, .vot.", show_default="PLACE.ecsv"
        ),
    ] = None,
    catalog: Annotated[
        Literal["gaia-dr3", "apass", "2mass", "allwise", "panstarrs", "sdss"],
        typer.Option(help="Which catalogue to ask."),
    ] = "gaia-dr3",
    field_radius: Annotated[
        float | None,
        typer.Option(
            metavar="DEG",
            help="Outer radius (deg) of the field, which begins at 1.5 radii; 0 fetches none.",
            show_default="2.5 radii",
        ),
    ] = None,
    row_limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="Most stars of the cluster's circle, and of the field's ring.")
    ] = 200_000,
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask again, although the answer was kept.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE.")] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    r"""Fetch a cluster's stars and those of the field around it, ready to be fitted.

    Needs astroquery: pip install 'clusterbayes\[fetch]'. A fit never needs the network.

    [bold]Examples[/]

    [cyan]clusterbayes fetch "NGC 3766" --radius 0.15 --out ngc3766.ecsv[/]

    [cyan]clusterbayes fetch 174.06,-61.61 --radius 0.15 --catalog apass --field-radius 0.4[/]
    """
    from clusterbayes.isochrones.cache import cache_folder
    from clusterbayes.photometry.fetch import Region, fetch_cached, resolve_place
    from clusterbayes.results.export import check_output_file, json_text, write_table

    target = out or Path(f"{place.replace(' ', '_').replace('/', '_')}.ecsv")
    check_output_file(target, overwrite)
    ra, dec = resolve_place(place)
    outer = 2.5 * radius if field_radius is None else field_radius or None
    table, kept = fetch_cached(
        Region(ra, dec, radius, outer, row_limit), catalog, cache_folder("fetched"), refresh=refresh
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    write_table(table, target)
    inside = int((table["region"] == "cluster").sum())
    fitting = f"clusterbayes fit {target} --out {target.stem} --center {ra:.5f},{dec:.5f} --radius {radius:g}"
    fitting += _OTHER_GRID.get(catalog, "")
    if as_json:
        document = {"out": str(target), "catalog": catalog, "cluster": inside, "field": len(table) - inside}
        document |= {"query": table.meta["query"], "fetched_on": table.meta["fetched_on"], "kept": kept}
        document |= {"citation": table.meta["citation"], "to_fit": fitting}
        typer.echo(json_text(document), nl=False)
        return
    console = error_console(quiet)
    console.print(
        f"{catalog}: {counted(inside, 'star')} within {radius:g} deg, {len(table) - inside} in the field, in {target}"
        + (f" (kept since {table.meta['fetched_on']}; --refresh asks again)" if kept else ""),
        markup=False, soft_wrap=True,
    )  # fmt: skip
    console.print(f"cite: {table.meta['citation']}", markup=False, soft_wrap=True)
    console.print(f"to fit: {fitting}", markup=False, soft_wrap=True)
