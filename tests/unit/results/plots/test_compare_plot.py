from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from unit.results.synthetic import TRUTH, make_result

from clusterbayes.results.compare import Answer, compare
from clusterbayes.results.plots import plot_corner
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


@pytest.mark.parametrize("converged", [True, False])
@pytest.mark.parametrize("names", [["log_age"], ["log_age", "mh"], ["log_age", "mh", "distance"]])
def test_a_picture_of_few_parameters_is_whole_and_nothing_overlaps(names, converged):
    result = make_result(converged=converged)
    answer = Answer("mine", {name: 1.02 * TRUTH[name] for name in names})
    for panels in (plot_corner(result, names), plot_comparison(result, compare(result, answer))):
        figure = panels[0, 0].figure
        figure.draw_without_rendering()
        axes = [ax for ax in panels.ravel() if ax is not None]
        labels = [label for ax in axes for label in (ax.xaxis.label, ax.yaxis.label) if label.get_text()]
        assert len(labels) == 2 * len(names) - 1
        texts = [*figure.texts, *(ax.title for ax in axes), *labels]
        boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text()]
        for word, box in boxes:
            assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, word
            assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1, word
        boxes += [("a panel", ax.get_window_extent()) for ax in axes]
        assert [(a[0], b[0]) for a, b in combinations(boxes, 2) if a[1].overlaps(b[1])] == []
