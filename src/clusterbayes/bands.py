"""What a filter is, and how a measured quantity is made of filters.

A `Band` has one canonical name (``Gaia_G``, ``V``, ``SDSS_g``, ``2MASS_Ks``), a photometric system and an effective
wavelength. Catalogues spell bands in many ways; `resolve_band` understands the usual ones. A table's column may also be
a colour: an `Observable` is a linear combination of bands, and `observable_matrix` maps magnitudes to observables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clusterbayes.errors import BandError, close_matches

__all__ = ["BANDS", "Band", "Observable", "bands_of", "observable_matrix", "parse_observable", "resolve_band"]


@dataclass(frozen=True)
class Band:
    """One photometric band.

    Parameters
    ----------
    name : str
        Canonical name.
    system : str
        "Vega" or "AB", the zero point of its magnitudes.
    wavelength : float
        Effective wavelength [µm].
    aliases : tuple of str
        Other spellings. A one-letter alias is case-sensitive; the others are not, nor do separators matter.
    """

    name: str
    system: str
    wavelength: float
    aliases: tuple[str, ...] = ()


def _johnson(name: str, wavelength: float, *more: str) -> Band:
    # A lone letter is the Johnson-Cousins band: B, V, R, I.
    return Band(name, "Vega", wavelength, (f"Johnson_{name}", f"{name}_Johnson", f"Bessell_{name}", *more))


def _sdss(letter: str, wavelength: float) -> Band:
    aliases = (letter, f"{letter}'", f"{letter}prime", f"{letter}_SDSS", f"{letter}p_SDSS")
    return Band(f"SDSS_{letter}", "AB", wavelength, aliases)


def _two_mass(letter: str, wavelength: float, *more: str) -> Band:
    return Band(f"2MASS_{letter}", "Vega", wavelength, (f"{letter}_2MASS", *more))


def _decam(letter: str, wavelength: float) -> Band:
    return Band(f"DECam_{letter}", "AB", wavelength, (f"{letter}_DECam", f"DES_{letter}", f"{letter}_DES"))


def _gaia(letter: str, wavelength: float, *more: str) -> Band:
    name = f"Gaia_{letter}"
    return Band(name, "Vega", wavelength, (letter, f"{letter}_Gaia", f"{name}_EDR3", f"{name}_DR3", *more))


def _pan_starrs(letter: str, wavelength: float) -> Band:
    aliases = (f"PS_{letter}", f"PanSTARRS_{letter}", f"{letter}_PS1", f"{letter}_PanSTARRS", f"{letter}P1")
    return Band(f"PS1_{letter}", "AB", wavelength, aliases)


def _wise(number: int, wavelength: float) -> Band:
    return Band(f"WISE_W{number}", "Vega", wavelength, (f"W{number}", f"AllWISE_W{number}", f"W{number}mpro"))


def _sky_mapper(letter: str, wavelength: float) -> Band:
    return Band(f"SkyMapper_{letter}", "AB", wavelength, (f"{letter}_SkyMapper", f"SMSS_{letter}", f"{letter}_SMSS"))


def _galex(name: str, wavelength: float) -> Band:
    return Band(f"GALEX_{name}", "AB", wavelength, (name,))


# Effective wavelengths: Gaia EDR3 (Riello et al. 2021, A&A 649, A3, passbands, for Vega); Johnson-Cousins-Glass
# (Bessell, Castelli & Plez 1998, A&A 333, 231, Table A2); SDSS (Fukugita et al. 1996, AJ 111, 1748, as used by the
# survey); 2MASS (Cohen, Wheaton & Megeath 2003, AJ 126, 1090); DECam (pivot wavelengths of the survey's passbands,
# Abbott et al. 2018, ApJS 239, 18); Pan-STARRS1 (Tonry et al. 2012, ApJ 750, 99, Table 4); WISE (isophotal, Jarrett et
# al. 2011, ApJ 735, 112); TESS (pivot; passband of Ricker et al. 2015, JATIS 1, 014003); Tycho and Hipparcos (pivot;
# passbands of Mann & von Braun 2015, PASP 127, 102); SkyMapper (centres, Wolf et al. 2018, PASA 35, e010); GALEX
# (Morrissey et al. 2007, ApJS 173, 682).
_ALL = (
    _gaia("G", 0.582, "phot_g_mean_mag"),
    _gaia("BP", 0.504, "GBP", "phot_bp_mean_mag"),
    _gaia("RP", 0.762, "GRP", "phot_rp_mean_mag"),
    _johnson("U", 0.366),
    _johnson("B", 0.438),
    _johnson("V", 0.545),
    _johnson("R", 0.641, "Rc", "Cousins_R", "R_Cousins"),
    _johnson("I", 0.798, "Ic", "Cousins_I", "I_Cousins"),
    _johnson("J", 1.22),
    _johnson("H", 1.63),
    _johnson("K", 2.19),
    _sdss("u", 0.3543),
    _sdss("g", 0.4770),
    _sdss("r", 0.6231),
    _sdss("i", 0.7625),
    _sdss("z", 0.9134),
    _two_mass("J", 1.235),
    _two_mass("H", 1.662),
    _two_mass("Ks", 2.159, "Ks", "2MASS_K", "K_2MASS", "Kshort"),
    _decam("u", 0.381),
    _decam("g", 0.480),
    _decam("r", 0.643),
    _decam("i", 0.782),
    _decam("z", 0.917),
    _decam("Y", 0.989),
    _pan_starrs("g", 0.481),
    _pan_starrs("r", 0.617),
    _pan_starrs("i", 0.752),
    _pan_starrs("z", 0.866),
    _pan_starrs("y", 0.962),
    _pan_starrs("w", 0.608),
    _wise(1, 3.353),
    _wise(2, 4.603),
    _wise(3, 11.561),
    _wise(4, 22.088),
    Band("TESS", "Vega", 0.770, ("TESS_T", "Tmag_TESS", "TESSmag")),
    Band("Tycho_B", "Vega", 0.420, ("BT", "Tycho_BT", "Tycho2_B", "Tycho2_BT", "BT_Tycho")),
    Band("Tycho_V", "Vega", 0.530, ("VT", "Tycho_VT", "Tycho2_V", "Tycho2_VT", "VT_Tycho")),
    Band("Hipparcos_Hp", "Vega", 0.534, ("Hp", "HIP_Hp", "Hipparcos")),
    _sky_mapper("u", 0.349),
    _sky_mapper("v", 0.384),
    _sky_mapper("g", 0.510),
    _sky_mapper("r", 0.617),
    _sky_mapper("i", 0.779),
    _sky_mapper("z", 0.916),
    _galex("FUV", 0.154),
    _galex("NUV", 0.232),
)

BANDS: dict[str, Band] = {band.name: band for band in _ALL}

_MINUS = str.maketrans({"−": "-", "–": "-", "—": "-", "’": "'", "′": "'"})


def _key(text: str) -> str:
    """Bring a spelling to the form in which it is looked up."""
    text = text.translate(_MINUS).strip()
    if len(text) == 1:
        return text
    return re.sub(r"[\s_.\-]+", "", text.replace("'", "prime")).lower()


def _alias_table() -> dict[str, Band]:
    table: dict[str, Band] = {}
    for band in _ALL:
        for name in (band.name, *band.aliases):
            other = table.setdefault(_key(name), band)
            if other is not band:
                raise RuntimeError(f"alias {name} belongs to both {other.name} and {band.name}")
    return table


_BY_KEY = _alias_table()

# Lower-case names of the Gaia archive, where the letter g does not stand for SDSS.
_ARCHIVE_COLOURS = {"bp_rp": ("Gaia_BP", "Gaia_RP"), "bp_g": ("Gaia_BP", "Gaia_G"), "g_rp": ("Gaia_G", "Gaia_RP")}


def _suggestions(text: str) -> tuple[str, ...]:
    text = text.strip()
    if len(text) == 1:  # only the case can be mistyped in a one-letter name
        found = (_BY_KEY.get(letter) for letter in (text.upper(), text.lower()))
        return tuple(dict.fromkeys(band.name for band in found if band is not None))
    spellings = {alias: band.name for band in _ALL for alias in (*band.aliases, band.name)}
    return tuple(dict.fromkeys(spellings[match] for match in close_matches(text, spellings, 6)))[:3]


def resolve_band(text: str) -> Band:
    """Return the band that a spelling stands for.

    Parameters
    ----------
    text : str
        A canonical name or an alias such as "BP", "g'", "gprime", "Ks" or "phot_g_mean_mag". Case counts in one-letter
        names only: "G" is Gaia's, "g" is SDSS's; "I" is Cousins', "i" is SDSS's.

    Returns
    -------
    Band
        The band.

    Raises
    ------
    BandError
        If the spelling is not known; with suggestions where there are any.
    """
    band = _BY_KEY.get(_key(text))
    if band is None:
        suggestions = _suggestions(text)
        remedy = None if suggestions else "Known bands: " + ", ".join(BANDS)
        raise BandError(text, suggestions=suggestions, remedy=remedy)
    return band


@dataclass(frozen=True)
class Observable:
    """A measured quantity: a linear combination of magnitudes.

    Parameters
    ----------
    name : str
        Canonical name, e.g. "V" or "Gaia_BP-Gaia_RP".
    coefficients : tuple of (str, float)
        Bands (canonical names, each once) and their factors.

    Raises
    ------
    BandError
        If there is no band, a band twice, or a factor that is zero or not finite.
    """

    name: str
    coefficients: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        coefficients = tuple((str(band), float(factor)) for band, factor in self.coefficients)
        object.__setattr__(self, "coefficients", coefficients)
        if not coefficients or len(set(self.bands)) != len(coefficients):
            raise BandError(self.name, f"observable '{self.name}' needs at least one band, and each band once")
        if not all(np.isfinite(factor) and factor != 0 for _, factor in coefficients):
            raise BandError(self.name, f"observable '{self.name}' has a factor that is zero or not finite")

    @property
    def bands(self) -> tuple[str, ...]:
        """Canonical names of its bands, in order."""
        return tuple(band for band, _ in self.coefficients)

    @property
    def is_magnitude(self) -> bool:
        """Whether it is a single band's magnitude."""
        return len(self.coefficients) == 1 and self.coefficients[0][1] == 1.0

    @property
    def is_colour(self) -> bool:
        """Whether it is the difference of two magnitudes."""
        return tuple(factor for _, factor in self.coefficients) == (1.0, -1.0)

    def __str__(self) -> str:
        return self.name


