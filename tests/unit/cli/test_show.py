from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console
from unit.results.synthetic import TRUTH, make_result

from clusterbayes.cli.show import comparison_table, count_inside, print_report, rounded, summary_table


@pytest.fixture(scope="module")
def result():
    return make_result(n_member=30, n_field=10, n_unused=4)


def shown(thing, width=80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(thing)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("value", "spread", "text"),
    [(9.1789, 0.0234, "9.179"), (831.8, 15.0, "832"), (0.5, 0.0, "0.5"), (np.nan, 1.0, "-"), (-0.0134, 0.2, "-0.01")],
)
def test_numbers_are_rounded_by_their_spread(value, spread, text):
    assert rounded(value, spread) == text


def test_tables_fit_a_narrow_terminal(result):
    for table in (summary_table(result), comparison_table(result, TRUTH)):
        assert "…" not in shown(table)


def test_summary_shows_the_main_parameters(result):
    text = shown(summary_table(result))
    for name in ("log_age", "mh", "dist_mod", "distance", "a_v", "ebv", "binary_frac_q05", "member_frac"):
        assert name in text
    assert "outlier_frac" not in text


def test_truths_are_counted_by_rank(result):
    draw = result.draws["mh"]
    for mass in (0.0, 0.5, 0.89):
        truth = {"mh": float(np.quantile(draw, 0.5 + mass / 2))}
        assert count_inside(result, truth)["mh"] == pytest.approx(mass, abs=3 / draw.size)
    assert count_inside(result, {"mh": -99.0}) == {"mh": 1.0}
    assert count_inside(result, {"distance": 800.0}) == {}  # derived: dist_mod says it already
    assert "outside 90 %" in shown(comparison_table(result, {"mh": -99.0}))


def test_report(result, tmp_path):
    (tmp_path / "cmd.png").touch()
    console = Console(file=io.StringIO(), width=100)
    print_report(console, result, tmp_path)
    text = console.file.getvalue()
    assert f"{result.counts['used']} of {result.counts['input']} rows used" in text
    assert "not used: 2 (fainter than the limit)" in text
    assert "Converged" in text
    assert "cmd.png" in text
    assert "values are invented" in text
