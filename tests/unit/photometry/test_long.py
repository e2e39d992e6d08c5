from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st
from unit.photometry.samples import SOURCES, SUMMARY, afterglow, afterglow_row

from clusterbayes.errors import InputError
from clusterbayes.photometry import Photometry
from clusterbayes.photometry.treatment import Treatment

TWO = (afterglow_row("src_1", "B", 14.2498, shift=1.1477), afterglow_row("src_1", "V", 14.043, shift=1.512))


def read(tmp_path, text, **options):
    path = tmp_path / "anything.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Photometry.read(path, **options)


def test_a_batch_of_afterglow_becomes_one_row_a_star(tmp_path):
    photometry = read(tmp_path, afterglow(*TWO, afterglow_row("src_2", "V", 15.5), afterglow_row("src_2", "B", 15.9)))
    assert photometry.pivoted.layout == "Afterglow batch photometry"
    assert photometry.ids.tolist() == ["src_1", "src_2"]
    assert [o.name for o in photometry.observables] == ["B", "V"]
    np.testing.assert_allclose(photometry.values, [[14.2498, 14.043], [15.9, 15.5]], rtol=1e-12)
    np.testing.assert_array_equal(photometry.errors, 0.004)
    np.testing.assert_allclose(photometry.ra, 11.60412 * 15.0, rtol=1e-12)


def test_the_error_of_the_zero_point_is_the_bands_and_not_the_stars(tmp_path):
    rows = [afterglow_row("a", "B", 14.0, zero_point_error=0.02), afterglow_row("a", "V", 13.5, zero_point_error=0.01)]
    photometry = read(tmp_path, afterglow(*rows))
    assert photometry.zero_point_error == pytest.approx({"B": 0.02, "V": 0.01})
    np.testing.assert_array_equal(photometry.errors, 0.004)


def test_repeats_are_combined_by_inverse_variance(tmp_path):
    rows = [
        afterglow_row("a", "B", 14.00, error=0.01),
        afterglow_row("a", "B", 14.02, error=0.02, file_id=102),
        afterglow_row("a", "V", 13.5),
    ]
    photometry = read(tmp_path, afterglow(*rows))
    weight = np.array([1 / 0.01**2, 1 / 0.02**2])
    assert photometry.values[0, 0] == pytest.approx((weight * [14.0, 14.02]).sum() / weight.sum(), abs=1e-12)
    assert photometry.errors[0, 0] == pytest.approx(weight.sum() ** -0.5, rel=1e-12)
    assert photometry.pivoted.combined == 2
    assert photometry.pivoted.scattered == 0


def test_repeats_that_scatter_too_much_are_marked_and_counted(tmp_path):
    rows = [afterglow_row("a", band, mag, error=0.01) for band, mag in (("B", 14.0), ("B", 14.5), ("V", 13.5))]
    rows += [afterglow_row("b", band, mag, error=0.01) for band, mag in (("B", 14.0), ("B", 14.01), ("V", 13.5))]
    photometry = read(tmp_path, afterglow(*rows))
    assert photometry.table["repeat_flag"].tolist() == ["B", ""]
    assert any("1 combined magnitudes scatter" in note for note in photometry.notes)


def test_images_may_differ_by_the_errors_of_their_zero_points(tmp_path):
    mags = (("B", 14.0), ("B", 14.06), ("V", 13.5))
    rows = [afterglow_row("a", band, mag, error=0.01, zero_point_error=0.05) for band, mag in mags]
    assert read(tmp_path, afterglow(*rows)).pivoted.scattered == 0
    rows = [afterglow_row("a", band, mag, error=0.01, zero_point_error=0.0001) for band, mag in mags]
    assert read(tmp_path, afterglow(*rows)).pivoted.scattered == 1


def test_the_mean_right_ascension_is_right_across_zero_hours(tmp_path):
    rows = [
        afterglow_row("a", "B", 14.0, ra_hours=23.9999999, dec=10.0),
        afterglow_row("a", "V", 13.5, ra_hours=0.0000001, dec=10.0),
    ]
    photometry = read(tmp_path, afterglow(*rows))
    distance_from_zero = (photometry.ra[0] + 180.0) % 360.0 - 180.0
    assert abs(distance_from_zero) < 1e-6  # a plain mean would give 180 degrees


def test_a_name_that_means_two_places_is_reported(tmp_path):
    rows = [afterglow_row("a", "B", 14.0), afterglow_row("a", "V", 13.5, dec=-61.7)]
    assert any("positions that differ" in note for note in read(tmp_path, afterglow(*rows)).notes)


def test_all_of_several_repeats_count_not_the_first_or_the_last(tmp_path):
    rows = [afterglow_row("a", "B", mag, error=0.05) for mag in (14.0, 14.1, 14.2)]
    rows += [afterglow_row("a", "V", 13.5)]
    forward = read(tmp_path, afterglow(*rows))
    backward = read(tmp_path, afterglow(*rows[::-1]))
    assert forward.values[0, 0] == pytest.approx(14.1, abs=1e-9)
    np.testing.assert_allclose(forward.values, backward.values, rtol=1e-12)


def test_raw_magnitudes_are_refused_unless_asked_for(tmp_path):
    text = afterglow(afterglow_row("a", "B", 14.0, shift=None), afterglow_row("a", "V", 13.5, shift=None))
    with pytest.raises(InputError, match="no magnitude is calibrated.*--instrumental"):
        read(tmp_path, text)
    photometry = read(tmp_path, text, treatment=Treatment(instrumental=True))
    np.testing.assert_allclose(photometry.values, [[14.0, 13.5]])
    assert any("instrumental" in note for note in photometry.notes)


