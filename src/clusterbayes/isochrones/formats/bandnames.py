"""From the names that isochrone files give their magnitudes to the library's bands.

The same letter stands for different filters in different files, so a name is read together with the file's line on its
photometric system: it says which surveys are meant, whether magnitudes are Vega or AB, and, for Gaia, of which release
the passbands are.  What is not certain is left out, with a note.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from clusterbayes.bands import BANDS

__all__ = ["ChosenBands", "choose_bands"]

# Names of more than one letter that mean the same in every file; compared in lower case without separators.
_FIXED = {
    "gbp": "Gaia_BP",
    "grp": "Gaia_RP",
    "bt": "Tycho_B",
    "vt": "Tycho_V",
    "hp": "Hipparcos_Hp",
    "tess": "TESS",
    "fuv": "GALEX_FUV",
    "nuv": "GALEX_NUV",
    **{f"{letter}p1": f"PS1_{letter}" for letter in "grizyw"},
    **{f"w{n}": f"WISE_W{n}" for n in range(1, 5)},
}
# Bright stars have a BP of their own in DR2 (Maiz Apellaniz & Weiler 2018, A&A 619, A180); most stars are fainter.
_GAIA_VARIANTS = {"gbpft": "Gaia_BP", "gbpmawf": "Gaia_BP"}
_PREFIXES = {"bessell": "", "2mass": "2MASS", "sdss": "SDSS", "ps": "PS1", "wise": "WISE", "skymapper": "SkyMapper",
             "galex": "GALEX", "hipparcos": "Hipparcos", "tycho": "Tycho", "decam": "DECam"}  # fmt: skip
# Words of a photometric-system line, for letters that several surveys use. None: a survey without bands of ours.
_SURVEYS: dict[str, tuple[str | None, str]] = {
    r"sdss|sloan": ("SDSS", "ugriz"),
    r"decam|\bdes\b": ("DECam", "ugrizY"),
    r"skymapper": ("SkyMapper", "uvgriz"),
    r"pan-?starrs|\bps1\b": ("PS1", "grizyw"),
    r"lsst|rubin": (None, "ugrizyY"),
    r"megacam|cfht": (None, "ugriz"),
    r"\bvst\b|omegacam": (None, "ugriz"),
    r"\bhsc\b|subaru": (None, "grizyY"),
    r"j-?plus|s-?plus|j-?pas|strom|vilnius|sage\b": (None, "uvbyugriz"),
    r"gemini|csst|roman|wfirst|euclid|jwst|\bhst\b|wfc3|acs": (None, "ugrizyY"),
}
_OTHER_INFRARED = r"ukidss|ukirt|vista|viking|vvv|denis|nirc|hawk"
_JOHNSON = r"ubv|johnson|bessell|cousins"
_NOT_JOHNSON = r"uvot|\bwfi\b|washington|ogle|uvit|wfpc|\beis\b"
_DR3 = ("EDR3", "DR3")


@dataclass(frozen=True)
class ChosenBands:
    """Which columns of a file are bands of ours.

    Parameters
    ----------
    columns : tuple of int
        Positions among the columns that were offered.
    bands : tuple of str
        Their canonical names.
    passbands : str
        For Gaia, the release whose passbands they are ("Gaia EDR3"); else empty.
    notes : tuple of str
        What was left out and why.
    """

    columns: tuple[int, ...]
    bands: tuple[str, ...]
    passbands: str
    notes: tuple[str, ...]


def choose_bands(names: Sequence[str], system: str) -> ChosenBands:
    """Map the magnitude columns of a file to bands.

    Parameters
    ----------
    names : sequence of str
        Names of the columns that hold magnitudes, e.g. "Gmag", "G_BPmag", "F606Wmag", "Gaia_G_EDR3".
    system : str
        The file's words on its photometric system.

    Returns
    -------
    ChosenBands
        Each band once; of several Gaia releases the latest.
    """
    system = re.sub(r"<[^>]*>", "", system)
    found: dict[str, tuple[int, str]] = {}
    unknown: list[str] = []
    older: list[str] = []
    notes: list[str] = []
    for c, name in enumerate(names):
        band, release = _identify(name, system)
        if band is None or band not in BANDS:
            unknown.append(name)
        elif not _same_zero_point(BANDS[band].system, system):
            notes.append(f"{name} left out: the file's magnitudes are not {BANDS[band].system}, as {band} is")
        elif band not in found:
            found[band] = (c, release)
        elif _rank(release) > _rank(found[band][1]):
            older.append(names[found[band][0]])
            found[band] = (c, release)
        else:
            older.append(name)
    if older:
        notes.append("magnitudes left out, the band is there already in later passbands: " + " ".join(older))
    if unknown:
        notes.append("magnitudes left out, no band of that name and system: " + " ".join(unknown))
    releases = sorted({release for band, (_, release) in found.items() if band.startswith("Gaia_") and release})
    passbands = "Gaia " + " + ".join(releases) if releases else ""
    if releases and not set(releases) <= set(_DR3):
        notes.append(
            f"{passbands} passbands: they differ from those of Gaia EDR3 and DR3; fit photometry of the same release"
        )
    columns = tuple(c for c, _ in found.values())
    return ChosenBands(columns, tuple(found), passbands, tuple(notes))


def _identify(name: str, system: str) -> tuple[str | None, str]:
    """Return the band, and for Gaia the release, that a column name stands for; None if it is not certain."""
    release = _gaia_release(system)
    base = re.sub(r"_?mag$", "", name)
    if len(base) == 1:
        band = _letter(base, system.lower())
        return band, release if band == "Gaia_G" else ""
    parts = base.split("_")
    if len(parts) >= 3 and parts[0] == "Gaia" and parts[1] in ("G", "BP", "RP"):
        return _mist_gaia(parts[1], "_".join(parts[2:]))
    if len(parts) == 2 and parts[0].lower() in _PREFIXES:
        prefix = _PREFIXES[parts[0].lower()]
        return (f"{prefix}_{parts[1]}" if prefix else parts[1]), ""
    key = re.sub(r"[\s_.\-]", "", base).lower()
    if key == "ks":
        return ("2MASS_Ks" if "2mass" in system.lower() else None), ""
    if key in _GAIA_VARIANTS:
        return _GAIA_VARIANTS[key], release
    band = _FIXED.get(key)
    return band, release if band is not None and band.startswith("Gaia_") else ""


def _mist_gaia(letter: str, suffix: str) -> tuple[str | None, str]:
    """MIST has Gaia's bands of several releases side by side: EDR3, DR2Rev, and MAW (BP for bright and faint stars)."""
    if suffix in _DR3:
        return f"Gaia_{letter}", suffix
    if suffix == "DR2Rev":
        return f"Gaia_{letter}", "DR2"
    if suffix in ("MAW", "MAWf"):
        return f"Gaia_{letter}", "DR2 (MAW)"
    return None, ""


