"""How well the bolometric corrections and extinction coefficients are interpolated and fitted.

    python benchmarks/corrections.py [WHEEL|FOLDER of astrolachesis 1.0.9]

Leave-one-node-out along each axis of grids/corrections.h5, at nodes next to points of the PARSEC isochrones with
3,000 to 30,000 K, log g 0 to 5 and [Fe/H] -2 to 0.5: the spacing is twice the true one, so errors between true nodes
are several times smaller.  With the source it also compares the polynomial in A_V with the tabulated extinctions.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

import numpy as np
from scipy.interpolate import PchipInterpolator

from clusterbayes.isochrones import storage
from clusterbayes.isochrones.bolometric import CorrectionTable
from clusterbayes.isochrones.extinction import band_extinction, fit_coefficients

QUANTITIES = ("Gaia_G", "V", "U", "2MASS_Ks", "GALEX_NUV", "Gaia_BP-Gaia_RP", "B-V", "SDSS_g-SDSS_r", "PS1_g-PS1_r")
RANGES = ((3000, 3500), (3500, 5000), (5000, 7000), (7000, 10500), (10500, 30000), (3000, 30000))
AXES = ("log_teff", "log_g", "mh")


def near_isochrones(table: CorrectionTable) -> np.ndarray:
    """Return which nodes (Teff, log g) are corners of cells that isochrones pass through."""
    values = storage.read_grid(storage.find_grid("parsec"), ())
    old = values["log_age"] >= 6.5
    i, j = (
        np.clip(np.searchsorted(axis, values[name][old].ravel(), side="right") - 1, 0, axis.size - 2)
        for axis, name in ((table.log_teff, "log_teff"), (table.log_g, "log_g"))
    )
    used = np.zeros((table.log_teff.size, table.log_g.size), dtype=bool)
    for di, dj in np.ndindex(2, 2):
        used[i + di, j + dj] = True
    return used & (table.log_g >= 0) & (table.log_g <= 5)


def quantity(table: CorrectionTable, name: str, values: np.ndarray) -> np.ndarray:
    """Return a magnitude's or a colour's column, or difference of columns."""
    first, *second = (values[..., table.bands.index(band)].astype(float) for band in name.split("-"))
    return first - second[0] if second else first


def left_out(axis: np.ndarray, values: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the errors of linear interpolation and of PCHIP at each inner node left out, NaN at the ends."""
    values = np.moveaxis(values, k, 0)
    errors = np.full((2, *values.shape), np.nan)
    for i in range(1, axis.size - 1):
        fraction = (axis[i] - axis[i - 1]) / (axis[i + 1] - axis[i - 1])
        errors[0, i] = (1 - fraction) * values[i - 1] + fraction * values[i + 1] - values[i]
        others = np.delete(np.arange(axis.size), i)
        errors[1, i] = PchipInterpolator(axis[others], values[others], axis=0)(axis[i]) - values[i]
    return np.moveaxis(errors[0], 0, k), np.moveaxis(errors[1], 0, k)


def leave_one_out(table: CorrectionTable) -> None:
    """Print median, rms and 99th percentile of the errors by quantity and axis, and by temperature."""
    teff, used = 10.0**table.log_teff, near_isochrones(table)
    extinction = table.extinction.coefficients.sum(axis=-1)  # at A_V = 1 mag
    for title, values in (("bolometric correction", table.corrections), ("extinction at A_V = 1", extinction)):
        for name in QUANTITIES:
            for k, axis in enumerate(AXES):
                linear, pchip = left_out(getattr(table, axis), quantity(table, name, values), k)
                for low, high in RANGES if name in ("Gaia_G", "Gaia_BP-Gaia_RP") else RANGES[-1:]:
                    inside = (used & ((teff >= low) & (teff <= high))[:, None])[:, :, None] & (table.mh >= -2)
                    print(f"{title:22} {name:16} {axis:9} {low:5}-{high:5}  linear {line(linear[inside])}", end="")
                    print(f"  PCHIP {line(pchip[inside])}")


def line(errors: np.ndarray) -> str:
    """Return median, rms and 99th percentile of absolute errors."""
    size = np.abs(errors[np.isfinite(errors)])
    return f"{np.median(size):.4f} {np.sqrt(np.mean(size**2)):.4f} {np.quantile(size, 0.99):.4f}"


def polynomial(package: Path) -> None:
    """Print the largest misfit of the polynomial in A_V by band, 3,000 to 30,000 K, log g 0 to 5, [Fe/H] >= -2."""
    import h5py

    spec = importlib.util.spec_from_file_location(
        "build_corrections", Path(__file__).parents[1] / "grids" / "build_corrections.py"
    )
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    with h5py.File(build.open_member(package, build.MEMBER), "r") as source:
        for band, (group, name) in build.BANDS.items():
            axes, a_v, values = build.read_band(source[group], name)
            inside = (10 ** axes[0] > 2999) & (10 ** axes[0] < 30001)
            values = values[inside][:, (axes[1] >= 0) & (axes[1] <= 5)][:, :, axes[2] >= -2]
            truth = values[..., :1] - values[..., 1:]
            fitted = fit_coefficients(a_v[1:], truth)
            worst = {a: np.abs(band_extinction(fitted, a) - truth[..., k]).max() for k, a in enumerate(a_v[1:])}
            print(f"{band:14}", " ".join(f"A_V {a:.2f}: {worst[a]:.4f}" for a in a_v[1:] if a >= 1 or a < 0.1))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path, nargs="?", help="astrolachesis 1.0.9: wheel, or the folder it is in")
    options = parser.parse_args()
    leave_one_out(CorrectionTable.load())
    if options.package:
        polynomial(options.package)


if __name__ == "__main__":
    main()
