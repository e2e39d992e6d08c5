"""The report in a real browser: it asks for nothing, complains of nothing, and does what it says."""

from __future__ import annotations

import os

import pytest
from integration.browser import Browser, find_chromium
from unit.model.mocks import GRID, mock_table

from clusterbayes.inference import SamplingOptions, fit_cluster
from clusterbayes.photometry import Photometry
from clusterbayes.results.report import write_report

TIP = "document.getElementById('tip')"
# Where a star is drawn: found by going over the canvas until the page names one.
SEARCH = """
(function () {
  const canvas = document.getElementById("canvas"), tip = document.getElementById("tip");
  const frame = canvas.getBoundingClientRect();
  for (let y = 40; y < frame.height - 80; y += 8) {
    for (let x = 80; x < frame.width - 40; x += 8) {
      canvas.dispatchEvent(new PointerEvent("pointermove", {clientX: frame.left + x, clientY: frame.top + y}));
      if (!tip.hidden) {
        canvas.dispatchEvent(new PointerEvent("pointerleave", {}));
        return [frame.left + x, frame.top + y];
      }
    }
  }
})()
"""
SLIDE = """
(function (value) {
  const slider = document.getElementById("threshold");
  slider.value = value;
  slider.dispatchEvent(new Event("input"));
  return document.getElementById("count").textContent;
})(%g)
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if find_chromium() is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium is installed (Debian: apt-get install chromium)")
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        found.size(1366, 900)
        yield found


@pytest.fixture(scope="module")
def result():
    """A fit of a small simulated cluster, ended early."""
    stars = Photometry.from_table(mock_table(50, 15, seed=8), observables=["G", "BP", "RP"])
    sampling = SamplingOptions(max_steps=30, burn_rounds=2, burn_steps=8, n_threads=2)
    known = {"log_age": "normal(8.7,0.05)", "mh": "normal(-0.1,0.05)", "dist_mod": "normal(9,0.1)"}
    options = {"model_error": "none", "mag_limit": "Gaia_G=16", "priors": known, "seed": 1}
    return fit_cluster(stars, grid=GRID, sampling=sampling, fixed={"alpha_1": 1.3, "alpha_2": 2.3}, **options)


@pytest.fixture(scope="module")
def written(result, tmp_path_factory):
    return write_report(result, tmp_path_factory.mktemp("report") / "report.html", title="Mock & <cluster>")


@pytest.fixture
def page(browser, written):
    browser.open(written.as_uri())
    browser.run("document.getElementById('diagram').scrollIntoView()")
    return browser


def expected(result, threshold):
    p = result.p_member[~(result.p_member != result.p_member)].round(3)
    return int((p >= threshold).sum()), len(p)


def test_the_page_asks_for_nothing_and_complains_of_nothing(page, result):
    assert page.run("document.title").startswith("Mock & <cluster>")
    assert page.run("document.images.length") >= 8
    assert page.run("Array.from(document.images).every((one) => one.naturalWidth > 300)")
    page.run(SLIDE % 0.9)
    page.run(SEARCH)
    assert len(page.requests()) == 1
    assert page.requests()[0].startswith("file://")
    assert page.complaints() == []


def test_complaints_and_requests_are_seen(page):
    """The test above would notice."""
    page.run("console.error('odd'); fetch('http://127.0.0.1:9/').catch(() => 0)")
    page.run("setTimeout(() => { throw new Error('late'); }, 0)")
    page.run("new Promise((done) => setTimeout(done, 100))")
    text = " ".join(page.complaints())
    assert "odd" in text
    assert "late" in text
    assert "Content Security Policy" in text


def test_hovering_names_a_star(page, result):
    at = page.run(SEARCH)
    assert at is not None
    assert page.run(f"{TIP}.hidden")
    page.point_at(*at)
    name, *lines = page.run(f"{TIP}.textContent").split("\n")
    row = list(result.stars["id"]).index(name)
    assert lines[0] == f"Gaia G {result.stars['Gaia_G'][row]:.3f}"
    assert lines[-1] == f"member with probability {result.p_member[row]:.3f}"
    page.point_at(2, 2)
    assert page.run(f"{TIP}.hidden")


def test_the_slider_says_what_counts_as_a_member(page, result):
    pixels = "document.getElementById('canvas').toDataURL().length"
    for threshold in (0.0, 0.37, 1.0):
        count, of = expected(result, threshold)
        assert page.run(SLIDE % threshold).startswith(f"{count} of {of} stars count as members")
        assert page.run("document.getElementById('threshold-value').textContent") == f"{threshold:.2f}"
    few = page.run(pixels)
    page.run(SLIDE % 0.5)
    assert page.run(pixels) != few


def test_the_keyboard_does_what_the_mouse_does(page, result):
    page.run("document.getElementById('threshold').focus()")
    before = page.run("document.getElementById('count').textContent")
    for _ in range(40):
        page.press("ArrowRight")
    assert page.run("document.getElementById('threshold').value") == "0.9"
    assert page.run("document.getElementById('count').textContent") != before
    page.run("document.getElementById('canvas').focus()")
    page.press("ArrowDown")
    first = page.run("document.getElementById('star').textContent")
    page.press("ArrowDown")
    second = page.run("document.getElementById('star').textContent")
    magnitudes = [
        result.stars["Gaia_G"][list(result.stars["id"]).index(text.split(",")[0])] for text in (first, second)
    ]
    assert magnitudes[0] <= magnitudes[1]
    page.press("Escape")
    assert page.run(f"{TIP}.hidden")


def test_other_bands_can_be_chosen(page):
    names = page.run("Array.from(document.getElementById('pair').options).map((one) => one.text)")
    assert names == ["Gaia BP − Gaia RP, Gaia G", "Gaia BP − Gaia G, Gaia G", "Gaia G − Gaia RP, Gaia G"]
    drawn = page.run("document.getElementById('canvas').toDataURL()")
    page.run("document.getElementById('pair').selectedIndex = 1")
    page.run("document.getElementById('pair').dispatchEvent(new Event('change'))")
    assert page.run("document.getElementById('canvas').toDataURL()") != drawn


@pytest.mark.parametrize("width", [360, 768, 1366])
def test_nothing_sticks_out(page, width):
    page.size(width, 800)
    try:
        assert page.run("document.documentElement.scrollWidth") <= width
        assert page.run("document.getElementById('canvas').clientWidth") > 0.6 * min(width, 700)
    finally:
        page.size(1366, 900)


def test_without_scripts_the_rest_is_there(page):
    url = page.run("location.href")
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.open(url)
        tree = str(page.call("DOM.getDocument", depth=-1))
    finally:
        page.call("Emulation.setScriptExecutionDisabled", value=False)
    assert "With JavaScript, an interactive diagram stands here" in tree
    assert "Not converged" in tree
    assert "log_age" in tree


def test_everything_that_is_worked_with_has_a_name(page):
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    roles = {"slider", "combobox", "checkbox", "image", "img", "table", "link", "region"}
    named = [node for node in nodes if node.get("role", {}).get("value") in roles]
    assert {"slider", "combobox", "checkbox"} <= {node["role"]["value"] for node in named}
    nameless = [node["role"]["value"] for node in named if not node.get("name", {}).get("value")]
    assert [role for role in nameless if role != "table"] == []
