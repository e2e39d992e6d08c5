"""Resampling at equivalent evolutionary points: anchors are found, samplings do not matter, absent phases collapse."""

from __future__ import annotations

import numpy as np
import pytest

from clusterbayes.isochrones.eep import (
    EEP_LAYOUT,
    RawIsochrone,
    main_sequence_anchors,
    phase_of_eep,
    resample_isochrone,
    turn_on_masses,
)

N_MAIN = sum(EEP_LAYOUT[0][1]) + 1
LOG_AGE = np.arange(6.0, 10.21, 0.12)


def invented(n: int = 600, *, mass_on: float = 1.2, mass_off: float = 4.0, giants: bool = True) -> RawIsochrone:
    """Return a smooth isochrone with a turn-on bump, a hook at the turn-off and, perhaps, giants."""
    x = np.linspace(np.log10(0.1), np.log10(mass_off), n)
    past = np.clip((x - np.log10(0.8 * mass_off)) / np.log10(1 / 0.8), 0.0, 1.0)
    bump = 0.3 * np.exp(-0.5 * ((x - np.log10(mass_on)) / 0.03) ** 2)
    lum = 4.0 * x + bump + 0.4 * past
    teff = 3.76 + 0.5 * x - 0.25 * past**2 + 0.12 * np.clip((past - 0.8) / 0.2, 0.0, 1.0) ** 2
    label, mass = np.where(x < np.log10(mass_on), 0, 1), 10.0**x
    if giants:
        t = np.linspace(0.0, 1.0, n // 10)[1:]
        for code, cool, bright in ((2, -0.4, -0.1), (3, -0.06, 1.0), (4, 0.05, -0.8), (7, -0.08, 1.2)):
            teff, lum = np.append(teff, teff[-1] + cool * t), np.append(lum, lum[-1] + bright * t)
            mass = np.append(mass, mass[-1] * (1.0 + 0.01 * t))
            label = np.append(label, np.full(t.size, code))
    return RawIsochrone(mass, teff, lum, 4.4 - lum, np.column_stack([-2.5 * lum, -2.5 * lum - teff]), label)


def test_layout_and_phases_agree() -> None:
    phase = phase_of_eep()
    assert phase.size == sum(sum(counts) + 1 for _, counts in EEP_LAYOUT)
    assert list(dict.fromkeys(phase.tolist())) == [code for code, _ in EEP_LAYOUT]


def test_turn_on_is_the_bump_and_follows_it_with_age() -> None:
    true = 0.63 - 0.43 * (LOG_AGE - 6.0)
    raw = [invented(mass_on=10.0**m, mass_off=max(8.0, 20.0 * 10.0**m), giants=False) for m in true]
    found = turn_on_masses(raw, LOG_AGE, 0.0)
    young = LOG_AGE < 8.0
    np.testing.assert_allclose(found[young], true[young], atol=0.02)
    assert np.all(np.diff(found) <= 0)
    assert found[-1] == pytest.approx(-0.55, abs=0.01)


def test_hook_anchors() -> None:
    raw = invented()
    red, tip = main_sequence_anchors(raw, np.log10(1.2))
    evolved = np.flatnonzero(raw.label == 1)[-40:]
    lowest = evolved[np.argmin(raw.log_teff[evolved])]
    assert abs(red - lowest) <= 1
    assert tip == pytest.approx(np.flatnonzero(raw.label == 1)[-1], abs=1)


def test_resampling_does_not_depend_on_the_tables_own_points() -> None:
    coarse, fine = (resample_isochrone(invented(n), np.log10(1.2)) for n in (600, 2400))
    # 1 % in mass and magnitude along the path, a few times less across it.
    np.testing.assert_allclose(np.log10(coarse[:N_MAIN, 0]), np.log10(fine[:N_MAIN, 0]), atol=0.01)
    np.testing.assert_allclose(coarse[:N_MAIN, 1], fine[:N_MAIN, 1], atol=0.004)


def test_mass_never_falls_and_ends_are_kept() -> None:
    raw = invented()
    table = resample_isochrone(raw, np.log10(1.2))
    assert np.all(np.diff(table[:, 0]) >= 0)
    np.testing.assert_allclose(table[0], raw.table()[0])
    assert table[-1, 0] == pytest.approx(raw.m_ini[-1])


def test_absent_phases_collapse_onto_the_last_point() -> None:
    table = resample_isochrone(invented(giants=False), np.log10(1.2))
    np.testing.assert_array_equal(table[N_MAIN:], np.repeat(table[N_MAIN - 1 : N_MAIN], len(table) - N_MAIN, axis=0))


def test_the_same_point_is_the_same_stage() -> None:
    # Two ages with other turn-on and turn-off masses: the hook and the bump keep their indices.
    tables = [
        resample_isochrone(invented(mass_on=on, mass_off=off), np.log10(on)) for on, off in ((1.2, 4.0), (1.1, 3.6))
    ]
    for table, on in zip(tables, (1.2, 1.1), strict=True):
        edges = np.cumsum([0, *EEP_LAYOUT[0][1]])
        assert table[edges[2], 0] == pytest.approx(on, rel=0.01)
        hook = slice(edges[4], edges[6] + 1)
        assert np.argmin(table[hook, 1]) == pytest.approx(edges[6] - edges[4], abs=2) or (
            np.argmin(table[edges[5] : edges[7], 1]) + edges[5] == pytest.approx(edges[6], abs=2)
        )
