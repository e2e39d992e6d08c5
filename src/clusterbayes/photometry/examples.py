"""Real photometry that comes with the package.

Each example is a CSV file beside a README with its origin, citation and licence.
"""

from __future__ import annotations

from importlib.resources import as_file, files

from clusterbayes.errors import SettingsError
from clusterbayes.photometry.table import Photometry

__all__ = ["example", "examples"]

_DESCRIPTIONS = {
    "ruprecht147": (
        "Ruprecht 147: 440 candidate members and interlopers (Curtis et al. 2020) with Gaia DR3 G, BP-RP and "
        "parallaxes, zero point not corrected"
    ),
}


def examples() -> dict[str, str]:
    """Return the names of the examples with a line on each."""
    return dict(_DESCRIPTIONS)


def example(name: str = "ruprecht147") -> Photometry:
    """Return an example's photometry.

    Parameters
    ----------
    name : str
        One of `examples`.

    Returns
    -------
    Photometry
        As `Photometry.read` gives it; its source is "example:" with the name.

    Raises
    ------
    SettingsError
        If there is no such example.
    """
    if name not in _DESCRIPTIONS:
        raise SettingsError.unknown("example", name, _DESCRIPTIONS)
    with as_file(files("clusterbayes.photometry") / "data" / f"{name}.csv") as path:
        return Photometry.read(path, source=f"example:{name}")
