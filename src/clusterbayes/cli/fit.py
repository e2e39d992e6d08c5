"""``clusterbayes fit``: from a catalogue to a posterior, in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from clusterbayes.cli.completion import complete_examples, complete_grids, complete_laws
from clusterbayes.cli.console import guarded
from clusterbayes.cli.cutting import CutModeOption, Cutter, DistanceRangeOption, PmEllipseOption
from clusterbayes.cli.options import parse_center, parse_default_error, parse_numbers, parse_pairs
from clusterbayes.cli.reading import (
    DATA_PANEL,
    DefaultErrorOption,
    ErrorFloorOption,
    InstrumentalOption,
    MapOption,
    MissingOption,
    ObservablesOption,
    parse_columns,
    parse_treatment,
)
from clusterbayes.cli.run import Request, Run, fit_and_write
from clusterbayes.errors import SettingsError

__all__ = ["fit"]

_DATA, _MODEL, _RUN = DATA_PANEL, "Model", "Run"


@guarded
def fit(
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Folder for the results; required, except with --dry-run.",
            show_default=False,
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Argument(help="Photometry: CSV, ECSV, FITS or VOTable. One row a star.", show_default=False),
    ] = None,
    example: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Fit a table that comes with the package, e.g. ruprecht147.",
            autocompletion=complete_examples,
            rich_help_panel=_DATA,
            show_default=False,
        ),
    ] = None,
    observables: ObservablesOption = None,
    column_map: MapOption = [],  # noqa: B006 (typer wants a list, and copies it)
    default_error: DefaultErrorOption = [],  # noqa: B006
    missing: MissingOption = [],  # noqa: B006
    error_floor: ErrorFloorOption = None,
    instrumental: InstrumentalOption = False,
    center: Annotated[
        str | None,
        typer.Option(
            metavar="RA,DEC",
            help="Centre of the cluster (deg). With --radius, the stars inside are fitted "
            "and those beyond 1.5 radii describe the field.",
            rich_help_panel=_DATA,
            show_default=False,
        ),
    ] = None,
    radius: Annotated[
        float | None,
        typer.Option(metavar="DEG", help="Radius of the cluster (deg).", rich_help_panel=_DATA, show_default=False),
    ] = None,
    control: Annotated[
        Path | None,
        typer.Option(
            metavar="TABLE",
            help="Photometry of a field without the cluster, in the same bands.",
            rich_help_panel=_DATA,
            show_default=False,
        ),
    ] = None,
    mag_limit: Annotated[
        str,
        typer.Option(
            metavar="LIMIT",
            help="Magnitude limit of the sample (mag): auto finds the faint one, none sets "
            "none, Gaia_G=18 or Gaia_G=5..18 (bright..faint) says it. Limits in other bands follow after commas, "
            "e.g. auto,2MASS_Ks=14.",
            rich_help_panel=_DATA,
        ),
    ] = "auto",
    completeness: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Table with the columns magnitude (of the primary band, mag) and fraction: the share of the stars "
            "that the catalogue holds.",
            rich_help_panel=_DATA,
            show_default=False,
        ),
    ] = None,
    max_error: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=VALUE",
            help="Drop stars with a larger error, e.g. Gaia_BP=0.05 (mag) or parallax=0.1 (mas). What that does to "
            "each magnitude is estimated and modelled. May be repeated.",
            rich_help_panel=_DATA,
            show_default=False,
        ),
    ] = [],  # noqa: B006
    parallax_zero_point: Annotated[
        Literal["raw", "applied", "lindegren"] | None,
        typer.Option(
            help="Whether the parallaxes (mas) already include the zero-point correction; lindegren applies that of "
            "Gaia star by star. The table's own word if left out, else raw.",
            rich_help_panel=_DATA,
            show_default=False,
        ),
    ] = None,
    max_ruwe: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="Leave out stars with a larger RUWE, e.g. 1.4.", rich_help_panel=_DATA, show_default=False
        ),
    ] = None,
    max_excess: Annotated[
        float | None,
        typer.Option(
            metavar="SIGMA",
            help="Leave out stars whose BP/RP flux excess is off by more standard deviations, e.g. 5.",
            rich_help_panel=_DATA,
            show_default=False,
        ),
    ] = None,
    proper_motion: Annotated[
        Literal["auto", "use", "ignore"],
        typer.Option(
            help="Whether proper motions (mas/yr) tell members from field stars. auto uses them unless the stars were "
            "selected by them.",
            rich_help_panel=_DATA,
        ),
    ] = "auto",
    pm_window: Annotated[
        str | None,
        typer.Option(
            metavar="LIMITS",
            help="Proper motions (mas/yr) that the table was cut at: RA,DEC,RADIUS (a circle) or LOW..HIGH,LOW..HIGH "
            "(a box).",
            rich_help_panel=_DATA,
            show_default=False,
        ),
    ] = None,
    pm_ellipse: PmEllipseOption = None,
    distance_range: DistanceRangeOption = None,
    hard_cut: CutModeOption = "apply",
    positions: Annotated[
        bool,
        typer.Option(
            help="With --center and --radius: whether members gather about the centre, as field stars don't.",
            rich_help_panel=_DATA,
        ),
    ] = True,
    grid: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="Isochrones; see 'clusterbayes grid list'.",
            rich_help_panel=_MODEL,
            autocompletion=complete_grids,
        ),
    ] = "parsec",
    extinction_law: Annotated[
        str,
        typer.Option(
            metavar="NAME|NUMBERS",
            help="How dust dims the bands: tables follows each star's spectrum; CCM89, F19, G23 and others are "
            "published laws; astromancer is that teaching tool's; G=0.84,BP=1.08,RP=0.63 is A_b/A_V for all stars.",
            autocompletion=complete_laws,
            rich_help_panel=_MODEL,
        ),
    ] = "tables",
    r_v: Annotated[
        float,
        typer.Option(
            "--r-v", metavar="X", help="Ratio of total to selective extinction, A_V/E(B-V).", rich_help_panel=_MODEL
        ),
    ] = 3.1,
    model_error: Annotated[
        Literal["default", "none"],
        typer.Option(
            help="Whether errors of the isochrones are part of the model (floors, colours, ages, and no sample "
            "counting as more than 100 stars). none suits simulated data only.",
            rich_help_panel=_MODEL,
        ),
    ] = "default",
    mass_function: Annotated[
        Literal["kroupa", "chabrier", "chabrier-single", "salpeter"],
        typer.Option(
            help="Mass function of single stars and primaries: Kroupa 2001 with both slopes sampled, Chabrier 2003 for "
            "systems or for single stars, Salpeter 1955.",
            rich_help_panel=_MODEL,
        ),
    ] = "kroupa",
    binary_law: Annotated[
        Literal["flat", "power", "moe2017"],
        typer.Option(
            help="Mass ratios of binaries, from 0.1 to 1: all equally frequent, a power law with a sampled slope, or "
            "Moe & Di Stefano 2017 for solar-type stars.",
            rich_help_panel=_MODEL,
        ),
    ] = "flat",
    counts: Annotated[
        Literal["model", "ignore"],
        typer.Option(
            help="Whether the number of stars along the sequence says something. ignore is for lists of members of "
            "whom nobody knows how they were chosen.",
            rich_help_panel=_MODEL,
        ),
    ] = "model",
    binned: Annotated[
        Literal["auto", "never"],
        typer.Option(
            help="Whether the likelihood of more than 20,000 stars is summed over fewer points that stand for them. "
            "The error of that is measured, kept small, and reported (docs/likelihood.md).",
            rich_help_panel=_MODEL,
        ),
    ] = "auto",
    prior: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=SPEC",
            help="Prior of a parameter, e.g. 'mh=normal(0,0.1)', "
            "'log_age=uniform(8,9)' (log10 yr), 'a_v=halfnormal(0.5)' (mag). May be repeated.",
            rich_help_panel=_MODEL,
            show_default=False,
        ),
    ] = [],  # noqa: B006
    fix: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=VALUE",
            help="Hold a parameter at a value, e.g. a_v=0.1 (mag). May be repeated.",
            rich_help_panel=_MODEL,
            show_default=False,
        ),
    ] = [],  # noqa: B006
    seed: Annotated[
        int, typer.Option(min=0, help="Seed; the same one gives the same numbers.", rich_help_panel=_RUN)
    ] = 1,
    steps: Annotated[
        int | None,
        typer.Option(
            min=10,
            metavar="N",
            help="Most steps of each walker after burn-in; sampling ends earlier once it has converged.",
            rich_help_panel=_RUN,
            show_default="10000",
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            min=1.0,
            metavar="S",
            help="Most seconds for sampling, burn-in included. Once they are spent, the chain so far becomes the "
            "result, marked as not converged. Its numbers depend on the machine, as those of --steps don't.",
            rich_help_panel=_RUN,
            show_default="no limit",
        ),
    ] = None,
    ess: Annotated[
        int | None,
        typer.Option(
            "--ess",
            min=1,
            metavar="N",
            help="Effective sample size (independent draws) that every parameter should reach: more for the ends of "
            "95 % intervals, e.g. 5000. Sampling ends with it, with R-hat below 1.01 and with 50 autocorrelation "
            "times, or when --steps or --seconds are spent.",
            rich_help_panel=_RUN,
            show_default="1000",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Processor cores to use.", rich_help_panel=_RUN, show_default="all"),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the analysis, in the record and above the plots.",
            rich_help_panel=_RUN,
            show_default="name of the table",
        ),
    ] = None,
    creator_id: Annotated[
        int, typer.Option(metavar="ID", help="Whose analysis it is, in the record.", rich_help_panel=_RUN)
    ] = 0,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Say what would be used, left out and guessed, draw it to DIR.cmd.png, or without --out to "
            "STEM_dry_run.png here, and fit nothing.",
            rich_help_panel=_RUN,
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the results in DIR.", rich_help_panel=_RUN)
    ] = False,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart",
            help="Begin anew, although a fit into DIR was broken off and could go on.",
            rich_help_panel=_RUN,
        ),
    ] = False,
    keep_chain: Annotated[
        bool,
        typer.Option(
            "--keep-chain", help="Leave the chain in DIR as chain.h5, in emcee's layout.", rich_help_panel=_RUN
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show no progress and no table.", rich_help_panel=_RUN)
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print summary.json to standard output.", rich_help_panel=_RUN)
    ] = False,
) -> None:
    """Fit a cluster: age, metallicity, distance, reddening, binaries, and every star's membership.

    [bold]Examples[/]

    [cyan]clusterbayes fit --example ruprecht147 --out rup147[/]

    [cyan]clusterbayes fit stars.csv --out m67 --observables G,BP-RP --control field.csv[/]

    [cyan]clusterbayes fit survey.fits --out ngc2516 --center 119.52,-60.75 --radius 0.5 --default-error 0.02[/]

    [cyan]clusterbayes fit stars.csv --out old --prior 'mh=normal(-1.5,0.1)' --fix a_v=0.06 --mag-limit V=20[/]

    Bands are written G BP RP (Gaia), U B V R I, u g r i z (SDSS), 2MASS_J, Ks.
    Their errors are columns named NAME_error, NAME_err or e_NAME.

    DIR gets summary.json, sources.ecsv (every star), checks.json (does the model
    describe the catalogue?), result.h5, record.json, cmd.png, hr.png, corner.png
    and report.html (all of it on one page).

    A fit that was stopped (Ctrl-C) or killed goes on when the same command is run again.
    """
    from clusterbayes.results.export import check_output_folder

    if (table is None) == (example is None):
        raise SettingsError("give either a table or --example NAME", remedy="e.g. --example ruprecht147")
    if out is None and not dry_run:
        raise SettingsError("the results need a folder", remedy="add --out DIR, or --dry-run to fit nothing")
    folder = None if out is None else check_output_folder(out, overwrite)
    sampling = {"max_steps": steps, "max_seconds": seconds, "target_ess": ess, "n_threads": threads}
    request = Request(
        table=table,
        example=example,
        reading={
            "observables": observables,
            "columns": parse_columns(column_map),
            "default_error": parse_default_error(default_error),
            "parallax_zero_point": parallax_zero_point,
            "max_ruwe": max_ruwe,
            "max_excess": max_excess,
            "treatment": parse_treatment(missing, error_floor, instrumental),
        },
        fitting={
            "grid": grid,
            "extinction_law": extinction_law,
            "r_v": r_v,
            "center": parse_center(center),
            "radius": radius,
            "mag_limit": mag_limit,
            "completeness": completeness,
            "max_error": parse_numbers(max_error, "--max-error", "NAME=VALUE, e.g. Gaia_BP=0.05") or None,
            "mass_function": mass_function,
            "binary_law": binary_law,
            "counts": counts,
            "binned": binned,
            "proper_motion": proper_motion,
            "pm_window": pm_window,
            "positions": positions,
            "model_error": model_error,
            "priors": parse_pairs(prior, "--prior", "NAME=SPEC, e.g. mh=normal(0,0.1)") or None,
            "fixed": parse_numbers(fix, "--fix", "NAME=VALUE, e.g. a_v=0.1") or None,
            "seed": seed,
        },
        sampling={key: value for key, value in sampling.items() if value is not None},
        control=control,
        cut=Cutter(pm_ellipse, distance_range, hard_cut),
    )
    if (center is None) != (radius is None):
        raise SettingsError("--center and --radius belong together", remedy="give both, or neither")
    if folder is None or dry_run:
        stem = (table or Path(str(example))).name.partition(".")[0]
        request.describe(Path(f"{stem}_dry_run.png") if folder is None else folder.with_name(f"{folder.name}.cmd.png"))
        return
    title = name or example or (table.stem if table else "")
    record = {"name": title, "creator_id": creator_id}
    fit_and_write(request, Run(folder, record, overwrite, restart, keep_chain, quiet, as_json))
