"""Draw docs/images/families.png: every family of isochrones over Ruprecht 147, at parameters known from elsewhere.

Families are composed into the cache first, so ``pip install "clusterbayes[families]"`` is needed.

    python docs/make_family_picture.py
"""

from __future__ import annotations

from pathlib import Path

from clusterbayes.bands import parse_observable
from clusterbayes.isochrones import IsochroneGrid, available_grids
from clusterbayes.isochrones.families import FAMILIES
from clusterbayes.photometry import example
from clusterbayes.results.plots.cmd import cmd_axes
from clusterbayes.results.plots.isochrones import grid_tracks, plot_isochrones
from clusterbayes.results.plots.style import new_figure, save_figure, styled

BANDS = ("Gaia_G", "Gaia_BP", "Gaia_RP")
# Torres et al. 2021, ApJ 921, 133: eclipsing binaries, spectroscopy, parallaxes.
KNOWN = {"log_age": 9.43, "mh": 0.10, "dist_mod": 7.40, "a_v": 0.25}
PANELS = {"all stars": ((0.35, 3.1), (19.3, 5.8)), "turn-off and giants": ((0.62, 1.68), (12.4, 6.6))}


@styled
def main() -> None:
    """Draw and write."""
    stars = example("ruprecht147")
    axes = cmd_axes(stars.observables, "BP-RP", "G")
    points = axes.project(stars.values)
    place = {name: KNOWN[name] for name in ("dist_mod", "a_v")}
    tracks = [
        track
        for name in dict.fromkeys(["parsec", *available_grids(), *FAMILIES])
        for track in grid_tracks(
            IsochroneGrid.load(name, bands=BANDS), [KNOWN["log_age"]], [KNOWN["mh"]], source=name, **place
        )
    ]
    figure = new_figure(9.6, 6.2)
    panels = figure.subplots(1, 2)
    for ax, (title, (colours, magnitudes)) in zip(panels, PANELS.items(), strict=True):
        plot_isochrones(
            tracks, parse_observable("G"), parse_observable("BP-RP"), ax, stars=points, stars_name="Ruprecht 147",
            title=title,
        )  # fmt: skip
        ax.set(xlim=colours, ylim=magnitudes)
    panels[1].get_legend().remove()
    panels[1].set_ylabel("")
    panels[0].legend(loc="lower left")
    save_figure(figure, Path(__file__).parent / "images" / "families.png", dpi=100)


if __name__ == "__main__":
    main()
