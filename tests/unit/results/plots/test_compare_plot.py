from __future__ import annotations

import numpy as np
import pytest
from unit.results.synthetic import make_result

from clusterbayes.results.compare import Answer, compare
from clusterbayes.results.plots.compare import plot_comparison, save_comparison


@pytest.mark.parametrize("values", [{"log_age": 9.2}, {"log_age": 7.3, "mh": -0.05, "distance": 1980.0}])
def test_the_answer_is_drawn_over_the_posterior(values, tmp_path):
    result = make_result()
    comparison = compare(result, Answer("mine", values))
    panels = plot_comparison(result, comparison)
    assert panels.shape == (len(values), len(values))
    for k, (name, value) in enumerate(values.items()):
        dashed = [line for line in panels[k, k].lines if line.get_linestyle() == "--"]
        assert any(np.allclose(line.get_xdata(), value) for line in dashed), name
        low, high = panels[k, k].get_xlim()
        assert low < value < high
    words = " ".join(text.get_text() for text in panels[0, 0].figure.texts).replace("\n", " ")
    assert comparison.sentence() in words
    assert "dashed: your answer" in words
    assert save_comparison(tmp_path / "a.svg", result, comparison).stat().st_size > 1000
