from __future__ import annotations

import io

import pytest
from rich.console import Console

from clusterbayes.cli.progress import BarProgress, LineProgress, progress_for
from clusterbayes.inference.progress import QuietProgress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_lines_are_few_and_tell_the_time_left():
    lines, clock = [], Clock()
    progress = LineProgress(lines.append, every=10.0, clock=clock)
    progress.stage("load_grid", 2, 8)
    clock.now += 1
    progress.stage("sample", 4, 8)
    for step in range(100):
        clock.now += 1
        progress.update(step + 1.0, f"{step + 1} steps")
    progress.close()
    assert lines[0] == "[   0.0 s] 3/8 load grid"
    assert lines[1] == "[   1.0 s] 5/8 sample"
    assert lines[2] == "[  11.0 s] 5/8 sample: 10 %, about 90 s left, 10 steps"
    assert len(lines) == 12


def test_lines_survive_a_percentage_of_zero():
    lines, clock = [], Clock()
    progress = LineProgress(lines.append, every=0.0, clock=clock)
    progress.stage("search", 3, 8)
    progress.update(0.0)
    assert lines[-1].endswith("search: 0 %")


def drawn(use) -> str:
    stream = io.StringIO()
    use(BarProgress(Console(file=stream, force_terminal=True, width=100, color_system=None)))
    return stream.getvalue()


def test_bars_show_stage_and_message():
    def use(progress):
        progress.stage("search", 3, 8)
        progress.update(40.0, "12 ages")
        progress.stage("sample", 4, 8)
        progress.update(140.0, "[not markup")
        progress.close()
        progress.close()

    text = drawn(use)
    assert "4/8 search" in text
    assert "5/8 sample" in text
    assert "[not markup" in text
    assert "100 %" in text


def test_bars_may_be_closed_without_a_stage():
    drawn(lambda progress: progress.close())
    drawn(lambda progress: progress.update(3.0))


@pytest.mark.parametrize(
    ("quiet", "terminal", "kind"),
    [(True, True, QuietProgress), (False, True, BarProgress), (False, False, LineProgress)],
)
def test_the_display_suits_the_place(quiet, terminal, kind):
    console = Console(file=io.StringIO(), force_terminal=terminal)
    assert type(progress_for(quiet, console)) is kind


@pytest.mark.parametrize("make", [QuietProgress, lambda: LineProgress(print), lambda: BarProgress(Console(quiet=True))])
def test_all_have_the_same_interface(make, capsys):
    progress = make()
    progress.stage("sample", 0, 1)
    progress.update(10.0)
    progress.update(20.0, "text")
    progress.close()
