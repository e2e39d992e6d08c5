"""``clusterbayes demo``: simulate a cluster, fit it, and compare with the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clusterbayes.cli.console import JsonOption, error_console, guarded, output_console

__all__ = ["demo"]


@guarded
def demo(
    n_stars: Annotated[int, typer.Option(min=50, help="Stars in the catalogue.")] = 400,
    field_frac: Annotated[float, typer.Option(min=0.0, max=0.9, help="Fraction of them that are field stars.")] = 0.4,
    log_age: Annotated[float, typer.Option(help="True log10 of the age (log10 yr).")] = 8.8,
    mh: Annotated[float, typer.Option(help="True metallicity M/H (dex).")] = 0.0,
    dist_mod: Annotated[float, typer.Option(help="True distance modulus (mag).")] = 10.0,
    a_v: Annotated[float, typer.Option(help="True extinction A_V (mag).")] = 0.3,
    binary_frac: Annotated[float, typer.Option(help="True fraction of stars with a companion.")] = 0.4,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulation and of the fit.")] = 1,
    steps: Annotated[
        int | None,
        typer.Option(min=10, metavar="N", help="Most steps of each walker after burn-in.", show_default="10000"),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processor cores to use.", show_default="all")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Keep results and plots in this folder.", show_default=False),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the results in DIR.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show the comparison only.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Simulate a cluster with field stars, fit it knowing nothing, and compare with the truth.

    [bold]Examples[/]

    [cyan]clusterbayes demo[/]

    [cyan]clusterbayes demo --n-stars 1000 --log-age 9.5 --out demo --seed 7[/]

    Of ten truths, about seven should lie inside the 68 % intervals and nine inside the 90 % ones; parameters go
    together, so one run says little, and many runs with different seeds say much.
    """
    from clusterbayes.cli.progress import progress_for
    from clusterbayes.cli.show import comparison_table, count_inside, print_report, warn_if_not_converged
    from clusterbayes.inference.fit import fit_cluster
    from clusterbayes.inference.sampler import SamplingOptions
    from clusterbayes.inference.verdict import said_by_caller
    from clusterbayes.model.simulate import simulate_cluster
    from clusterbayes.photometry import Photometry
    from clusterbayes.records import write_outputs
    from clusterbayes.results.checks import checks_of_fit
    from clusterbayes.results.export import check_output_folder, json_text

    folder = None if out is None else check_output_folder(out, overwrite)
    n_field = round(field_frac * n_stars)
    made = simulate_cluster(log_age, mh, dist_mod, a_v, binary_frac, n_stars - n_field, n_field, seed=seed)
    catalogue = made.table["id", *[name for name in made.table.colnames if name.startswith("Gaia_")]]
    photometry = Photometry.from_table(catalogue, source="demo")
    limits = {"max_steps": steps, "n_threads": threads}
    options = SamplingOptions(**{key: value for key, value in limits.items() if value is not None})
    console = error_console()
    progress = progress_for(quiet, console)
    try:
        with said_by_caller():
            result = fit_cluster(photometry, model_error="none", seed=seed, sampling=options, progress=progress)
    finally:
        progress.close()
    checks = checks_of_fit(result)
    if folder is not None:
        write_outputs(result, folder, name="demo", overwrite=overwrite, checks=checks)
    if quiet:
        warn_if_not_converged(console, result)
    else:
        print_report(console, result, folder, checks)
    masses = count_inside(result, made.truth)
    if as_json:
        typer.echo(json_text({"truth": made.truth, "smallest_interval": masses, **result.summary_document()}), nl=False)
        return
    output = output_console()
    output.print(comparison_table(result, made.truth))
    inside = {level: sum(mass < level for mass in masses.values()) for level in (0.68, 0.90)}
    output.print(f"\nOf {len(masses)} truths, {inside[0.68]} lie inside 68 % and {inside[0.90]} inside 90 %.")
