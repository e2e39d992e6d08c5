"""Which column of a table is what.

Tables name the same quantity in many ways: `phot_g_mean_mag` in the Gaia archive, `Gmag` with `e_Gmag` in VizieR, `G`
with `G_error` elsewhere. `recognise` looks at the names only, never at the numbers, and returns a `Columns`; a map
given by the user wins over everything that it would have guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from clusterbayes.bands import BANDS, Observable, parse_observable
from clusterbayes.errors import BandError, InputError, close_matches
from clusterbayes.photometry.gaia import ARCHIVE_COLOURS, ARCHIVE_MAGNITUDES, SIGNAL_TO_NOISE

__all__ = ["RIGHT_ASCENSION", "ROLES", "Columns", "identifying", "in_capitals", "recognise"]

# Roles of a right-ascension column, in the order of preference.
RIGHT_ASCENSION = ("ra", "ra_degs", "ra_hours")

# The excess factor as VizieR names it for DR3 and EDR3 (I/355, I/350) and for DR2 (I/345), and as VOTables write that.
# E(BP-RP) is another thing: a reddening.
_EXCESS = ("e(bp/rp)", "e_bp_rp_", "e(br/rp)", "e_br_rp_")

# Names, lower case, best first, of the columns that are not photometry.
ROLES: dict[str, tuple[str, ...]] = {
    "id": (
        *("source_id", "sourceid", "dr3_source_id", "edr3_source_id", "gaia_source_id", "gaia_dr3_source_id"),
        *("gaiadr3", "gaiaedr3", "gaia_dr3", "gaia_edr3", "gaia_id", "dr2_source_id", "gaiadr2", "gaia_dr2"),
        *("id", "source", "gaia", "star_id", "star", "objid", "obj_id", "object_id", "main_id", "designation"),
        *("name", "recno", "seq", "2mass", "_2mass", "allwise"),
    ),
    "ra": ("ra", "raj2000", "ra_j2000", "_ra", "_raj2000", "_ra_icrs", "alpha"),
    "ra_degs": ("ra_icrs", "ra_deg", "ra_degs", "radeg"),
    "ra_hours": ("ra_hours", "ra_hour", "ra_hr", "rah", "ra_h"),
    "dec": (
        *("dec", "de_icrs", "dec_icrs", "dej2000", "decj2000", "dec_deg", "dec_degs", "decdeg", "dedeg", "dec_j2000"),
        *("_de", "_dec", "_dej2000", "_de_icrs", "de", "delta"),
    ),
    "parallax": ("parallax", "plx", "plx_mas", "parallax_mas"),
    "parallax_error": ("parallax_error", "e_plx", "e_parallax", "parallax_err", "plx_error", "plx_err", "sigma_plx"),
    "pm_ra": ("pm_ra", "pmra", "pm_ra_cosdec", "pmra_cosdec", "pm_racosdec", "pmracosdec", "mu_ra", "mura"),
    "pm_ra_error": (
        *("pm_ra_error", "pmra_error", "e_pm_ra", "e_pmra", "pm_ra_err", "pmra_err", "pm_ra_cosdec_error"),
        *("pmra_cosdec_error", "e_pmra_cosdec", "sigma_pmra", "e_mu_ra", "mu_ra_error"),
    ),
    "pm_dec": ("pm_dec", "pmdec", "pm_de", "pmde", "mu_dec", "mudec"),
    "pm_dec_error": (
        *("pm_dec_error", "pmdec_error", "e_pm_dec", "e_pmdec", "e_pmde", "pm_dec_err", "pmdec_err", "pmde_error"),
        *("sigma_pmdec", "e_mu_dec", "mu_dec_error"),
    ),
    "pm_corr": ("pm_corr", "pmra_pmdec_corr", "pmrapmdecor", "pm_ra_pm_dec_corr"),
    "distance": ("distance",),
    "distance_pc": ("distance_pc", "dist_pc"),
    "distance_kpc": ("distance_kpc", "dist_kpc"),
    "ruwe": ("ruwe",),
    "bp_rp_excess": ("phot_bp_rp_excess_factor", "bp_rp_excess", "bp_rp_excess_factor", *_EXCESS),
    "nu_eff": ("nu_eff_used_in_astrometry", "nueff"),
    "pseudocolour": ("pseudocolour", "pscol"),
    "ecl_lat": ("ecl_lat", "elat"),
    "params_solved": ("astrometric_params_solved", "solved"),
}

_ERROR_PREFIX = re.compile(r"(?:e_|err_|error_|sigma_|sig_|mag_?err_|emag_)(.+)")
_ERROR_SUFFIX = re.compile(r"(.+?)(?:_(?:mag_?)?(?:error|err|unc|uncertainty|sigma|sig|e)|(?:error|err))")
_MAG_AFFIX = re.compile(r"(?:mag_)?(.+?)(?:_?mag)?")
# What J, H and K mean in a table of 2MASS, and columns of its designations, lower case, by which it is told.
_TWO_MASS = {"J": "2MASS_J", "H": "2MASS_H", "K": "2MASS_Ks"}
_DESIGNATIONS = {"2mass", "_2mass"}
_GAIA_MAGNITUDE = re.compile(r"g_(bp|rp)", re.IGNORECASE)


@dataclass(frozen=True)
class Columns:
    """What was recognised in a table, by canonical observable name.

    Parameters
    ----------
    observables : dict of str to Observable
        The magnitudes and colours that have a column.
    values, errors : dict of str to str
        Column with the value, and with the error, of each observable.
    snr : dict of str to tuple of str
        Columns with a band's flux signal-to-noise, or its flux and flux error.
    roles : dict of str to str
        Columns of id, ra, ra_degs, ra_hours, dec, parallax, proper motion and what else `ROLES` names.
    archive : frozenset of str
        Observables whose value column is named as in the Gaia archive.
    two_mass : bool
        Whether J, H and K mean 2MASS's here (a column Ks or of its designations is beside them).
    notes : tuple of (frozenset of str, str)
        Choices that a user may want to know of, each with the observables that it is about.
    """

    observables: dict[str, Observable]
    values: dict[str, str]
    errors: dict[str, str]
    snr: dict[str, tuple[str, ...]]
    roles: dict[str, str]
    archive: frozenset[str] = frozenset()
    two_mass: bool = False
    notes: tuple[tuple[frozenset[str], str], ...] = ()

    @property
    def read_as(self) -> dict[str, str]:
        """What each recognised column is read as: an observable, its error or signal-to-noise, or a role."""
        found = {column: role for role, column in self.roles.items()}
        found |= {column: f"signal-to-noise of {band}" for band, used in self.snr.items() for column in used}
        found |= {column: f"{name}_error" for name, column in self.errors.items()}
        return found | {column: name for name, column in self.values.items()}

    def notes_on(self, observables: Iterable[Observable]) -> list[str]:
        """Return the notes that are about any of the observables or their bands."""
        names = {name for observable in observables for name in (observable.name, *observable.bands)}
        return [note for about, note in self.notes if about & names]

    def in_context(self, observable: Observable) -> Observable:
        """Return the observable as this table means it: J and H beside Ks are 2MASS's, for instance."""
        return _as_two_mass(observable) if self.two_mass else observable


