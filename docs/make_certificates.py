"""Certify every grid and family: the pages under docs/certificates and the table that travels with the package.

Families are composed into the cache first, so ``pip install "clusterbayes[families]"`` is needed. The published PARSEC
isochrones are the text files of uwastro465isos 0.1.0 (Python package index), unpacked.

    python docs/make_certificates.py --raw isochrones_ubvrijhk.dat --raw isochrones_ugriz.dat
"""

from __future__ import annotations

import argparse
import csv
import io
from collections import defaultdict
from pathlib import Path

import numpy as np

import clusterbayes.isochrones
from clusterbayes.isochrones import available_grids
from clusterbayes.isochrones.certificate import Certificate
from clusterbayes.isochrones.certified import origin
from clusterbayes.isochrones.certify import certify
from clusterbayes.isochrones.comparison import AGB_TAIL
from clusterbayes.isochrones.families import FAMILIES
from clusterbayes.results.certificate import write_certificate
from clusterbayes.results.export import write_text

FOLDER = Path(__file__).parent / "certificates"
PACKAGED = Path(clusterbayes.isochrones.__file__).parent / "certified.csv"
FAMILIES_PAGE = Path(__file__).parent / "families.md"
MARK, END = "<!-- certified: written by docs/make_certificates.py -->", "<!-- end -->"
FROM_75, OLD, YOUNG, PUBLISHED_MH = (7.5, 10.11), (8.0, 10.11), (7.0, 8.0), (-1.0, 0.0)
SUMS = ("AGB tail", "all but the AGB tail", "all")
HEAD = """# Certified rms of interpolation [mag] at log_age 8.0 to 10.1, by grid and phase: what a fit must allow for.
# digest: of the grid's file or, for a family, of its recipe; corrections: of the table that magnitudes are made of.
# Made by docs/make_certificates.py; raw is nan where there are no published isochrones to compare with.
"""


def table(certificates: list[Certificate]) -> str:
    """Return the packaged table as text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["grid", "digest", "corrections", "phase", "age", "mh", "raw", "certified"])
    for certificate in certificates:
        for row in certificate.phases():
            if row["phase"] not in SUMS:
                numbers = [f"{row[name]:.5f}" for name in ("age", "mh", "raw", "certified")]
                writer.writerow([certificate.name, *origin(certificate.info), row["phase"], *numbers])
    return HEAD + text.getvalue()


def numbers(certificates: list[Certificate], folder: str = "") -> list[str]:
    """Return the certified numbers of all grids as the lines of a table."""
    phases = [str(phase) for phase in certificates[0].phases()["phase"]]
    lines = ["| grid | " + " | ".join(phases) + " |", "|---" * (len(phases) + 1) + "|"]
    for certificate in certificates:
        values = {str(row["phase"]): float(row["certified"]) for row in certificate.phases()}
        cells = [f"{values[phase]:.4f}" if phase in values else "–" for phase in phases]
        lines.append(f"| [{certificate.name}]({folder}{certificate.name}.md) | " + " | ".join(cells) + " |")
    return lines


def targets(parsec: Certificate, mist: Certificate, one_way: Certificate) -> str:
    """Return the targets of the project and what was reached; empty without published isochrones to compare with."""
    if "raw" not in parsec.comparisons:
        return ""
    lines = [
        "", "## Targets and what was reached", "",
        "In mag, for absolute magnitudes brighter than 9. PARSEC: published isochrones between the nodes, as they are."
        " MIST: nodes left out, with steps twice as long as in use (0.1 dex in age, 0.5 dex in [Fe/H]); both ways is"
        " the measure of the certificate, one way the distance of the models' points from the nearest interpolated"
        " line.", "", "| what | log_age | median | rms | 99 % | target | |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for ages, wanted in ((OLD, {"rms": 0.006, "q99": 0.03}), (YOUNG, {"rms": 0.02})):
        for tail, what in ((True, "all rows"), (False, "without what follows the first ascent of the early AGB")):
            found = parsec.measured("raw", ages, mh=PUBLISHED_MH, tail=tail)
            lines.append(line(f"PARSEC against published, [M/H] −1 to 0, {what}", ages, found, wanted))
    for test, axis, wanted in (("age", "age", {"rms": 0.005}), ("mh", "[Fe/H]", {"rms": 0.03})):
        for ages in (FROM_75, OLD):
            for certificate, way in ((mist, "both ways"), (one_way, "one way")):
                found = certificate.measured(test, ages)
                lines.append(line(f"MIST, nodes left out in {axis}, {way}", ages, found, wanted))
    old, young = (heaviest(parsec, "raw", ages, PUBLISHED_MH) for ages in (OLD, YOUNG))
    cut = heaviest(parsec, "raw", OLD, PUBLISHED_MH, tail=False)
    reasons = REASONS.format(old=old, cut=cut, young=young, mist=heaviest(mist, "age", FROM_75))
    return "\n".join(lines) + "\n" + reasons


def line(what: str, ages: tuple[float, float], found: dict[str, float], wanted: dict[str, float]) -> str:
    """Return one line of the table of targets."""
    target = ", ".join(f"{'99 % ' if name == 'q99' else ''}{limit:g}" for name, limit in wanted.items())
    verdict = [f"{'99 %' if n == 'q99' else n} {'met' if found[n] <= w else 'missed'}" for n, w in wanted.items()]
    numbers = " | ".join(f"{found[name]:.4f}" for name in ("median", "rms", "q99"))
    return f"| {what} | {ages[0]:.1f} to {ages[1]:.1f} | {numbers} | {target} | {', '.join(verdict)} |"


def heaviest(
    certificate: Certificate,
    test: str,
    ages: tuple[float, float],
    mh: tuple[float, float] = (-9.0, 9.0),
    tail: bool = True,
) -> str:
    """Say which three isochrones hold the most of the sum of squares of a test, and how much."""
    squares: dict[tuple[float, float], float] = defaultdict(float)
    for c in certificate.comparisons[test]:
        if ages[0] - 1e-4 <= c.log_age < ages[1] - 1e-4 and mh[0] - 1e-4 <= c.mh <= mh[1] + 1e-4:
            kept = c.distance if tail else c.distance[c.group != AGB_TAIL]
            squares[c.log_age, c.mh] += float(np.sum(kept.astype(float) ** 2))
    total, worst = sum(squares.values()), sorted(squares.items(), key=lambda item: -item[1])[:3]
    listed = "; ".join(f"log_age {age:.2f} at {metal:+.2f}" for (age, metal), _ in worst)
    share = sum(value for _, value in worst) / total
    return f"{share:.0%} of the sum of squares is that of three isochrones of {len(squares)} ({listed})"


def overview(certificates: list[Certificate], one_way: Certificate) -> str:
    """Return the page that leads to the others."""
    lines = [
        "# Certificates of interpolation", "",
        "How far an isochrone between the nodes of a grid is from the one that the models would give there: measured,"
        " for every grid and family, by `clusterbayes grid certify`. Each page has tables by phase and age, pictures,"
        " and says how it was measured. The numbers here are rms distances in the colour–magnitude diagram in mag, for"
        " log_age 8.0 to 10.1 and absolute magnitudes brighter than 9.", "",
    ]  # fmt: skip
    lines += numbers(certificates)
    return "\n".join(lines) + "\n" + EXPLANATION + targets(certificates[0], certificates[1], one_way) + MADE


EXPLANATION = """
## How to read them

