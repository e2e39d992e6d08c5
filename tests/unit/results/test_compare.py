from __future__ import annotations

import random

import numpy as np
import pytest
from scipy.stats import chi2, kstest
from unit.photometry.fuzzing import mutated
from unit.photometry.samples import SOURCES, SUMMARY
from unit.results.synthetic import TRUTH, make_result

from clusterbayes.errors import ClusterBayesError, InputError, SettingsError
from clusterbayes.results.compare import (
    Answer,
    central_level,
    compare,
    compare_class,
    joint_level,
    read_summaries,
)

GOOD = {"log_age": 9.18, "mh": 0.05, "distance": 832.0, "ebv": 0.068}
HEADER = SUMMARY.splitlines()[0]


@pytest.fixture(scope="module")
def result():
    return make_result()


def summary(path, *answers):
    """Write a summary whose rows have a name, distance, log_age, metallicity, e(b-v)."""
    rows = [f"{name},open,9,1,1,174.06,-61.61,294.119,0,0.1,-6,1,0.2,{rest}" for name, rest in answers]
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def test_central_levels():
    draws = np.arange(1000.0)
    assert central_level(draws, 499.5) == 0.0
    assert central_level(draws, 949.5) == pytest.approx(0.9)
    assert central_level(draws, 49.5) == pytest.approx(0.9)
    assert central_level(draws, 2000.0) == central_level(draws, -1.0) == 1.0


@pytest.mark.parametrize("radius", [0.5, 1.5, 2.5, 3.5])
def test_joint_level_of_a_normal_posterior_is_that_of_its_ellipse(radius):
    mix = np.array([[1.0, 0.0, 0.0], [0.8, 0.3, 0.0], [-5.0, 2.0, 0.7]])
    point = mix @ [0, radius, 0] + 7.0
    found = [joint_level(np.random.default_rng(seed).normal(size=(1000, 3)) @ mix.T + 7.0, point) for seed in range(8)]
    levels, distances = np.array(found).T
    assert distances.mean() == pytest.approx(radius, abs=0.05)
    # One level scatters by 0.04, by the draws' mean and by the estimate of their density.
    assert levels.mean() == pytest.approx(chi2.cdf(radius**2, 3), abs=0.05)