@dataclass
class _Finding:
    """Candidates met while the names are read: canonical name -> [(rank, order, column)]."""

    observables: dict[str, Observable] = field(default_factory=dict)
    values: dict[str, list[tuple[int, int, str]]] = field(default_factory=dict)
    errors: dict[str, list[tuple[int, int, str]]] = field(default_factory=dict)

    def add(self, kind: str, observable: Observable, rank: int, order: int, column: str) -> None:
        table = self.values if kind == "value" else self.errors
        if kind == "value":
            self.observables[observable.name] = observable
        table.setdefault(observable.name, []).append((rank, order, column))


def _as_two_mass(observable: Observable) -> Observable:
    if not any(band in _TWO_MASS for band in observable.bands):
        return observable
    return parse_observable("-".join(_TWO_MASS.get(band, band) for band in observable.bands))


def _parsed(text: str) -> Observable | None:
    try:
        return parse_observable(text)
    except BandError:
        return None


def _as_value(name: str, gaia_pair: bool) -> tuple[int, Observable] | None:
    """Read a column name as a magnitude or colour; with a rank, smaller for the surer spelling."""
    lower = name.lower()
    archive = ARCHIVE_MAGNITUDES.get(lower) or (None if gaia_pair else ARCHIVE_COLOURS.get(lower))
    if archive is not None:
        return 1, parse_observable(archive)
    bare = _MAG_AFFIX.fullmatch(name)
    for rank, text in ((2, name), (3, bare.group(1) if bare else name)):
        # "G_BP" beside "G_RP" are magnitudes; a lone "G_RP" is the colour G−RP.
        pair = _GAIA_MAGNITUDE.fullmatch(text)
        if pair and (gaia_pair or pair.group(1).lower() == "bp"):
            return rank, parse_observable(pair.group(1).upper())
        observable = _parsed(text)
        if observable is not None:
            return rank, observable
    return None


