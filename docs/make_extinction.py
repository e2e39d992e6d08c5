"""Draw docs/images/extinction.png and print the tables of docs/extinction.md.

Run from anywhere:  python docs/make_extinction.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from clusterbayes.errors import SettingsError
from clusterbayes.isochrones.extinction import EXTINCTION_LAWS, band_extinction, extinction_coefficients

GAIA = ("Gaia_G", "Gaia_BP", "Gaia_RP")
COLOURS = {0.05: "#08245c", 1.0: "#1f8a70", 3.0: "#d55e00"}

# Gaia (E)DR3 extinction law, main sequence, Teff form: cosmos.esa.int/web/gaia/edr3-extinction-law
POLYNOMIAL = {
    "Gaia_G": (
        0.259021858973784, 0.93676111876298, -0.437446499585492, 0.0783508476444952, -0.00136127433235224,
        0.000797222688660053, -2.52364537395233e-05, -0.029981504413869, 0.00555506017434798, 0.000402778419603886,
    ),
    "Gaia_BP": (
        0.888088914696666, 0.11318390480077, 0.0846337732558566, -0.0371265818793239, -0.00296140793334905,
        0.000538660562947277, -1.31018008013512e-05, -0.0164152179931537, 0.00323902299833464, 0.000169011297620409,
    ),
    "Gaia_RP": (
        0.382719668454633, 0.505895415656219, -0.314981478333036, 0.0665302085130136, -0.00383780468169498,
        6.50490784002505e-05, 1.57894227640801e-06, -0.00348740736346628, 0.00110877159426768, -1.8313141658225e-05,
    ),
}  # fmt: skip


def published(band: str, teff: np.ndarray, a_0: float) -> np.ndarray:
    """Return A_b / A_0 of the published polynomial, 3500 to 10000 K."""
    x = np.asarray(teff, dtype=float) / 5040.0
    a = np.full_like(x, a_0)
    terms = (x**0, x, x**2, x**3, a, a**2, a**3, x * a, a * x**2, x * a**2)
    return np.tensordot(POLYNOMIAL[band], terms, axes=1)


def ratio(band: str, teff: np.ndarray, a_v: float, **options) -> np.ndarray:
    """Return A_b / A_V of dwarfs with log g = 4.5 and [M/H] = 0."""
    coefficients = extinction_coefficients([band], np.log10(teff), 4.5, 0.0, **options)
    return band_extinction(coefficients, a_v)[..., 0] / a_v


def draw(path: Path) -> None:
    """Draw the coefficients against temperature."""
    figure = Figure(figsize=(9.5, 3.6), layout="constrained")
    axes = figure.subplots(1, 3)
    teff, short = np.geomspace(2600.0, 30000.0, 300), np.geomspace(3500.0, 10000.0, 60)
    for axis, band in zip(axes, GAIA, strict=True):
        for a_v, colour in COLOURS.items():
            axis.plot(teff, ratio(band, teff, a_v), color=colour, label=f"$A_V$ = {a_v:g}")
            axis.plot(short, published(band, short, a_v), color=colour, linestyle=(0, (1, 1.6)), linewidth=2.2)
        axis.plot([], [], color="0.4", linestyle=(0, (1, 1.6)), linewidth=2.2, label="ESA polynomial")
        axis.set(xscale="log", xlabel="$T_\\mathrm{eff}$ [K]", title=band.replace("_", " "))
        axis.set_xticks([3000, 5000, 10000, 20000], labels=["3000", "5000", "10000", "20000"])
        axis.set_xticks([], minor=True)
    axes[0].set_ylabel("$A_b / A_V$")
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=130)


def print_tables() -> None:
    """Print the comparison with the polynomial, and the laws side by side."""
    for band in GAIA:
        for teff in (4000.0, 5770.0, 10000.0):
            pairs = (f"{ratio(band, teff, a):.3f} {published(band, teff, a):.3f}" for a in (0.05, 3.0, 6.0))
            print(f"{band:8} {teff:6.0f}  {'  |  '.join(pairs)}")
        nodes, depths = np.arange(3500.0, 10001.0, 250.0), (0.05, 1.0, 3.0, 6.0)
        off = np.array([ratio(band, nodes, a) / published(band, nodes, a) - 1.0 for a in depths])
        rms, low, high = 100 * np.sqrt(np.mean(off**2)), 100 * off.min(), 100 * off.max()
        print(f"{band:8} tables - polynomial: rms {rms:.2f} %, worst {low:.1f} to {high:.1f} %")
    bands = ("U", "B", "V", "I", "2MASS_J", "2MASS_Ks", *GAIA)
    print("law        ", *(f"{band:>8}" for band in bands))
    for law in EXTINCTION_LAWS:
        try:
            values = [float(ratio(band, 5770.0, 0.05, law=law)) for band in bands]
        except SettingsError as error:
            print(f"{law:11} {error}")
            continue
        print(f"{law:11}", *(f"{value:8.3f}" for value in values))


if __name__ == "__main__":
    draw(Path(__file__).with_name("images") / "extinction.png")
    print_tables()
