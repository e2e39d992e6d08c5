"""Whom to cite for a fit: the isochrones, the extinction law, the software and the catalogues that it used.

References are written as in the literature, "Foreman-Mackey et al. 2013, PASP 125, 306", and turned into BibTeX, so
that those of grids and laws, which say them in that form, need no second list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from clusterbayes.bands import bands_of, parse_observable
from clusterbayes.errors import ClusterBayesError
from clusterbayes.isochrones.catalogue import describe
from clusterbayes.isochrones.laws import DUST_LAWS
from clusterbayes.results.result import FitResult

__all__ = ["Reference", "bibtex", "references"]

_ARTICLE = re.compile(
    r"(?P<authors>[^;]+?),? (?P<year>\d{4}), (?P<journal>[^,;]+?) (?P<volume>\d+), (?P<pages>[A-Z]{0,2}\d+)"
)
# Reference, title and DOI of the software, by its name in a result's versions.
_SOFTWARE = {
    "emcee": [("Foreman-Mackey et al. 2013, PASP 125, 306", "emcee: The MCMC Hammer", "10.1086/670067")],
    "astropy": [
        ("Astropy Collaboration et al. 2013, A&A 558, A33", "", "10.1051/0004-6361/201322068"),
        ("Astropy Collaboration et al. 2018, AJ 156, 123", "", "10.3847/1538-3881/aabc4f"),
        ("Astropy Collaboration et al. 2022, ApJ 935, 167", "", "10.3847/1538-4357/ac7c74"),
    ],
    "dust_extinction": [("Gordon 2024, JOSS 9, 7023", "", "10.21105/joss.07023")],
}
_CATALOGUES = {
    "Gaia_": [
        ("Gaia Collaboration et al. 2016, A&A 595, A1", "The Gaia mission", "10.1051/0004-6361/201629272"),
        ("Gaia Collaboration et al. 2023, A&A 674, A1", "Gaia Data Release 3", "10.1051/0004-6361/202243940"),
    ],
    "2MASS_": [("Skrutskie et al. 2006, AJ 131, 1163", "The Two Micron All Sky Survey (2MASS)", "10.1086/498708")],
}
_CORNER = ("Foreman-Mackey 2016, JOSS 1, 24", "corner.py", "10.21105/joss.00024")


@dataclass(frozen=True)
class Reference:
    """What a paper is cited for, how it is cited, and its BibTeX entry."""

    about: str
    citation: str
    bibtex: str


def bibtex(citation: str, title: str = "", doi: str = "") -> str:
    """Turn a reference into a BibTeX entry.

    Parameters
    ----------
    citation : str
        For instance "Bressan et al. 2012, MNRAS 427, 127".
    title, doi : str
        Where they are known.

    Returns
    -------
    str
        An article; a note where the reference is not in that form.
    """
    match = _ARTICLE.fullmatch(citation.strip())
    if match is None:
        key = re.sub(r"\W", "", citation)[:24] or "reference"
        return f"@misc{{{key},\n  note = {{{_escaped(citation)}}}\n}}"
    names = re.split(r", | & | and ", match["authors"].replace(" et al.", " & others"))
    authors = " and ".join(name if name == "others" else f"{{{_escaped(name)}}}" for name in names)
    key = re.sub(r"\W", "", names[0]) + match["year"] + re.sub(r"\W", "", match["journal"]) + match["volume"]
    fields = {"author": authors, "title": title, **match.groupdict(), "doi": doi}
    del fields["authors"]
    fields["journal"] = _escaped(fields["journal"])
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items() if value)
    return f"@article{{{key},\n{lines}\n}}"


def _escaped(text: str) -> str:
    return text.replace("&", r"\&")


def references(result: FitResult) -> list[Reference]:
    """Return whom to cite for a fit.

    Parameters
    ----------
    result : FitResult
        The fit.

    Returns
    -------
    list of Reference
        clusterbayes, the isochrones, the extinction law, the catalogues whose bands were fitted, and the software that
        the result says it was made with.
    """
    version = str(result.provenance.get("package_version") or "")
    own = "@software{clusterbayes,\n  author = {{The clusterbayes authors}},\n  title = {clusterbayes},\n"
    found = [Reference("this fit", f"clusterbayes {version}".strip(), f"{own}  version = {{{version}}}\n}}")]
    listed = [*_isochrones(result), *_extinction(result), *_catalogues(result), *_software(result)]
    return found + [Reference(about, text, bibtex(text, title, doi)) for about, text, title, doi in listed]


def _isochrones(result: FitResult) -> Iterator[tuple[str, str, str, str]]:
    name = str((result.provenance.get("grid") or {}).get("name") or "")
    for text in _grid_citation(name).split(";"):
        about, _, rest = text.rpartition(":")
        if rest.strip():
            yield (f"isochrones {name}" + (f", {about.strip()}" if about else ""), rest.strip(), "", "")


@cache
def _grid_citation(name: str) -> str:
    """Return what a grid says of its sources; a word that they are not known where it is not at hand."""
    unknown = f"see where the isochrones of {name or 'this grid'} are from"
    try:
        return str(describe(name).get("citation") or unknown)
    except ClusterBayesError:
        return unknown


def _extinction(result: FitResult) -> Iterator[tuple[str, str, str, str]]:
    grid: dict[str, Any] = result.provenance.get("grid") or {}
    law = {"astromancer": "CCM89"}.get(str(grid.get("extinction_law")), str(grid.get("extinction_law")))
    if law == "tables" and float(grid.get("r_v") or 3.1) != 3.1:
        law = "G23"  # the tables are scaled by it
    if law in DUST_LAWS:
        yield ("extinction law", DUST_LAWS[law], "", "")


def _catalogues(result: FitResult) -> Iterator[tuple[str, str, str, str]]:
    bands = bands_of(map(parse_observable, result.observables))
    for prefix, rows in _CATALOGUES.items():
        if any(band.startswith(prefix) for band in bands):
            yield from ((f"{prefix.rstrip('_')} photometry", *row) for row in rows)


def _software(result: FitResult) -> Iterator[tuple[str, str, str, str]]:
    used = result.provenance.get("versions") or {}
    for name, rows in _SOFTWARE.items():
        if name in used:
            yield from ((name, *row) for row in rows)
    yield ("corner plot", *_CORNER)