- **Where published isochrones lie between the nodes** (PARSEC, by 355 isochrones in two photometric systems that the
  grid was not made of), their points are compared with the interpolated line directly. That is the certified number,
  if there are five ages or more of them between the nodes; else the larger of the two.
- **For every grid**, nodes are left out and foretold from the others. The steps are then twice as long as in use.
  Smooth curvature makes the error four times as large, roughness from node to node does not let it grow at all; so a
  page also measures the error with steps four times as long, and divides by the growth that it finds, by four at
  most (not at all with too few nodes to find it). Certified is the sum in quadrature of both axes.
- The AGB tail is what follows the first ascent of the early AGB: pulses and the loss of the envelope. It lasts so
  short that hardly a star of a cluster is there, and differs wildly between neighbouring isochrones.
- Below log_age 8 turn-on, red and blue loops move fast; the pages have these ages in rows of their own.
- A certificate is about interpolation. How far the models are from real stars is another matter, and the larger one:
  see [Which family of isochrones](../families.md).

## What a fit does with them

The model floors, `floor_<band>` (scatter beyond the catalogue's errors), are sampled under a half-normal prior. Its
width is 0.02 mag, or the certified rms of the grid's worst phase (the AGB tail left out) if that is larger, rounded
up to the next 0.005 mag. A grid is known by the digests of its file and of the bolometric corrections that its
magnitudes are made of, not by its name. One that was never certified, such as a grid made of your own files, or
`parsec` with `corrections=`, has 0.02: certify it
with `clusterbayes grid certify FILE --out FOLDER`, and widen the prior (`--prior "floor_Gaia_G=halfnormal(0.04)"`) if
it asks for that. The numbers travel with the package as
[`certified.csv`](../../src/clusterbayes/isochrones/certified.csv).
"""

REASONS = """
Why the missed ones are missed:

- **PARSEC, 8.0 to 10.1.** The median is a fifth of the target: what misses it is a few isochrones.
  Of all rows, {old}, nearly all of it by what follows the first ascent of the early AGB, which differs wildly between
  neighbours. Without these rows, {cut}; in the two oldest it is the early AGB again.
- **PARSEC, 7.0 to 8.0.** Red and blue loops of neighbouring isochrones differ erratically in the models. {young}.
  Each published isochrone foretold by the mean of its two neighbours 0.05 dex away, at the very same metallicity, is
  missed by rms 0.0586, and by 0.0079 (99 %: 0.029) for 8.0 to 10.1 (`benchmarks/grid_neighbours.py`). That is a
  yardstick and no bound: one bad isochrone spoils two forecasts there, and the grid does better than it below 8.0.
- **MIST in age.** The median is a sixth of the target; core helium burning and the giant branch hold nine tenths of the
  sum of squares. From 7.5 on, {mist}: loops that the neighbours lack. Nodes in use are half as far apart as here.
- **MIST in [Fe/H].** Met from 8.0 on. From 7.5 to 8.0 the length of blue loops jumps from one metallicity to the next.
"""

MADE = """
The pages, this one and that table are made by `python docs/make_certificates.py`.
"""


def main() -> None:
    """Certify and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", action="append", type=Path, default=[], help="published PARSEC isochrones")
    options = parser.parse_args()
    certificates = []
    for name in dict.fromkeys(["parsec", *available_grids(), *FAMILIES]):
        print(name, flush=True)
        certificates.append(certify(name, raw=options.raw if name == "parsec" else ()))
        write_certificate(certificates[-1], FOLDER)
    one_way = certify("mist", both_ways=False)
    write_text(overview(certificates, one_way), FOLDER / "README.md")
    write_text(table(certificates), PACKAGED)
    before, rest = FAMILIES_PAGE.read_text(encoding="utf-8").split(MARK)
    after = rest.split(END)[1]
    write_text(before + "\n".join([MARK, *numbers(certificates, "certificates/"), END]) + after, FAMILIES_PAGE)


if __name__ == "__main__":
    main()
