"""Resampling at equivalent evolutionary points: anchors are found, samplings do not matter, absent phases collapse."""

from __future__ import annotations

import numpy as np
import pytest

from clusterbayes.isochrones.eep import (
    EEP_LAYOUT,
    PHASES,
    RawIsochrone,
    first_ascent_end,
    main_sequence_anchors,
    resample_isochrone,
    turn_on_masses,
)
from clusterbayes.isochrones.paths import phase_codes

N_MAIN = sum(EEP_LAYOUT[0]) + 1
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
    phase = phase_codes(EEP_LAYOUT)
    assert phase.size == sum(sum(counts) + 1 for counts in EEP_LAYOUT.values())
    assert list(dict.fromkeys(phase.tolist())) == list(EEP_LAYOUT) == list(PHASES)
    assert len(resample_isochrone(invented(), np.log10(1.2))) == phase.size


def test_every_second_point_keeps_every_anchor() -> None:
    assert all(count % 2 == 0 for counts in EEP_LAYOUT.values() for count in counts)


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
        edges = np.cumsum([0, *EEP_LAYOUT[0]])
        assert table[edges[2], 0] == pytest.approx(on, rel=0.01)
        hook = slice(edges[4], edges[6] + 1)
        assert np.argmin(table[hook, 1]) == pytest.approx(edges[6] - edges[4], abs=2) or (
            np.argmin(table[edges[5] : edges[7], 1]) + edges[5] == pytest.approx(edges[6], abs=2)
        )


def test_the_first_ascent_ends_at_its_peak_not_at_the_brightest_point() -> None:
    rise, fall, again = np.linspace(2.0, 3.0, 30), np.linspace(3.0, 2.9, 6)[1:], np.linspace(2.9, 3.4, 20)[1:]
    assert first_ascent_end(np.concatenate([rise, fall, again])) == 29
    assert first_ascent_end(rise) == 29
    # A wiggle below the threshold is part of the way up.
    wiggle = np.concatenate([rise, [2.995], np.linspace(3.0, 3.3, 10)])
    assert first_ascent_end(wiggle) == wiggle.size - 1
    # So is a dip near the base: the peak of the clump is not the end.
    assert first_ascent_end(np.concatenate([[2.0, 2.1, 2.05], rise[4:]])) == 28


def late_branch(teff_end: float) -> RawIsochrone:
    """Return an isochrone whose early AGB falls back after its first ascent and then goes on to another temperature."""
    raw = invented()
    agb = np.flatnonzero(raw.label == 7)
    n = 60
    ascent = np.linspace(0.0, 1.0, n)
    teff, lum = raw.log_teff[agb[0]] - 0.06 * ascent, raw.log_lum[agb[0]] + 1.2 * ascent
    back = np.linspace(0.0, 1.0, 12)[1:]
    teff = np.concatenate([teff, teff[-1] + 0.006 * back, teff[-1] + 0.006 + (teff_end - teff[-1] - 0.006) * back])
    lum = np.concatenate([lum, lum[-1] - 0.1 * back, lum[-1] - 0.1 + 0.3 * back])
    first = raw.take(np.arange(agb[0]))
    mass = first.m_ini[-1] * (1.0 + 0.01 * np.linspace(0.0, 1.0, teff.size))
    columns = [
        np.concatenate([a, b])
        for a, b in zip((first.m_ini, first.log_teff, first.log_lum), (mass, teff, lum), strict=True)
    ]
    label = np.append(first.label, np.full(teff.size, 7))
    return RawIsochrone(*columns, 4.4 - columns[2], np.column_stack([-2.5 * columns[2]] * 2), label)


@pytest.mark.parametrize("step", [-0.05, 0.08])
def test_the_early_agb_is_followed_to_its_last_point(step: float) -> None:
    # Both those that go on to the red and those that leave for the blue.
    raw = late_branch(float(invented().log_teff[-1]) + step)
    table = resample_isochrone(raw, np.log10(1.2))
    np.testing.assert_allclose(table[-1, :3], [raw.m_ini[-1], raw.log_teff[-1], raw.log_lum[-1]], rtol=1e-9)
    agb = table[-sum(EEP_LAYOUT[7]) - 1 :]
    peak = sum(EEP_LAYOUT[7][:2])
    assert agb[peak, 2] == pytest.approx(raw.log_lum[-23], abs=0.01)
    assert np.all(np.diff(agb[:peak, 2]) >= 0)


def massive(crossing: bool) -> RawIsochrone:
    """Return a few million years: the hook ends hotter than the turn-off, then come supergiants, if any, and stripping.

    All labels say main sequence, as the source's do at such ages.
    """
    raw = invented(mass_on=2.5, mass_off=86.0, giants=False)
    t = np.linspace(0.0, 1.0, 40)[1:]
    teff, lum, mass = raw.log_teff, raw.log_lum, raw.m_ini
    to_red = [(0.20, 0.03), (3.63 - teff[-1], 0.05), (0.0, 0.1)] if crossing else []
    for warmer, brighter in [*to_red, (5.1 - (3.83 if crossing else teff[-1]), -0.1)]:
        teff, lum = np.append(teff, teff[-1] + warmer * t), np.append(lum, lum[-1] + brighter * t)
        mass = np.append(mass, mass[-1] * (1.0 + 0.005 * t))
    return RawIsochrone(
        mass, teff, lum, 4.4 - lum, np.column_stack([-2.5 * lum, -2.5 * lum - teff]), np.zeros(len(lum))
    )


def test_a_hot_stay_before_the_supergiants_is_not_the_end() -> None:
    raw = massive(crossing=True)
    late = resample_isochrone(raw, np.log10(2.5))[N_MAIN:]
    # The way to the red and the supergiants are there, what is stripped is not.
    assert late[:, 1].min() == pytest.approx(3.83, abs=0.005)
    assert late[-1, 1] < 4.8
    np.testing.assert_allclose(late[:, 2].max(), raw.log_lum.max(), atol=0.01)


def test_without_supergiants_stripping_is_the_end() -> None:
    raw = massive(crossing=False)
    table = resample_isochrone(raw, np.log10(2.5))
    assert raw.log_teff.max() == pytest.approx(5.1)
    assert table[:, 1].max() < 4.75
