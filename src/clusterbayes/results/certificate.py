"""A grid's certificate as a page: the tables in Markdown, with pictures, and in full as ECSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from clusterbayes.isochrones.certificate import AGE_RANGES, TESTS, Certificate
from clusterbayes.isochrones.comparison import GROUPS
from clusterbayes.results.export import write_table, write_text

__all__ = ["certificate_page", "write_certificate"]

_DPI, _WIDEST = 110, 1000  # pixels: pages are kept small
_SHOWN = ("median", "rms", "q99")
_PICTURES = {
    "errors": "Error against age, by phase, as measured. Where nodes are left out, steps are twice as long as in use.",
    "map": "Error of each node that is left out, all phases together, as measured.",
    "worst": "The isochrones of the largest error at log_age 8 and above, as measured.",
}


def write_certificate(certificate: Certificate, folder: str | Path) -> list[Path]:
    """Write a certificate: a page, its tables and its pictures.

    Parameters
    ----------
    certificate : Certificate
        From `clusterbayes.isochrones.certify.certify`.
    folder : path-like
        Made if it does not exist; files of the same names are replaced.

    Returns
    -------
    list of Path
        ``NAME.md``, ``NAME.ecsv`` and the pictures ``NAME_errors.png``, ``NAME_map.png`` and ``NAME_worst.png``.
    """
    from clusterbayes.results.plots.certificate import plot_errors, plot_map, plot_worst
    from clusterbayes.results.plots.style import save_figure

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    name = certificate.name
    written = [write_table(certificate.summary(), folder / f"{name}.ecsv")]
    for kind, plot in (("errors", plot_errors), ("map", plot_map), ("worst", plot_worst)):
        figure = plot(certificate)
        dpi = int(min(_DPI, _WIDEST / figure.get_figwidth()))
        written.append(save_figure(figure, folder / f"{name}_{kind}.png", dpi=dpi))
    return [write_text(certificate_page(certificate), folder / f"{name}.md"), *written]


def certificate_page(certificate: Certificate) -> str:
    """Return the page of a certificate, in Markdown."""
    return "\n".join(_page(certificate))


def _page(certificate: Certificate) -> Iterator[str]:
    """Yield the lines of the page."""
    name, info = certificate.name, certificate.info
    magnitude, blue, red = certificate.bands
    ages, metals = certificate.nodes["log_age"], certificate.nodes["mh"]
    yield f"# How well `{name}` is interpolated\n"
    yield f"{_models(name, info)}; {_axis('log_age', ages)}; {_axis('[M/H]', metals)}."
    digest = str(info.get("digest", ""))[:16]
    yield f"Made by `clusterbayes grid certify {name}`; digest of the grid without refinement `{digest}…`."
    yield (
        "\nEvery node but the outermost is left out in turn, the remaining ones are refined and interpolated as a fit"
        " does it, and the result is compared with the node. The error is the distance from points of the one line to"
        f" the other, both ways, in the diagram of {magnitude} against {blue}−{red}, for points brighter than"
        f" {certificate.faintest:g} mag; lines are drawn within phases only, and the path up to the tip of the giant"
        " branch is held apart from what follows. Without a node the step is twice as long as in use, and errors are up"
        " to four times as large as midway between neighbouring nodes."
    )
    yield (
        "The AGB tail is what follows the first ascent of the early AGB: pulses and the loss of the envelope, which are"
        " short and differ wildly between neighbouring isochrones."
    )
    if "raw" in certificate.comparisons:
        yield (
            "\nPublished isochrones between the nodes are compared as they are, at their own phases; every diagram that"
            " their bands allow is used."
        )
    yield "\n## What to expect between nodes\n"
    yield (
        "rms in mag, log_age 8.0 to 10.1. Where nodes were left out: divided by the measured growth of the error from"
        " two to four steps, by four at most, and not at all where that could not be measured. Certified: the published"
        " isochrones if they have five ages between the nodes, else both axes, or the larger of the two.\n"
    )
    yield from _plain(certificate.phases(), ("phase", "age", "[M/H]", "published", "certified"))
    floor = certificate.floor()
    worst = f"is certified to {floor:.4f} mag" if np.isfinite(floor) else "was not measured: no node at these ages"
    yield (
        f"\nThe worst phase, the AGB tail left out, {worst}. What the columns are: docs/certificates/README.md of"
        " clusterbayes."
    )
    yield from _pictures(name)
    summary = certificate.summary()
    for test in certificate.comparisons:
        if test in ("age", "mh", "raw"):
            yield f"\n## {TESTS[test][:1].upper() + TESTS[test][1:]}\n"
            yield from _by_age(summary, test)
    yield from _by_metallicity(certificate)
    yield from _scaling(certificate)


def _models(name: str, info: Mapping[str, Any]) -> str:
    """Return the models' family and release."""
    family, release = str(info.get("family", name)), str(info.get("release", ""))
    if release.startswith(family):
        return release
    return f"{family}, release {release}" if release.startswith("not stated") else f"{family} {release}".strip()