def _magnitude(band: Band) -> Observable:
    return Observable(band.name, ((band.name, 1.0),))


def _colour(blue: Band, red: Band) -> Observable:
    if blue is red:
        raise BandError(blue.name, f"a colour needs two different bands, not {blue.name} twice")
    return Observable(f"{blue.name}-{red.name}", ((blue.name, 1.0), (red.name, -1.0)))


def parse_observable(text: str) -> Observable:
    """Return the magnitude or colour that a text stands for.

    Parameters
    ----------
    text : str
        "G", "BP-RP", "BP_RP", "bp_rp", "B_V", "(B-V)", "SDSS_g-SDSS_r" ... Two bands with a separator between them are
        a colour, so "G_RP" is G−RP, as in the Gaia archive.

    Returns
    -------
    Observable
        With its canonical name, e.g. "Gaia_G" or "Gaia_BP-Gaia_RP".

    Raises
    ------
    BandError
        If a band is not known.
    """
    plain = text.translate(_MINUS).strip().removeprefix("(").removesuffix(")").strip()
    if plain in BANDS:
        return _magnitude(BANDS[plain])
    if plain in _ARCHIVE_COLOURS:
        return _colour(*(BANDS[name] for name in _ARCHIVE_COLOURS[plain]))
    for separator in ("-", "_"):
        for match in re.finditer(re.escape(separator), plain):
            blue = _BY_KEY.get(_key(plain[: match.start()]))
            red = _BY_KEY.get(_key(plain[match.end() :]))
            if blue is not None and red is not None:
                return _colour(blue, red)
    halves = re.split(r"[-_]", plain)
    if len(halves) == 2 and _key(plain) not in _BY_KEY and max(map(len, halves)) <= 2 + 2 * ("-" in plain):
        return _colour(*(resolve_band(half) for half in halves))  # meant as a colour: say which half is not known
    return _magnitude(resolve_band(plain))


def bands_of(observables: Iterable[Observable]) -> tuple[str, ...]:
    """Return the canonical names of the bands that observables are made of, in order, each once."""
    return tuple(dict.fromkeys(band for observable in observables for band in observable.bands))


def observable_matrix(observables: Iterable[Observable], bands: Sequence[str]) -> NDArray[np.float64]:
    """Return the matrix that maps magnitudes in `bands` to observables.

    Parameters
    ----------
    observables : iterable of Observable
        The rows.
    bands : sequence of str
        Canonical names, the columns.

    Returns
    -------
    ndarray, shape (n_obs, n_band)
        Coefficients; zero where an observable has no part in a band.

    Raises
    ------
    BandError
        If an observable needs a band that is not among `bands`.
    """
    rows = tuple(observables)
    column = {band: index for index, band in enumerate(bands)}
    matrix = np.zeros((len(rows), len(column)))
    for index, observable in enumerate(rows):
        for band, factor in observable.coefficients:
            if band not in column:
                raise BandError(band, f"{observable.name} needs band {band}, which is not among: {', '.join(bands)}")
            matrix[index, column[band]] = factor
    return matrix
