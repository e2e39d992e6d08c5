"""The report of a fit: one HTML page that says what came out, how far to trust it, and shows it.

The page holds everything that it needs, so that it opens without a network and can be sent on. The interactive diagram
is a short script of its own on a canvas: a plotting library would be a hundred times the size of the rest.
"""

from __future__ import annotations

from clusterbayes.results.report.page import report_html, write_report

__all__ = ["report_html", "write_report"]
