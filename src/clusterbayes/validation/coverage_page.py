"""What calibration leaves in its folder: tables, pictures, and a page that says what holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clusterbayes.results.export import write_table, write_text
from clusterbayes.validation.coverage import CONFIDENCE, Judgement, judge, places, width_ratios
from clusterbayes.validation.outcomes import Outcomes
from clusterbayes.validation.pages import markdown_table, number, verdict
from clusterbayes.validation.source import UNKNOWN, states_of_code
from clusterbayes.wording import counted

__all__ = ["MAIN", "CoverageReport", "is_demanded", "write_coverage"]

#: Parameters that fits with other isochrones are judged by.
MAIN = ("log_age", "dist_mod", "a_v")
_NOMINAL, _LEAST = 0.90, 0.80  # level of the intervals of wrong models, and the share of truths that they have to hold
_WIDEST = 2.0  # times the widths of matched fits
_MOST_LOOSE = 0.03  # share of fits that may not converge
_MOST_NAMED = 20  # missing clusters


@dataclass(frozen=True)
class CoverageReport:
    """What the page of a calibration says.

    Attributes
    ----------
    judgements : dict of str to Judgement
        With "all fits", and with "converged fits only", if there are any.
    statements : dict of str to list of dict
        For each judgement, what is asked beside its bands: "what", "value", "bound" (text) and "holds".
    remarks : list of str
        What to know of the outcomes before they are believed: missing ones, and code that changed between them.
    demanded : bool
        Whether fits have to stay in the bands.
    """

    judgements: dict[str, Judgement]
    statements: dict[str, list[dict[str, Any]]]
    remarks: list[str]
    demanded: bool


def is_demanded(settings: Mapping[str, Any]) -> bool:
    """Whether fits with these settings have to stay in the bands: right isochrones, and the plain likelihood."""
    return bool(settings["matched"]) and settings["model_error"] != "default"


def write_coverage(folder: Path, *, shrunk: bool = False, matched: Path | None = None) -> CoverageReport:
    """Judge the outcomes of a calibration, and write ``README.md``, tables and pictures into its folder.

    Parameters
    ----------
    folder : Path
        A folder that `run_sbc` has written.
    shrunk : bool
        Judge draws that were drawn together by two about their median, which has to fail; the files get the ending
        ``_shrunk`` (``shrunk.md`` for the page).
    matched : Path, optional
        Folder of the matched counterpart, whose widths are compared.

    Returns
    -------
    CoverageReport

    Raises
    ------
    InputError
        If the folder holds no calibration, or no cluster was fitted.
    """
    from clusterbayes.results.plots.coverage import plot_ecdf, plot_ranks
    from clusterbayes.results.plots.style import save_figure

    kept = Outcomes(folder)
    outcomes = list(kept.all())
    ending = "_shrunk" if shrunk else ""
    names, found = places(outcomes, shrunk=shrunk)
    judgement = judge(names, found)
    judgements = {"all fits": judgement}
    if any(outcome.get("converged") for outcome in outcomes):
        judgements["converged fits only"] = judge(*places(outcomes, shrunk=shrunk, converged_only=True))
    write_table(judgement.coverage, folder / f"coverage{ending}.ecsv")
    write_table(judgement.ranks, folder / f"ranks{ending}.ecsv")
    save_figure(plot_ecdf(names, found, judgement.ecdf_deviation), folder / f"ecdf{ending}.png")
    save_figure(plot_ranks(names, found), folder / f"ranks{ending}.png")
    ratios = width_ratios(outcomes, list(Outcomes(matched).all()), MAIN) if matched else {}
    report = CoverageReport(
        judgements=judgements,
        statements={
            title: _statements(kept.settings, outcomes, made, ratios, all_fits=made is judgement)
            for title, made in judgements.items()
        },
        remarks=[*_missing(outcomes), *_mixed(outcomes)],
        demanded=is_demanded(kept.settings),
    )
    page = _page(kept.settings, outcomes, report, ending)
    write_text("\n".join(page) + "\n", folder / ("shrunk.md" if shrunk else "README.md"))
    return report


def _statements(
    settings: Mapping[str, Any],
    outcomes: Sequence[Mapping[str, Any]],
    judgement: Judgement,
    ratios: Mapping[str, float],
    *,
    all_fits: bool,
) -> list[dict[str, Any]]:
    said = []
    if all_fits:
        loose = float(np.mean([not outcome["converged"] for outcome in outcomes if "place" in outcome]))
        said.append(_at_most("share of unconverged fits", loose, _MOST_LOOSE))
    if settings["matched"]:
        return said
    table = judgement.coverage
    for name in MAIN:
        share = float(table["share"][(table["parameter"] == name) & np.isclose(table["level"], _NOMINAL)][0])
        what = f"{name}: share of truths in {100 * _NOMINAL:.0f} % intervals"
        said.append({"what": what, "value": share, "bound": f"at least {_LEAST:g}", "holds": share >= _LEAST})
    for name, ratio in ratios.items():
        said.append(_at_most(f"{name}: median σ over that of matched fits", ratio, _WIDEST))
    return said


def _at_most(what: str, value: float, bound: float) -> dict[str, Any]:
    return {"what": what, "value": value, "bound": f"at most {bound:g}", "holds": value <= bound}


def _missing(outcomes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Name the clusters below the last one that are not there: a run that was stopped lacks its slowest fits."""
    there = {int(outcome["number"]) for outcome in outcomes}
    n = max(there) + 1
    missing = [number for number in range(n) if number not in there]
    if missing:
        named = ", ".join(str(number) for number in missing[:_MOST_NAMED])
        rest = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        yield (
            f"{counted(len(missing), 'cluster')} of {n} {'is' if len(missing) == 1 else 'are'} missing: {named}{rest}."
            " A run that is stopped lacks the fits that take longest, and what it counts may lean: run"
            " 'clusterbayes validate sbc' again with the same settings to go on."
        )


