"""Bars, lines and a notebook's cell: what they show, how often, and how much time they say is left."""

from __future__ import annotations

import io
import sys
import time
import types

import pytest
from rich.console import Console

from clusterbayes.cli import progress as command_line
from clusterbayes.inference import displays
from clusterbayes.inference.displays import BarProgress, LineProgress, NotebookProgress, progress_for
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


def drawn(use, clock=time.monotonic) -> str:
    stream = io.StringIO()
    use(BarProgress(Console(file=stream, force_terminal=True, width=100, color_system=None), clock))
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


def test_bars_tell_the_time_left_however_seldom_a_stage_reports():
    clock = Clock()

    def use(progress):
        progress.stage("sample", 4, 8)
        progress.update(30.0, "burn-in 80 steps")
        clock.now += 100
        progress.update(50.0, "20 steps")
        progress.close()

    assert "about 4 min left, 20 steps" in drawn(use, clock)


def test_bars_may_be_closed_without_a_stage():
    drawn(lambda progress: progress.close())
    drawn(lambda progress: progress.update(3.0))


def test_a_stage_taken_up_in_the_middle_is_not_said_to_be_over_soon():
    """It was at 60 % when it began ten seconds ago, and is at 70 % now: thirty seconds are left."""
    lines, clock = [], Clock()
    progress = LineProgress(lines.append, every=10.0, clock=clock)
    progress.stage("sample", 4, 8)
    progress.update(60.0, "going on")
    clock.now += 10
    progress.update(70.0)
    assert lines[-1].endswith("sample: 70 %, about 30 s left")


def test_hours_of_updates_are_few_lines():
    lines, clock = [], Clock()
    progress = LineProgress(lines.append, clock=clock)
    progress.stage("sample", 4, 8)
    for _ in range(7200):
        clock.now += 0.5
        progress.update(20.0, "burn-in")
    assert 355 <= len(lines) <= 361
    assert "left" not in lines[-1]  # nothing is known of the pace


def test_long_times_are_minutes():
    lines, clock = [], Clock()
    progress = LineProgress(lines.append, clock=clock)
    progress.stage("sample", 4, 8)
    progress.update(0.0)
    clock.now += 60
    progress.update(10.0)
    assert lines[-1].endswith("10 %, about 9 min left")


def test_a_notebook_shows_one_bar():
    shown, clock = [], Clock()
    progress = NotebookProgress(shown.append, clock)
    progress.close()
    assert shown == []
    progress.stage("load_grid", 2, 8)
    progress.update(10.0)
    clock.now += 10
    progress.update(140.0, "<b>12 ages")
    progress.stage("sample", 4, 8)
    clock.now += 5
    progress.update(0.0)
    clock.now += 5
    progress.update(50.0)
    progress.close()
    assert "3/8 load grid" in shown[0] and 'value="100.0"' in shown[2] and "&lt;b&gt;12 ages" in shown[2]
    assert "5/8 sample" in shown[-2] and "50 %, 20 s in all, about 10 s left" in shown[-2]
    assert "ended after 20 s" in shown[-1]


class Shown:
    """Stands for IPython's display of one output that can be replaced."""

    outputs: list[list[str]] = []

    def __init__(self, content):
        self.outputs.append([content])

    def update(self, content):
        self.outputs[-1].append(content)


@pytest.fixture
def notebook(monkeypatch):
    """A kernel, as far as the displays can tell."""
    shell = types.ModuleType("IPython")
    shell.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    inner = types.ModuleType("IPython.display")
    inner.HTML, inner.display = str, lambda content, display_id: Shown(content)
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", inner)
    monkeypatch.setattr(Shown, "outputs", [])


def test_in_a_notebook_the_cell_is_written_over(notebook):
    progress = progress_for()
    progress.stage("search", 3, 8)
    progress.update(50.0)
    progress.close()
    assert isinstance(progress, NotebookProgress)
    assert [len(output) for output in Shown.outputs] == [3]


def test_a_shell_without_a_kernel_is_no_notebook(monkeypatch):
    shell = types.ModuleType("IPython")
    shell.get_ipython = lambda: types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "IPython", shell)
    assert not displays.in_notebook()
    shell.get_ipython = lambda: None
    assert not displays.in_notebook()


@pytest.mark.parametrize(("terminal", "kind"), [(True, BarProgress), (False, LineProgress)])
def test_the_display_suits_the_place(terminal, kind):
    console = Console(file=io.StringIO(), force_terminal=terminal)
    assert type(progress_for(console)) is kind
    assert type(command_line.progress_for(False, console)) is kind
    assert type(command_line.progress_for(True, console)) is QuietProgress


@pytest.mark.parametrize(
    "make",
    [QuietProgress, lambda: LineProgress(print), lambda: BarProgress(Console(quiet=True)),
     lambda: NotebookProgress(print)],
)  # fmt: skip
def test_all_have_the_same_interface(make, capsys):
    progress = make()
    progress.stage("sample", 0, 1)
    progress.update(10.0)
    progress.update(20.0, "text")
    progress.close()
