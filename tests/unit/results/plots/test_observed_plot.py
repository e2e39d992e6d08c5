"""The picture of a table before any fit: far stars do not squeeze it, and the key counts every star."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from clusterbayes.photometry import Photometry
from clusterbayes.results.plots.observed import plot_observed


def read(v, colour):
    v, colour = np.asarray(v), np.asarray(colour)
    error = np.full(len(v), 0.01)
    return Photometry.from_table(Table({"V": v, "V_error": error, "B-V": colour, "B-V_error": error}))


def sequence():
    v = np.linspace(10.0, 18.0, 200)
    return v, 0.3 + 0.1 * (v - 10.0)


def test_far_stars_do_not_squeeze_the_picture_and_are_counted():
    v, colour = sequence()
    v[3], colour[7], v[11] = 39.0, 8.0, -8.0
    photometry = read(v, colour)
    ax = plot_observed(photometry, photometry.keep(np.arange(200) >= 5, "left out"))
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert 0.0 < left < 0.31 and 1.09 < right < 1.4
    assert 9.0 < top < 10.1 and 17.9 < bottom < 19.0
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["read: 200\n  3 beyond the axes", "would be fitted: 195\n  2 beyond the axes"]


def test_stars_without_the_colour_are_counted():
    v, colour = sequence()
    colour[:30] = np.nan
    texts = [text.get_text() for text in plot_observed(read(v, colour)).get_legend().get_texts()]
    assert texts[0] == "read: 200\n  30 without colour or magnitude"


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_stars_are_all_shown(count):
    v, colour = sequence()
    ax = plot_observed(read(v[::40][:count], colour[::40][:count]))
    assert ax.get_legend().get_texts()[0].get_text() == f"read: {count}"