def _as_error(name: str, gaia_pair: bool) -> tuple[int, Observable] | None:
    for pattern in (_ERROR_PREFIX, _ERROR_SUFFIX):
        match = pattern.fullmatch(name)
        found = _as_value(match.group(1), gaia_pair) if match else None
        if found is not None:
            return found
    return None


def _resolve_map(columns: Mapping[str, str], names: Sequence[str], source: str) -> dict[str, tuple[str, str]]:
    """Check a user's map; return column -> (kind, our name), kind being "role", "value" or "error"."""
    resolved: dict[str, tuple[str, str]] = {}
    for column, target in columns.items():
        if column not in names:
            close = close_matches(column, names)
            hint = f"did you mean {' or '.join(close)}" if close else f"the columns are {', '.join(names)}"
            raise InputError("no such column", source, column, remedy=hint)
        resolved[column] = _resolve_target(target.strip())
    return resolved


def _resolve_target(target: str) -> tuple[str, str]:
    if target in ROLES:
        return "role", target
    value = _parsed(target)
    if value is not None:
        return "value", value.name
    error = _as_error(target, False)
    if error is not None:
        return "error", error[1].name
    close = close_matches(target, [*ROLES, *BANDS, *(f"{band}_error" for band in BANDS)])
    remedy = f"use a band such as Gaia_G, a colour such as BP-RP, either with _error behind it, or {', '.join(ROLES)}"
    raise BandError(target, f"a column cannot be mapped to '{target}'", close, remedy)


def _pick(
    candidates: dict[str, list[tuple[int, int, str]]], what: str, notes: list[tuple[frozenset[str], str]]
) -> dict[str, str]:
    chosen = {}
    for name, found in candidates.items():
        ordered = [column for _, _, column in sorted(found)]
        chosen[name] = ordered[0]
        if len(ordered) > 1:
            note = f"columns {' and '.join(ordered)} are both {what} {name}: {ordered[0]} is used"
            notes.append((frozenset({name}), note))
    return chosen


def _roles(names: Iterable[str]) -> dict[str, str]:
    by_lower: dict[str, str] = {}
    for name in names:
        by_lower.setdefault(name.strip().lower(), name)
    found = {}
    for role, spellings in ROLES.items():
        match = next((by_lower[spelling] for spelling in spellings if spelling in by_lower), None)
        if match is not None:
            found[role] = match
    return found