def _mixed(outcomes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say whether the code changed between outcomes."""
    states = states_of_code(outcomes)
    if len(states) > 1:
        counts = ", ".join(f"{n} of {UNKNOWN} code" if s == UNKNOWN else f"{n} of {s}" for s, n in states.items())
        yield f"The outcomes come from more than one state of the code: {counts}."


def _page(
    settings: Mapping[str, Any], outcomes: Sequence[Mapping[str, Any]], report: CoverageReport, ending: str
) -> Iterator[str]:
    yield "# Calibration by simulation\n"
    yield from _about(settings, outcomes)
    for remark in report.remarks:
        yield f"\n**Note**: {remark}"
    if ending:
        yield "\n**Negative control**: the draws were drawn together by two about their median. This has to fail."
    for title, judgement in report.judgements.items():
        yield f"\n## {title[0].upper()}{title[1:]}: {judgement.n} clusters\n"
        if not settings["matched"]:
            yield "The isochrones of simulation and fit differ.\n"
        if rows := [(v["what"], number(v["value"]), v["bound"], verdict(v["holds"])) for v in report.statements[title]]:
            yield from markdown_table(("what", "value", "bound", ""), rows)
            yield ""
        if report.demanded:
            yield from _in_bands(judgement)
        yield from _tables(judgement, demanded=report.demanded)
    yield f"\n![Distributions of places minus the even one](ecdf{ending}.png)\n"
    yield f"![Histograms of places](ranks{ending}.png)"


def _in_bands(judgement: Judgement) -> Iterator[str]:
    """Say whether coverage is in its bands, and the ranks in theirs: two statements, each with a confidence."""
    for what, holds in (("All coverage", judgement.coverage["holds"]), ("Every rank test", judgement.ranks["holds"])):
        state = "is" if np.all(holds) else "**is not**"
        yield f"{what} {state} within what perfect code keeps {100 * CONFIDENCE:.0f} % of the time."
    yield ""


def _about(settings: Mapping[str, Any], outcomes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    regime = settings["regime"]
    ranked = [outcome for outcome in outcomes if "place" in outcome]
    loose = sum(not outcome["converged"] for outcome in ranked)
    failed = [outcome for outcome in outcomes if "error" in outcome]
    yield (
        f"{len(outcomes)} clusters simulated with `{settings['simulate_with']}` and fitted with"
        f" `{settings['fit_with']}`, model error `{settings['model_error']}`, {regime['n_star'][0]} to"
        f" {regime['n_star'][1]} stars, limit {regime['mag_limit']}, seed {settings['seed']}. Field: "
        + (f"a control field of {regime['n_control']} stars." if regime["n_control"] else "learned from the sample.")
    )
    yield (
        f"{loose} fits did not converge ({100 * loose / max(1, len(ranked)):.1f} %); they count. {len(failed)} clusters"
        " could not be simulated or fitted and have no place."
    )
    if settings["model_error"] == "default":
        yield "\nThe likelihood is coarsened: its intervals are too wide on purpose where the models are right."
    if settings["error_factor"] != 1.0:
        yield f"\n**Negative control**: listed errors times {settings['error_factor']:g}. This has to fail."
    for outcome in failed[:10]:
        yield f"- cluster {outcome['number']}: {outcome['error']}"


def _tables(judgement: Judgement, *, demanded: bool) -> Iterator[str]:
    levels = sorted(set(judgement.coverage["level"]))
    head = ("parameter", *(f"{100 * level:.0f} %: share (band)" for level in levels), "rank test p", "")
    rows = []
    for rank in judgement.ranks:
        own = judgement.coverage[judgement.coverage["parameter"] == rank["parameter"]]
        cells = [f"{row['share']:.3f} ({row['low']:.3f} to {row['high']:.3f})" for row in own] or [""] * len(levels)
        holds = bool(rank["holds"]) and bool(np.all(own["holds"]))
        rows.append((str(rank["parameter"]), *cells, f"{rank['p']:.4f}", verdict(holds if demanded else None)))
    yield from markdown_table(head, rows)
    yield f"\nRank test: p has to exceed {judgement.ranks['threshold'][0]:.5f}; `joint` is TARP over all parameters."