def bent(rng, n):
    """Draws along a ring: nothing lies at their mean."""
    angle, radius = rng.uniform(0, 2 * np.pi, n), rng.normal(1.0, 0.05, n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def test_joint_level_of_the_truth_is_even_whatever_the_shape():
    rng = np.random.default_rng(2)
    levels = [joint_level(bent(rng, 150), bent(rng, 1)[0])[0] for _ in range(400)]
    assert kstest(levels, "uniform").pvalue > 0.01
    # The distance from the mean would take the ring's empty middle for its peak.
    assert joint_level(bent(rng, 1000), np.zeros(2)) == (1.0, pytest.approx(0.0, abs=0.1))


def test_copies_of_draws_do_not_move_a_level():
    rng = np.random.default_rng(3)
    draws = rng.normal(size=(600, 4))
    point = np.array([1.5, 0.0, 1.5, 0.0])
    once, thrice = joint_level(draws, point)[0], joint_level(np.repeat(draws, 3, axis=0), point)[0]
    assert thrice == pytest.approx(once, abs=0.05)


def test_a_good_answer_is_inside(result):
    found = compare(result, Answer("mine", GOOD))
    assert [placed.name for placed in found.parameters] == list(GOOD)
    assert all(placed.level < 0.3 for placed in found.parameters)
    assert found.level < 0.3
    assert 0 < found.level_error < 0.2
    assert "mine: log_age, mh, distance and ebv together lie inside the 68% region" in found.sentence()


def test_a_bad_answer_is_told_which_value_is_farthest_off(result):
    found = compare(result, Answer("", {**GOOD, "ebv": 0.11, "distance": 3000.0}))
    assert found.level == 1.0
    assert "beyond every draw" in found.sentence()
    assert "The farthest off is distance, too high." in found.sentence()


def test_values_that_fit_alone_need_not_fit_together(result):
    # Age and metallicity go in opposite directions in this posterior.
    found = compare(result, Answer("", {"log_age": TRUTH["log_age"] + 0.036, "mh": TRUTH["mh"] + 0.072}))
    assert max(placed.level for placed in found.parameters) < 0.9 < found.level
    assert "it is their combination" in found.sentence()


def test_one_value_alone(result):
    found = compare(result, Answer("", {"log_age": 9.2}))
    assert found.level == found.parameters[0].level
    assert found.sentence().startswith("log_age lies inside the 68% region")


@pytest.mark.parametrize(("one", "other"), [
    ({"distance": 850.0}, {"dist_mod": 5 * np.log10(850.0) - 5}),
    ({"ebv": 0.08}, {"a_v": 0.248}),
    ({"age_gyr": 1.45}, {"log_age": np.log10(1.45e9)}),
])  # fmt: skip
def test_the_same_answer_in_other_words_has_the_same_level(result, one, other):
    assert compare(result, Answer("", one)).level == pytest.approx(compare(result, Answer("", other)).level, abs=1e-9)


def test_what_was_held_is_not_compared(result):
    found = compare(result, Answer("", {"log_age": 9.2, "alpha_1": 1.0}))
    assert [placed.name for placed in found.parameters] == ["log_age"]
    assert found.notes == ("alpha_1 was held at 1.3 in the fit: not compared",)


@pytest.mark.parametrize(("values", "told"), [
    ({"log_aeg": 9.0}, "log_age"),
    ({"distance": 800.0, "dist_mod": 9.5}, "say the same thing"),
    ({"distance": -2.0}, "above 0"),
    ({"mh": np.inf}, "finite"),
    ({"alpha_1": 1.3}, "was held"),
    ({"binary_frac": 0.4, "log_age": 9.0, "binary_frac_q05": 0.2}, "follow from the others"),
    ({}, "nothing can be compared"),
])  # fmt: skip
def test_impossible_answers(result, values, told):
    with pytest.raises(SettingsError, match=told):
        compare(result, Answer("", values))


def test_a_summary_is_read_in_our_units_and_its_longitude_is_checked(tmp_path):
    (tmp_path / "s.csv").write_text(SUMMARY)
    (answer,) = read_summaries(tmp_path / "s.csv")
    assert answer.name == "NGC 3766"
    assert answer.values == pytest.approx({"log_age": 7.3, "mh": -0.05, "distance": 1980.0, "ebv": 0.2})
    assert answer.notes == ("l is 294.118, not 114.119, at this right ascension and declination",)
    assert read_summaries(summary(tmp_path / "t.csv", ("x", "1,7,,")))[0] == Answer(
        "x", {"log_age": 7.0, "distance": 1000.0}
    )


@pytest.mark.parametrize(("text", "values", "lacking"), [
    ("name,distance,log_age\nann,2.1,9.4\n", {"log_age": 9.4, "distance": 2100.0}, "metallicity, e(b-v)"),
    ("Metallicity, E(B-V)\n-0.1,0.2\n", {"mh": -0.1, "ebv": 0.2}, "log_age, distance"),
])  # fmt: skip
def test_a_summary_of_fewer_columns_is_read_in_those_that_it_has(tmp_path, text, values, lacking):
    (tmp_path / "s.csv").write_text(text)
    (answer,) = read_summaries(tmp_path / "s.csv")
    assert answer.values == pytest.approx(values)
    assert answer.notes == (f"the summary has no column {lacking}",)


def test_a_distance_in_the_other_unit_is_hinted_at(result):
    (hint,) = compare(result, Answer("", {"distance": 0.83})).notes
    assert hint.endswith("if 0.83 is in kpc, give distance=830")
    (hint,) = compare(result, Answer("", {"distance": 832e3})).notes
    assert "summaries of Astromancer have it in kpc" in hint
    assert not compare(result, Answer("", {"distance": 300.0})).notes  # far off, but in pc


def test_a_bad_cell_is_named_with_its_line(tmp_path):
    with pytest.raises(InputError, match=r"s.csv.*line 3.*log_age"):
        read_summaries(summary(tmp_path / "s.csv", ("a", "1,7,,"), ("b", "1,old,,")))


def test_other_tables_are_no_summaries(tmp_path):
    (tmp_path / "s.csv").write_text(SOURCES)
    with pytest.raises(InputError, match="no summary of Astromancer"):
        read_summaries(tmp_path / "s.csv")


def test_damaged_summaries_are_read_or_refused(tmp_path):
    outcomes = set()
    for number in range(200):
        (tmp_path / "s.csv").write_bytes(mutated(random.Random(number), [SUMMARY.encode()]))
        try:
            outcomes.add(type(read_summaries(tmp_path / "s.csv")))
        except ClusterBayesError as error:
            assert "s.csv" in str(error)
            outcomes.add(type(error))
    assert outcomes == {list, InputError}


def test_a_class_is_one_table_and_a_broken_file_is_one_row(result, tmp_path):
    summary(tmp_path / "a.csv", ("ann", "0.832,9.18,0.05,0.068"), ("bob", "3,7,0,0.2"))
    summary(tmp_path / "b.csv", ("cy", ",,,"))
    (tmp_path / "c.csv").write_text("<html>sorry</html>")
    (tmp_path / ".hidden").write_text("")
    table = compare_class(result, tmp_path)
    assert list(table["file"]) == ["a.csv", "a.csv", "b.csv", "c.csv"]
    assert list(table["name"]) == ["ann", "bob", "cy", ""]
    assert list(table["verdict"][:2]) == ["inside the 68% region", "outside the 99% region"]
    assert list(table["verdict"][2:]) == ["not compared"] * 2
    assert "web page" in table["notes"][3]
    np.testing.assert_array_equal(np.isnan(table["level"]), [False, False, True, True])
    assert table["distance"][0] == pytest.approx(832.0)
    with pytest.raises(InputError, match="holds no files"):
        (tmp_path / "empty").mkdir()
        compare_class(result, tmp_path / "empty")