def _signal_to_noise(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    by_lower = {name.strip().lower(): name for name in reversed(names)}
    found: dict[str, tuple[str, ...]] = {}
    for band, choices in SIGNAL_TO_NOISE.items():
        match = next((choice for choice in choices if all(column.lower() in by_lower for column in choice)), None)
        if match is not None:
            found[band] = tuple(by_lower[column.lower()] for column in match)
    return found


def recognise(names: Sequence[str], columns: Mapping[str, str] | None = None, source: str = "table") -> Columns:
    """Find out what the columns of a table are, from their names.

    Parameters
    ----------
    names : sequence of str
        The table's column names.
    columns : mapping of str to str, optional
        The user's map from an input column to our name: a band or colour ("Gaia_G", "BP-RP"), the same with "_error",
        or one of `ROLES` ("id", "ra", "ra_degs", "ra_hours", "dec", "parallax", "parallax_error", "pm_ra", …).
    source : str
        What to call the table in errors.

    Returns
    -------
    Columns
        What was found; possibly nothing.

    Raises
    ------
    InputError
        If the map names a column that is not there.
    BandError
        If the map's target is not known.
    """
    mapped = _resolve_map(columns or {}, names, source)
    free = [name for name in names if name not in mapped]
    lowered = {name.strip().lower() for name in free}
    gaia_pair = {"g_bp", "g_rp"} <= {re.sub("_?mag$", "", name) for name in lowered}
    finding = _Finding()
    roles = _roles(free)
    for column, (kind, target) in mapped.items():
        if kind == "role":
            roles[target] = column
            if target in RIGHT_ASCENSION:
                for other in set(RIGHT_ASCENSION) - {target}:
                    roles.pop(other, None)
        else:
            finding.add(kind, parse_observable(target), 0, names.index(column), column)
    taken = set(roles.values())
    for order, name in enumerate(names):
        if name in mapped or name in taken:
            continue
        value = _as_value(name.strip(), gaia_pair)
        error = None if value else _as_error(name.strip(), gaia_pair)
        if value:
            finding.add("value", value[1], value[0], order, name)
        elif error:
            finding.add("error", error[1], error[0], order, name)
    return _settle(finding, roles, _signal_to_noise(names), frozenset(mapped), bool(_DESIGNATIONS & lowered))


def _settle(
    finding: _Finding,
    roles: dict[str, str],
    snr: dict[str, tuple[str, ...]],
    mapped: frozenset[str],
    designated: bool,
) -> Columns:
    """Choose one column for each quantity, and read J, H and K as 2MASS's beside Ks or its designations."""
    notes: list[tuple[frozenset[str], str]] = []
    values = _pick(finding.values, "values of", notes)
    errors = _pick(finding.errors, "errors of", notes)
    observables = finding.observables
    loose = {name: column for name, column in values.items() if name in _TWO_MASS}
    beside_ks = "2MASS_Ks" in values and "K" not in values
    two_mass = bool(loose) and not set(loose.values()) & mapped and not {"2MASS_J", "2MASS_H"} & values.keys()
    two_mass = two_mass and (beside_ks or (designated and "2MASS_Ks" not in values))
    if two_mass:
        observables = {swapped.name: swapped for swapped in map(_as_two_mass, observables.values())}
        values = {_as_two_mass(parse_observable(name)).name: column for name, column in values.items()}
        errors = {_as_two_mass(parse_observable(name)).name: column for name, column in errors.items()}
        why = "a Ks column is" if beside_ks else "its designations are"
        note = f"{' and '.join(loose)} are read as 2MASS's, because {why} beside them"
        notes.append((frozenset({"2MASS_J", "2MASS_H", "2MASS_Ks"}), note))
    archive_names = {**ARCHIVE_MAGNITUDES, **ARCHIVE_COLOURS}
    archive = frozenset(name for name, column in values.items() if column.strip().lower() in archive_names)
    return Columns(observables, values, errors, snr, roles, archive, two_mass, tuple(notes))


def in_capitals(names: Iterable[str]) -> dict[str, str]:
    """Return what columns would be read as if their bands were written in capitals: {"e_vmag": "V_error"}.

    A guess for messages. Lower-case letters are other bands to some (SDSS, Strömgren), so nothing is read this way.
    """
    found = {}
    for name in names:
        lower = name.strip().lower()
        matches = (pattern.fullmatch(lower) for pattern in (_ERROR_PREFIX, _ERROR_SUFFIX))
        of_error = next((match.group(1) for match in matches if match), None)
        bare = _MAG_AFFIX.fullmatch(of_error or lower)
        observable = _parsed(bare.group(1).upper()) if bare else None
        if observable is not None:
            found[name] = f"{observable.name}_error" if of_error else observable.name
    return found


def identifying(names: Sequence[str], mapped: Mapping[str, str]) -> frozenset[str]:
    """Return the columns that name stars, filters or files, by a user's map or by name: no cell of them is a filler."""
    words = {*ROLES["id"], "filter", "file_id"}
    by_name = {name for name in names if name.strip().lower() in words and name not in mapped}
    return frozenset(by_name | {column for column, target in mapped.items() if target in ("id", "filter")})