def test_rows_without_calibration_among_others_are_counted(tmp_path):
    text = afterglow(*TWO, afterglow_row("src_2", "B", 15.0, shift=None))
    assert read(tmp_path, text).pivoted.dropped == {"not calibrated": 1}


def test_filters_that_are_not_understood_are_listed(tmp_path):
    rows = [*TWO, afterglow_row("src_1", "Open", 12.0), afterglow_row("src_1", "Lum", 12.0)]
    rows += [afterglow_row("src_1", "gprime", 14.1), afterglow_row("src_1", "Rc", 13.8)]
    photometry = read(tmp_path, afterglow(*rows))
    assert photometry.pivoted.dropped == {"filter not understood: Open": 1, "filter not understood: Lum": 1}
    assert any("gprime as SDSS_g" in note and "Rc as R" in note for note in photometry.notes)


def test_only_unknown_filters_are_an_error_that_names_them(tmp_path):
    with pytest.raises(InputError, match="none of the filters is understood: Open, Lum"):
        read(tmp_path, afterglow(afterglow_row("a", "Open", 12.0), afterglow_row("a", "Lum", 12.0)))


@pytest.mark.parametrize("bad", [0, -0.01])
def test_bad_errors_are_refused_with_the_line_or_raised_to_a_floor(tmp_path, bad):
    text = afterglow(*TWO, afterglow_row("src_2", "B", 15.0, error=bad))
    with pytest.raises(InputError, match="line 4.*mag_error.*row 2.*--error-floor") as raised:
        read(tmp_path, text)
    assert (raised.value.line, raised.value.row) == (4, 2)
    photometry = read(tmp_path, text, treatment=Treatment(error_floor=0.02))
    np.testing.assert_array_equal(photometry.errors[:, 0], 0.02)


def test_errors_after_the_pivot_name_the_row_of_the_input(tmp_path):
    text = afterglow(*TWO, afterglow_row("src_2", "B", 15.0, dec=95.0))
    with pytest.raises(InputError, match="line 4.*dec_degs.*row 2"):
        read(tmp_path, text)


def test_an_upload_may_have_any_order_and_further_columns(tmp_path):
    text = "comment,dec_degs,mag_error,filter,id,calibrated_mag,ra_hours\n"
    text += "x,-61.6,0.01,BP,0012,14.2,11.6\ny,-61.6,0.01,RP,0012,13.8,11.6\nz,-61.6,0.01,G,0012,14.0,11.6\n"
    photometry = read(tmp_path, b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert photometry.pivoted.layout == "Astromancer upload"
    assert photometry.ids.tolist() == ["0012"]  # text, with its zeros
    assert [o.name for o in photometry.observables] == ["Gaia_BP", "Gaia_G", "Gaia_RP"]
    np.testing.assert_allclose(photometry.values, [[14.2, 14.0, 13.8]])
    np.testing.assert_allclose(photometry.ra, 174.0)


def test_long_identifiers_keep_all_their_digits(tmp_path):
    text = "id,filter,calibrated_mag,mag_error\n"
    text += "".join(f"{star},{band},14,0.01\n" for star in (5337671459348160512, 5337671459348160513) for band in "BV")
    assert read(tmp_path, text).ids.tolist() == ["5337671459348160512", "5337671459348160513"]


def test_names_may_be_mapped(tmp_path):
    text = "star,Band,m,e\na,B,14.0,0.01\na,V,13.5,0.01\n"
    columns = {"star": "id", "Band": "filter", "m": "calibrated_mag", "e": "mag_error"}
    np.testing.assert_allclose(read(tmp_path, text, columns=columns).values, [[14.0, 13.5]])
    with pytest.raises(InputError, match="can't be mapped to 'V'"):
        read(tmp_path, text, columns={**columns, "m": "V", "Band": "filter", "e": "mag"})


def test_a_default_serves_measurements_without_an_error(tmp_path):
    text = afterglow(afterglow_row("a", "B", 14.0, error=""), afterglow_row("a", "V", 13.5))
    photometry = read(tmp_path, text, default_error=0.03)
    np.testing.assert_allclose(photometry.errors, [[0.03, 0.004]])


def test_sources_of_astromancer_are_a_wide_table(tmp_path):
    photometry = read(tmp_path, SOURCES, observables="B,V")
    assert photometry.pivoted is None
    np.testing.assert_allclose(photometry.values, [[14.2498, 14.043], [17.031, np.nan]])


def test_a_summary_is_no_table_of_stars(tmp_path):
    with pytest.raises(InputError, match="summary of clusters.*fit the table of the stars"):
        read(tmp_path, SUMMARY)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["B", "V"]), st.floats(8, 20), st.floats(0.001, 0.5)),
        min_size=1,
        max_size=12,
    )
)
def test_any_order_and_number_of_repeats_agrees_with_a_plain_loop(rows):
    table = Table(rows=rows, names=("id", "filter", "calibrated_mag", "mag_error"))
    photometry = Photometry.from_table(_with_both_bands(table))
    for row, star in enumerate(photometry.ids):
        for column, band in enumerate(("B", "V")):
            mine = [(m, e) for i, f, m, e in _with_both_bands(table).as_array().tolist() if (i, f) == (star, band)]
            weight = np.array([e**-2 for _, e in mine])
            mean = np.sum(weight * [m for m, _ in mine]) / weight.sum()
            assert photometry.values[row, column] == pytest.approx(mean, abs=1e-9)
            assert photometry.errors[row, column] == pytest.approx(weight.sum() ** -0.5, rel=1e-9)


def _with_both_bands(table):
    table = table.copy()
    for star in dict.fromkeys(table["id"].tolist()):
        for band in ("B", "V"):
            table.add_row((star, band, 15.0, 0.1))
    return table
