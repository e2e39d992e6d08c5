"""Time what a grid costs: loading with and without refinement, and one isochrone inside the likelihood's kernel.

python benchmarks/grid_speed.py [--grid parsec]
"""

from __future__ import annotations

import argparse
import platform
import time

import numpy as np

from clusterbayes.isochrones import IsochroneGrid
from clusterbayes.model.kernels import vertices

BANDS = ("Gaia_G", "Gaia_BP", "Gaia_RP")


def loading(name: str) -> None:
    """Print the time to load a grid in three bands, and the memory of its arrays."""
    for refine in (False, True):
        seconds = []
        for _ in range(4):
            start = time.perf_counter()
            grid = IsochroneGrid.load(name, BANDS, refine=refine)
            seconds.append(time.perf_counter() - start)
        size = sum(getattr(grid, n).nbytes for n in ("m_ini", "log_teff", "log_lum", "log_g", "mags", "ext"))
        text = f"{grid.log_age.size} x {grid.mh.size} nodes, {grid.eep.size} points"
        print(f"load, refine={refine!s:5}: best {min(seconds):.2f} s, {text}, {size / 1e6:.0f} MB   target 1 s, 200 MB")


def placing(name: str, thin: int) -> None:
    """Print the time to interpolate, shift and redden one isochrone in three bands."""
    grid = IsochroneGrid.load(name, BANDS)
    parts = [grid.m_ini[..., None], grid.log_teff[..., None], grid.log_lum[..., None]]
    for b in range(len(BANDS)):
        parts += [grid.mags[..., b, None], grid.ext[..., b, :]]
    nodes = np.ascontiguousarray(np.concatenate(parts, axis=-1)[:, :, ::thin])
    rng = np.random.default_rng(0)
    i_age, i_mh = (rng.integers(0, size - 1, 2000) for size in (grid.log_age.size, grid.mh.size))
    w_age, w_mh = rng.random((2, 2000))
    zero, knots, colour = np.zeros(3), np.array([3.48, 3.58, 4.0, 4.2]), np.zeros(4)
    out = np.empty((nodes.shape[2], 6))
    seconds = []
    for _ in range(6):
        start = time.perf_counter()
        for i, w, k, v in zip(i_age, w_age, i_mh, w_mh, strict=True):
            vertices(nodes, i, w, k, v, 10.0, 0.3, zero, colour, knots, zero, np.inf, out)
        seconds.append((time.perf_counter() - start) / i_age.size)
    best = 1e3 * min(seconds)
    print(f"one isochrone in the kernel, 3 bands, {nodes.shape[2]} vertices: best {best:.4f} ms   target 0.2 ms")


def main() -> None:
    """Print all measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grid", default="parsec", help="name or path of the grid")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}")
    loading(options.grid)
    for thin in (1, 2):
        placing(options.grid, thin)


if __name__ == "__main__":
    main()
