from __future__ import annotations

import numpy as np
import pytest

from clusterbayes.errors import SettingsError
from clusterbayes.photometry import example, examples
from clusterbayes.photometry.gaia import magnitude_error


def test_ruprecht_147_is_read_in_full():
    photometry = example()
    assert photometry.source == "example:ruprecht147"
    assert (photometry.n_input, photometry.n_star) == (440, 437)
    assert photometry.dropped == {"duplicate id": 3}
    assert [observable.name for observable in photometry.observables] == ["Gaia_G", "Gaia_BP-Gaia_RP"]
    assert photometry.parallax_zero_point == "raw"
    assert len(set(photometry.ids)) == 437


def test_its_first_star_is_that_of_the_archive():
    photometry = example("ruprecht147")
    assert photometry.ids[0] == "6772762864267173248"
    np.testing.assert_allclose(photometry.values[0], [6.413755, 1.7709723])
    sigma_bp, sigma_rp = magnitude_error(601.375, "Gaia_BP"), magnitude_error(651.82416, "Gaia_RP")
    expected = [magnitude_error(2261.6958, "Gaia_G"), np.hypot(sigma_bp, sigma_rp)]
    np.testing.assert_allclose(photometry.errors[0], expected)
    np.testing.assert_allclose(photometry.parallax[0], 2.911647839076249)


def test_every_example_can_be_read():
    for name, line in examples().items():
        assert example(name).n_star > 100
        assert line


def test_an_unknown_example_is_refused():
    with pytest.raises(SettingsError, match="Did you mean ruprecht147"):
        example("ruprecht174")
