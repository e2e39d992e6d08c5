"""Putting the page together: words, numbers, pictures and the diagram's data into one template."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from clusterbayes.results.report.citing import references
from clusterbayes.results.report.diagram import diagram_data
from clusterbayes.results.report.pictures import pictures
from clusterbayes.results.report.words import parameter_rows, provenance_rows, sentences, verdict, warnings
from clusterbayes.results.result import FitResult
from clusterbayes.writing import write_text

__all__ = ["report_html", "write_report"]

_PACKAGE = "clusterbayes.results.report"


def write_report(
    result: FitResult,
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    checks: Mapping[str, Any] | None = None,
    drawn: Mapping[str, bytes] | None = None,
) -> Path:
    """Write the report of a fit as one HTML file, all of it or nothing.

    Parameters
    ----------
    result : FitResult
        The fit.
    path : path-like
        The file, replaced if it exists; or a folder that exists, for ``report.html`` in it.
    title, checks, drawn
        As in `report_html`.

    Returns
    -------
    Path
        The file.
    """
    target = Path(path)
    if target.is_dir():
        target = target / "report.html"
    text = report_html(result, title=title, checks=checks, drawn=drawn)
    target.parent.mkdir(parents=True, exist_ok=True)
    return write_text(text, target)


def report_html(
    result: FitResult,
    *,
    title: str | None = None,
    checks: Mapping[str, Any] | None = None,
    drawn: Mapping[str, bytes] | None = None,
) -> str:
    """Return the report of a fit as the text of an HTML page.

    Parameters
    ----------
    result : FitResult
        The fit.
    title : str, optional
        Name of the analysis; that of the input if left out.
    checks : mapping, optional
        Posterior predictive checks, as `clusterbayes.results.checks.checks_document` gives them and ``checks.json``
        of a fit holds them: "quality", "meaning" and "checks", each with "title", "p" and
        "about". Without any, the page has no such section.
    drawn : mapping of str to bytes, optional
        Pictures by kind that exist already, as PNG.

    Returns
    -------
    str
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    source = str((result.provenance.get("input") or {}).get("source") or "")
    environment = Environment(
        loader=PackageLoader(_PACKAGE, ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    name = title or Path(source.removeprefix("example:")).stem or "a cluster"
    shown, missing = pictures(result, title=name, drawn=drawn)
    return environment.get_template("page.html").render(
        title=name,
        style=_resource("page.css"),
        script=_resource("diagram.js"),
        verdict=verdict(result),
        warnings=warnings(result),
        sentences=sentences(result),
        parameters=parameter_rows(result),
        counts=result.counts,
        notes=result.notes,
        data=_script_text(diagram_data(result)),
        pictures=shown,
        missing=missing,
        checks=checks,
        provenance=provenance_rows(result),
        references=references(result),
    )


def _resource(name: str) -> str:
    return resources.files(_PACKAGE).joinpath(name).read_text(encoding="utf-8")


def _script_text(document: Any) -> str:
    """Return JSON that can't end the script element it stands in."""
    text = json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
