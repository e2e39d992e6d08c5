"""What kind of table it is, told by the names of its columns and by nothing else.

Long tables have one row a measurement, wide ones one row a star; a summary has one row a cluster and holds no stars.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["LONG_NAMES", "SOURCES", "SUMMARY", "is_long", "layout_of", "skipped_columns", "snake_case"]

#: Names that a column of a long table may be mapped to.
LONG_NAMES = ("filter", "mag", "calibrated_mag", "mag_error", "zero_point_correction", "zero_point_error", "limmag5")

SUMMARY = "Astromancer summary"
SOURCES = "Astromancer cluster sources"
_BATCH = "Afterglow batch photometry"

_AFTERGLOW = {"file_id", "zero_point", "calibrated_mag", "jd"}
_SUMMARY = {"star_counts", "velocity_dispersion", "e(b-v)", "angular_radius", "log_age"}
_SOURCE_NAMES = {"id", "ra", "dec", "distance", "pm_ra", "pm_dec"}
# Columns of Afterglow's table that nothing here is made of.
_SKIPPED = frozenset(
    ("time", "mjd", "x", "y", "telescope", "exp_length", "flux", "flux_error", "pm_sky", "pm_epoch")
) | {"pm_pos_angle_sky", "calibrated_zero_point"}
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def snake_case(name: str) -> str:
    """Return a camelCase name in snake_case."""
    return _HUMP.sub("_", name.strip()).lower()


def is_long(names: Iterable[str]) -> bool:
    """Return whether a table has one row a measurement."""
    lowered = {snake_case(name) for name in names}
    return "filter" in lowered and bool({"mag", "calibrated_mag"} & lowered)


def layout_of(names: Iterable[str]) -> str:
    """Return in words what kind of table has these columns."""
    lowered = {snake_case(name) for name in names}
    if is_long(lowered):
        if lowered >= _AFTERGLOW:
            return _BATCH
        return "photometry job" if "file_id" in lowered else "Astromancer upload"
    if len(lowered & _SUMMARY) >= 3:
        return SUMMARY
    return SOURCES if lowered >= _SOURCE_NAMES else "table"


def skipped_columns(names: Iterable[str]) -> frozenset[str]:
    """Return the columns, in snake_case, that need not be read: a long table has many, and a million rows are heavy."""
    return _SKIPPED if layout_of(names) == _BATCH else frozenset()
