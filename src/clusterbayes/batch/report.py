"""The catalogue that a batch leaves: one table, and one page that shows it.

The page is a single file that opens offline: every cluster with status, quality, parameters and a link to its own
folder, distributions of the parameters, and the comparison with a reference catalogue.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from clusterbayes.batch.comparison import Comparison, Reference, compare
from clusterbayes.batch.figures import comparison_image, distribution_image
from clusterbayes.batch.fitting import QUALITIES
from clusterbayes.batch.states import DONE, FAILED, Places
from clusterbayes.batch.summary import Summary
from clusterbayes.batch.work import REASONS
from clusterbayes.results.export import write_table, write_text
from clusterbayes.wording import counted

__all__ = ["PAGE_FILE", "TABLE_FILE", "write_report"]

PAGE_FILE, TABLE_FILE = "catalogue.html", "catalogue.ecsv"
_TEMPLATE = Path(__file__).with_name("page.html")

# Columns of the page: name, head, decimals.
_PARAMETERS = (
    ("log_age", "log age [yr]", 3), ("mh", "[M/H]", 3), ("dist_mod", "distance modulus [mag]", 3),
    ("distance", "distance [pc]", 1), ("a_v", "A<sub>V</sub> [mag]", 3), ("binary_frac_q05", "binaries, q &gt; 0.5", 3),
)  # fmt: skip
_NUMBERS = (
    ("n_used", "stars", 0), ("n_member", "members", 1), ("rhat", "R-hat", 3), ("ess", "effective sample", 0),
    ("seconds", "time [s]", 0),
)  # fmt: skip


def write_report(summary: Summary, reference: Reference | None = None) -> Path:
    """Write ``catalogue.ecsv`` and ``catalogue.html`` into the batch's folder.

    Parameters
    ----------
    summary : Summary
        Its rows.
    reference : Reference, optional
        A catalogue to compare with.

    Returns
    -------
    Path
        The page.
    """
    write_table(summary.table(), summary.out / TABLE_FILE)
    return _write_page(summary, reference)


def _write_page(summary: Summary, reference: Reference | None) -> Path:
    comparisons = [] if reference is None else compare(summary.rows, reference)
    figure = distribution_image(summary.rows)
    page = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=f"Catalogue {escape(summary.out.name)}",
        counts=_counts(summary),
        figures="" if figure is None else f"<h2>Distributions</h2>\n{_image(figure, 'Histograms of the parameters')}",
        comparison="" if reference is None else _comparison(comparisons, reference, comparison_image(comparisons)),
        qualities=" ".join(f'<span class="{key}">{key}</span>: {escape(text)}.' for key, text in QUALITIES.items()),
        heads=_heads(),
        rows="\n".join(_row(row, Places(summary.out)) for row in summary.rows),
    )
    write_text(page, summary.out / PAGE_FILE)
    return summary.out / PAGE_FILE


def _image(content: str, text: str) -> str:
    return f'<img alt="{escape(text)}" src="data:image/png;base64,{content}">'


def _counts(summary: Summary) -> str:
    counts = summary.count()
    grades = Counter(row.get("quality") for row in summary.rows if row["status"] == DONE)
    parts = [counted(len(summary.rows), "cluster"), f"{counts.get(DONE, 0)} done"]
    parts += [f"{grades[key]} of quality {key}" for key in QUALITIES if grades[key]]
    parts += [f"{counts[code]} failed ({escape(text)})" for code, text in REASONS.items() if counts.get(code)]
    waiting = len(summary.rows) - counts.get(DONE, 0) - counts.get(FAILED, 0)
    return ", ".join(parts + ([f"{waiting} waiting"] if waiting else [])) + "."


def _heads() -> str:
    texts = ["cluster", "status", "quality", *(head for _, head, _ in (*_PARAMETERS, *_NUMBERS))]
    cells = [f'<th scope="col"><button type="button">{text}</button></th>' for text in texts]
    return "".join([*cells, '<th scope="col" class="words"><button type="button">remarks</button></th>'])


def _row(row: Mapping[str, Any], places: Places) -> str:
    status, grade = str(row["status"]), str(row.get("quality") or "")
    cells = [
        f'<th scope="row">{_link(row, places)}</th>', f'<td class="{escape(status)}">{escape(status)}</td>',
        f'<td class="{escape(grade)}">{escape(grade)}</td>',
    ]  # fmt: skip
    cells += [_measured(row, name, decimals) for name, _, decimals in _PARAMETERS]
    cells += [_plain(row.get(name), decimals) for name, _, decimals in _NUMBERS]
    words = [str(row.get(name) or "") for name in ("reason", "message", "quality_reasons")]
    cells.append(f'<td class="words">{escape(": ".join(filter(None, words)))}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _link(row: Mapping[str, Any], places: Places) -> str:
    """Return the cluster's name, leading to its report where there is one, else to its folder."""
    name, folder = escape(str(row["name"])), places.folder(str(row["folder"]))
    if not folder.is_dir():
        return name
    target = folder / "report.html" if (folder / "report.html").is_file() else folder
    path = quote(target.relative_to(places.out).as_posix()) + ("" if target.suffix == ".html" else "/")
    return f'<a href="{path}">{name}</a>'


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _plain(value: Any, decimals: int) -> str:
    number = _number(value)
    if not math.isfinite(number):
        return '<td data-v=""></td>'
    return f'<td data-v="{number!r}">{number:.{decimals}f}</td>'


def _measured(row: Mapping[str, Any], name: str, decimals: int) -> str:
    value, low, high = (_number(row.get(name + end)) for end in ("", "_q16", "_q84"))
    if not math.isfinite(value):
        return '<td data-v=""></td>'
    spread = f" <small>± {0.5 * (high - low):.{decimals}f}</small>" if high > low else ""
    return f'<td data-v="{value!r}">{value:.{decimals}f}{spread}</td>'


def _comparison(comparisons: Iterable[Comparison], reference: Reference, image: str | None) -> str:
    heads = (
        "parameter", "clusters", "median residual", "rms", "normalised rms", "within 68 %", "within 90 %",
        "rms, all clusters", "clusters, all",
    )  # fmt: skip
    lines = []
    for comparison in comparisons:
        good, every = comparison.statistics(), comparison.statistics(only_good=False)
        numbers = [f"{good[key]:+.4g}" if key == "median" else f"{good[key]:.4g}" for key in ("median", "rms")]
        numbers += [f"{good['normalised_rms']:.2f}", f"{100 * good['within_68']:.0f} %"]
        numbers += [f"{100 * good['within_90']:.0f} %", f"{every['rms']:.4g}"]
        cells = [escape(comparison.parameter), f"{good['n']:.0f}", *numbers, f"{every['n']:.0f}"]
        lines.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    name = escape(reference.choice.path.name)
    if not lines:
        return f'<h2>Comparison</h2>\n<p class="note">No cluster that is done is in {name}.</p>'
    table = f"<table><thead><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr></thead>{''.join(lines)}</table>"
    note = (
        f"Fitted minus {name}; clusters whose fit converged, and all at the right. Normalised residuals are divided by "
        "the errors of both in quadrature: an rms of 1, and 68 and 90 % within, are what true errors give."
    )
    shown = "" if image is None else _image(image, "Fitted values against those of the reference catalogue")
    return f'<h2>Comparison</h2>\n<p class="note">{note}</p>\n<div class="wide">{table}</div>\n{shown}'
