"""Unified content descriptors: what a column is, in the words of the virtual observatory.

The vocabulary is UCD1+ of the IVOA. Bands are described by the part of the spectrum that they lie in, as the Gaia
archive and VizieR do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from clusterbayes.bands import BANDS, parse_observable
from clusterbayes.photometry.columns import recognise

__all__ = ["descriptors", "shared_descriptors"]

_OWN = {
    "id": "meta.id;meta.main", "p_member": "stat.probability", "member": "meta.code.member",
    "p_outlier": "stat.probability", "p_binary": "stat.probability", "mass": "phys.mass",
    "mass_std": "stat.stdev;phys.mass", "q": "phys.mass;arith.ratio", "q_std": "stat.stdev;phys.mass;arith.ratio",
    "log_teff": "phys.temperature.effective", "log_teff_std": "stat.stdev;phys.temperature.effective",
    "log_lum": "phys.luminosity", "log_lum_std": "stat.stdev;phys.luminosity", "used": "meta.code",
    "distance_shift": "phot.mag.distMod;arith.diff", "distance_shift_error": "stat.error;phot.mag.distMod",
    "log_predictive": "stat.likelihood", "drop_reason": "meta.note", "hard_cut": "meta.note",
    "repeat_flag": "meta.code.qual", "parallax_corrected": "pos.parallax",
}  # fmt: skip
_ROLES = {
    "ra": "pos.eq.ra;meta.main", "ra_degs": "pos.eq.ra;meta.main", "ra_hours": "pos.eq.ra;meta.main",
    "dec": "pos.eq.dec;meta.main", "parallax": "pos.parallax", "parallax_error": "stat.error;pos.parallax",
    "pm_ra": "pos.pm;pos.eq.ra", "pm_ra_error": "stat.error;pos.pm;pos.eq.ra", "pm_dec": "pos.pm;pos.eq.dec",
    "pm_dec_error": "stat.error;pos.pm;pos.eq.dec", "pm_corr": "stat.correlation;pos.pm", "ruwe": "stat.error",
    "distance": "pos.distance", "distance_pc": "pos.distance", "distance_kpc": "pos.distance",
}  # fmt: skip
_PARAMETERS = {
    "name": "meta.id;meta.main", "log_age": "time.age", "age_gyr": "time.age", "age_myr": "time.age",
    "mh": "phys.abund.Z", "dist_mod": "phot.mag.distMod", "distance": "pos.distance", "depth": "phys.size",
    "a_v": "phys.absorption", "a_v_dispersion": "stat.stdev;phys.absorption", "ebv": "phot.color.excess",
    "ra": "pos.eq.ra;meta.main", "dec": "pos.eq.dec;meta.main",
    "l": "pos.galactic.lon", "b": "pos.galactic.lat", "half_number_radius": "phys.angSize",
    "scale_radius": "phys.angSize", "half_number_radius_pc": "phys.size.radius", "n_members": "meta.number",
    "total_mass": "phys.mass", "dynamical_mass": "phys.mass", "velocity_dispersion": "phys.veloc.dispersion",
    "pm_ra": _ROLES["pm_ra"], "mean_pm_ra": _ROLES["pm_ra"], "pm_dec": _ROLES["pm_dec"],
    "mean_pm_dec": _ROLES["pm_dec"], "pm_dispersion": "stat.stdev;pos.pm",
    "parallax_zero_point": "pos.parallax;arith.zp",
    "converged": "meta.code.status", "ess": "meta.number", "rhat": "stat.fit.goodness", "n_input": "meta.number",
    "n_used": "meta.number", "grid": "meta.title", "package_version": "meta.version",
}  # fmt: skip
_COUNTED = {"n_member": "meta.number", "n_member_std": "meta.number;stat.stdev", "complete": "meta.code"}
_TABLES = {
    "derived": {
        "name": "meta.id;meta.main", **dict.fromkeys(("q05", "q16", "q84", "q95"), "stat.fit.param;stat.percentile"),
        "median": "stat.fit.param;stat.median", "mean": "stat.fit.param;stat.mean", "std": "stat.stdev;stat.fit.param",
        "unit": "meta.unit", "about": "meta.note",
    },
    "luminosity": {
        **_COUNTED, "low": "phot.mag;stat.min", "high": "phot.mag;stat.max", "absolute_low": "phys.magAbs;stat.min",
        "absolute_high": "phys.magAbs;stat.max",
    },
    "mass": {**_COUNTED, "low": "phys.mass;stat.min", "high": "phys.mass;stat.max", "dn_dm": "src.density;phys.mass"},
}  # fmt: skip
_PERCENTILE = re.compile("_q(16|84)$")
# Upper ends of the parts of the spectrum [µm].
_SPECTRUM = (
    (0.2, "em.UV.100-200nm"), (0.3, "em.UV.200-300nm"), (0.4, "em.opt.U"), (0.5, "em.opt.B"), (0.6, "em.opt.V"),
    (0.75, "em.opt.R"), (1.0, "em.opt.I"), (1.5, "em.IR.J"), (2.0, "em.IR.H"), (3.0, "em.IR.K"),
    (4.0, "em.IR.3-4um"), (8.0, "em.IR.4-8um"), (15.0, "em.IR.8-15um"), (30.0, "em.IR.15-30um"),
)  # fmt: skip
_GAIA = {"Gaia_G": "em.opt", "Gaia_BP": "em.opt.B", "Gaia_RP": "em.opt.R"}


def _part(band: str) -> str:
    wavelength = BANDS[band].wavelength
    return _GAIA.get(band) or next(word for end, word in _SPECTRUM if wavelength <= end)


def _of_observable(name: str) -> str:
    bands = parse_observable(name).bands
    return ";".join(["phot.mag" if len(bands) == 1 else "phot.color", *dict.fromkeys(_part(band) for band in bands)])


def descriptors(names: Iterable[str], observables: Iterable[str]) -> dict[str, str]:
    """Return the descriptors of the columns that have one.

    Parameters
    ----------
    names : iterable of str
        Columns of a table of sources.
    observables : iterable of str
        The fitted observables.

    Returns
    -------
    dict of str to str
        By column.
    """
    names = list(names)
    columns = recognise(names)
    found = {column: _ROLES[role] for role, column in columns.roles.items() if role in _ROLES}
    found |= {column: f"stat.error;{_of_observable(name)}" for name, column in columns.errors.items()}
    found |= {column: _of_observable(name) for name, column in columns.values.items()}
    for name in observables:
        words = _of_observable(name)
        found |= {name: words, f"{name}_error": f"stat.error;{words}", f"{name}_residual": f"stat.fit.residual;{words}"}
    found |= _OWN
    return {name: found[name] for name in names if name in found}


def shared_descriptors(what: str, names: Iterable[str], observables: Iterable[str]) -> dict[str, str]:
    """Return the descriptors of the columns of a table that is shared.

    Parameters
    ----------
    what : str
        Which one: "sources", "astromancer", "hr", "summary", "derived", "luminosity" or "mass".
    names, observables : iterable of str
        Its columns, and the fitted observables.

    Returns
    -------
    dict of str to str
        By column.
    """
    names = list(names)
    if what == "summary":
        return {name: _of_parameter(name, names) for name in names}
    if what in _TABLES:
        return {name: words for name, words in _TABLES[what].items() if name in names}
    return descriptors(names, observables)


def _of_parameter(name: str, names: list[str]) -> str:
    main = _PERCENTILE.sub("", name)
    if main != name and main in names:
        return f"{_of_parameter(main, names)};stat.percentile"
    return _PARAMETERS.get(name, "phot.mag;arith.zp" if name.startswith("zero_point_") else "stat.fit.param")