def _axis(name: str, nodes: np.ndarray) -> str:
    """Describe an axis."""
    if nodes.size == 1:
        return f"{name} {nodes[0]:g} only"
    steps = np.diff(nodes)
    step = f"{np.median(steps):.2g}" if np.ptp(steps) < 0.01 else f"{steps.min():.2g} to {steps.max():.2g}"
    return f"{name} {nodes[0]:g} to {nodes[-1]:g}, {nodes.size} nodes {step} apart"


def _pictures(name: str) -> Iterator[str]:
    for kind, text in _PICTURES.items():
        yield f"\n![{text}]({name}_{kind}.png)\n"
        yield f"*{text}*"


def _plain(table: Table, heads: tuple[str, ...]) -> Iterator[str]:
    """Yield a table as it is, numbers with four decimals."""
    yield "| " + " | ".join(heads) + " |"
    yield "|---" * len(heads) + "|"
    for row in table:
        yield "| " + " | ".join(_text(value) for value in row) + " |"


def _text(value: object) -> str:
    """Return two significant digits of a number, four decimals at most."""
    if not isinstance(value, float | np.floating):
        return str(value)
    number = float(value)
    if not np.isfinite(number):
        return "–"
    return f"{number:.{int(np.clip(1 - np.floor(np.log10(max(abs(number), 1e-9))), 1, 4))}f}"


def _by_age(summary: Table, test: str) -> Iterator[str]:
    """Yield one test's table: a row for each range of ages, a column for each phase."""
    rows = summary[summary["test"] == test]
    groups = [group for group in (*GROUPS.values(), "all but the AGB tail", "all") if group in rows["phase"]]
    yield "In mag, as measured: median / rms / 99th percentile. The worst points are in the ECSV table.\n"
    yield "| log_age | " + " | ".join(groups) + " |"
    yield "|---" * (len(groups) + 1) + "|"
    for low, high in AGE_RANGES:
        at = rows[(rows["log_age_min"] == low) & (rows["log_age_max"] == high)]
        if len(at):
            cells = [at[at["phase"] == group] for group in groups]
            texts = [" / ".join(_text(cell[name][0]) for name in _SHOWN) if len(cell) else "–" for cell in cells]
            yield f"| {low:.1f} to {high:.1f} | " + " | ".join(texts) + " |"
    bias = rows[(rows["log_age_min"] == 8.0) & (rows["log_age_max"] == 10.11)]
    parts = [f"{row['phase']} {100 * (10 ** row['mass_bias'] - 1):+.2f} %" for row in bias]
    if parts:
        scaled = "" if test == "raw" else ", a quarter of what was measured"
        yield (
            f"\nMass at the same place in the diagram, interpolated against true, log_age 8.0 to 10.1, median{scaled}: "
            + ", ".join(parts)
            + "."
        )


def _by_metallicity(certificate: Certificate) -> Iterator[str]:
    """Yield the published isochrones' table by metallicity."""
    ranges = ((7.0, 8.0), (8.0, 10.11))
    tables = [certificate.metallicities("raw", ages) for ages in ranges]
    if not all(len(table) for table in tables):
        return
    yield "\nBy metallicity, in mag: median / rms / 99th percentile.\n"
    heads = [f"{low:.1f} to {high:.1f}" for low, high in ranges]
    yield "| [M/H] | phases | " + " | ".join(heads) + " |"
    yield "|---" * (len(heads) + 2) + "|"
    for row in tables[-1]:
        same = [table[(table["mh"] == row["mh"]) & (table["phase"] == row["phase"])] for table in tables]
        cells = [" / ".join(_text(t[name][0]) for name in _SHOWN) if len(t) else "–" for t in same]
        yield f"| {row['mh']:+.2f} | {row['phase']} | " + " | ".join(cells) + " |"


def _scaling(certificate: Certificate) -> Iterator[str]:
    """Yield the checks of the scaling."""
    orders = certificate.orders()
    if len(orders):
        yield "\n## How errors grow with the step\n"
        yield (
            "The rms with one node left out (steps twice as long) and with three (four times as long), log_age 8.0 to"
            " 10.1, in mag. Smooth curvature gives a ratio of four, or more where the refinement is of higher order; a"
            " smaller one says that the models are rough from node to node, which no interpolation mends.\n"
        )
        yield from _plain(orders, ("axis", "phase", "one out", "three out", "ratio"))
    scaling = certificate.scaling()
    if len(scaling):
        yield "\n## Published isochrones at the ages of nodes\n"
        yield (
            "Here the error is that of metallicity alone, a fraction f of the way between two nodes. Expected is f(1−f)"
            " times the error of leaving out the same two nodes, as for smooth curvature; rms in mag. What is measured"
            " beyond that is roughness of the published models in metallicity.\n"
        )
        yield from _plain(scaling, ("phase", "points", "measured", "expected"))