def _gaia_release(system: str) -> str:
    found = re.search(r"(?<![A-Za-z])(E?DR\s?-?\d)", system, re.IGNORECASE)
    return re.sub(r"[\s-]", "", found.group(1)).upper() if found else ""


def _rank(release: str) -> int:
    order = ("", "DR1", "DR2", "DR2 (MAW)", "EDR3", "DR3")
    return order.index(release) if release in order else 0


def _letter(letter: str, system: str) -> str | None:
    """Return the band of a one-letter name, which depends on the survey."""
    if letter == "G":
        return "Gaia_G" if "gaia" in system else None
    johnson = bool(re.search(_JOHNSON, system)) and not re.search(_NOT_JOHNSON, system)
    if letter in "UBVRI":
        return letter if johnson else None
    if letter in "JHK":
        two_mass = "2mass" in system
        with_infrared = johnson and bool(re.search(r"ijhk|bessell|johnson", system))
        if two_mass == with_infrared or re.search(_OTHER_INFRARED, system):
            return None  # neither, or both: not certain
        return letter if with_infrared else f"2MASS_{letter}{'s' if letter == 'K' else ''}"
    surveys = [
        survey for words, (survey, letters) in _SURVEYS.items() if letter in letters and re.search(words, system)
    ]
    return f"{surveys[0]}_{letter}" if len(surveys) == 1 and surveys[0] is not None else None


def _same_zero_point(wanted: str, system: str) -> bool:
    """Return whether a file's words on zero points leave room for the band's."""
    vega = bool(re.search(r"vega", system, re.IGNORECASE))
    ab = bool(re.search(r"\bAB\s?(mag|\b)", system))
    if wanted == "AB":
        return ab or not vega
    return vega or not ab
