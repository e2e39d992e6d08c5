"""What the report says and what it holds; how it behaves in a browser is an integration test."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from unit.results.synthetic import make_result

from clusterbayes.results import FitResult
from clusterbayes.results.checks import Check, checks_document
from clusterbayes.results.report import report_html, write_report
from clusterbayes.results.report.citing import bibtex, references
from clusterbayes.results.report.diagram import diagram_data
from clusterbayes.results.report.words import parameter_rows, provenance_rows, sentences, verdict, warnings

DRAWN = dict.fromkeys(
    ("residuals", "cmds", "hr", "hess", "membership", "dereddening", "corner", "traces", "luminosity", "mass"), b"png"
)


class Page(HTMLParser):
    """Collects what is open at each tag, texts by element, and every address."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.ids, self.labels, self.images, self.tags = [], [], set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        self.addresses += [values[name] for name in ("src", "href", "action") if name in values]
        self.ids += [values["id"]] if "id" in values else []
        self.labels |= {values["for"]} if tag == "label" and "for" in values else set()
        self.images += [values] if tag == "img" else []


def changed(result, **pieces):
    return FitResult(**{**{name: getattr(result, name) for name in result.__dataclass_fields__}, **pieces})


@pytest.fixture(scope="module")
def result():
    return make_result()


@pytest.fixture(scope="module")
def html(result):
    return report_html(result, title="Mock", drawn=DRAWN)


def test_the_page_points_at_itself_only(html):
    page = Page(html)
    assert all(url.startswith(("#", "data:")) for url in page.addresses)
    assert {url[1:] for url in page.addresses if url.startswith("#")} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    assert "default-src 'none'" in html
    assert len(page.images) == len(DRAWN)
    assert all(image["alt"] for image in page.images)
    assert {"pair", "threshold"} <= page.labels
    assert "url(" not in html


def test_the_verdict_comes_first():
    good, bad = (report_html(make_result(converged=way), drawn=DRAWN) for way in (True, False))
    assert good.index("Converged: ") < good.index("In numbers")
    assert bad.index("Not converged: do not rely") < bad.index("50 are wanted") < bad.index("In numbers")
    assert "Not converged" not in good


def test_what_users_wrote_is_never_markup(result):
    stars = result.stars.copy()
    stars["id"] = [f"</script><b>{n}" for n in range(len(stars))]
    text = report_html(changed(result, stars=stars, notes=["<i>odd</i>"]), title="<h1>&", drawn=DRAWN)
    assert "<b>" not in text
    assert "<i>" not in text
    assert "&lt;h1&gt;&amp;" in text
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL).group(1)
    assert json.loads(data)["ids"][0].startswith("</script><b>")


def test_what_can_not_be_drawn_is_said(result):
    text = report_html(result, drawn=DRAWN)
    assert "Not drawn (3)" in text
    assert "the stars have no parallaxes with errors" in text


def test_checks_are_shown_as_validation_writes_them(result, html):
    assert 'id="checks"' not in html
    check = Check("red_clump", "Core helium <burning> stars", "Late phases are wrong.", 0.0312, (5.0,), (9.0,), (2.0,))
    text = report_html(result, drawn=DRAWN, checks=checks_document([check]))
    assert 'id="checks"' in text
    without = report_html(result, drawn=DRAWN, checks=checks_document([]))
    assert "<strong>unchecked</strong>" in without and "What a small share points at" not in without
    for words in ("Core helium &lt;burning&gt; stars", "0.031", "Late phases are wrong.", "<strong>fair</strong>"):
        assert words in text


def test_the_report_is_written_whole(result, tmp_path):
    path = write_report(result, tmp_path, drawn=DRAWN)
    assert path == tmp_path / "report.html"
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
    assert write_report(result, tmp_path / "deep" / "r.html", drawn=DRAWN).is_file()


def test_numbers_are_those_of_the_summary(result):
    rows = {row.name: row for row in parameter_rows(result)}
    summary = result.summary()["log_age"]
    assert rows["log_age"].median == f"{summary['median']:.3f}"
    assert rows["log_age"].central == f"{summary['q16']:.3f} to {summary['q84']:.3f}"
    assert rows["log_age"].prior == "uniform(6.6,10.13)"
    assert rows["alpha_1"].central == "held"
    assert [row.name for row in parameter_rows(result)][:3] == ["log_age", "age_gyr", "mh"]
    assert rows.keys() == result.summary().keys()


def test_sentences_say_the_numbers(result):
    text = " ".join(sentences(result))
    age = np.median(10.0 ** (result.draws["log_age"] - 9.0))
    assert f"{age:.2f}" in text
    assert "billion years old" in text
    assert f"{np.nansum(result.p_member):.0f} are expected to be members" in text
    young = changed(result, draws={**result.draws, "log_age": result.draws["log_age"] - 2.0})
    assert "million years old" in sentences(young)[0]


def test_held_parameters_are_said_without_a_range(result):
    draws = {name: draw for name, draw in result.draws.items() if name != "a_v"}
    held = changed(result, draws=draws, provenance={**result.provenance, "fixed": {"a_v": 0.3}})
    assert "Dust on the way dims it by 0.3 magnitudes in V." in sentences(held)


def test_warnings_about_edges_and_about_priors_that_say_it_all(result):
    def warned(**priors):
        known = {**result.provenance, "priors": {name: spec for name, spec in priors.items()}}
        return warnings(changed(result, provenance=known))

    assert warned(log_age="uniform(6,10.2)") == []
    (edge,) = warned(log_age="uniform(9.17,10)")
    assert "lower edge" in edge
    (little,) = warned(mh="normal(0.05,0.05)")
    assert "the data say little" in little
    few = make_result(n_member=12, n_field=5)
    assert any("few stars" in warning for warning in warnings(few))


def test_verdict_has_the_reasons():
    assert verdict(make_result(converged=False)).reasons == ("the chain has 21 autocorrelation times, 50 are wanted",)
    assert verdict(make_result()).kind == "good"


def test_provenance_names_input_grid_and_seed(result):
    rows = dict(provenance_rows(result))
    assert rows["Input"] == "synthetic.csv"
    assert rows["Seed"] == "1"
    assert rows["Magnitude limits"] == "Gaia_G, bright none, faint 18.5 mag"


@pytest.mark.parametrize(
    ("citation", "pieces"),
    [
        ("Bressan et al. 2012, MNRAS 427, 127", ("Bressan2012MNRAS427", "{Bressan} and others", "volume = {427}")),
        ("O'Donnell 1994, ApJ 422, 158", ("ODonnell1994ApJ422", "{O'Donnell}", "pages = {158}")),
        ("Cardelli, Clayton & Mathis 1989, ApJ 345, 245", ("{Cardelli} and {Clayton} and {Mathis}",)),
        ("Chen et al. 2019, A&A 632, A105", (r"journal = {A\&A}", "pages = {A105}")),
        ("see where it is from", ("@misc", "note = {see where it is from}")),
    ],
)
def test_references_become_bibtex(citation, pieces):
    entry = bibtex(citation)
    assert all(piece in entry for piece in pieces)
    assert entry.count("{") == entry.count("}")


def test_what_was_used_is_cited_and_nothing_else(result):
    provenance = {
        **result.provenance, "versions": {"emcee": "3.1.6"},
        "grid": {"name": "parsec", "extinction_law": "CCM89", "r_v": 3.1},
    }  # fmt: skip
    texts = {reference.citation for reference in references(changed(result, provenance=provenance))}
    assert "Foreman-Mackey et al. 2013, PASP 125, 306" in texts
    assert "Bressan et al. 2012, MNRAS 427, 127" in texts
    assert "Cardelli, Clayton & Mathis 1989, ApJ 345, 245" in texts
    assert any(text.startswith("Gaia Collaboration") for text in texts)
    assert not any("Astropy" in text for text in texts)
    ground = references(make_result(("V", "B-V"), n_member=20, n_field=5))
    assert not any("Gaia" in reference.citation for reference in ground)
    unknown = references(changed(result, provenance={**provenance, "grid": {"name": "mine"}}))
    assert any("mine" in reference.citation for reference in unknown)


def test_the_diagram_s_axes_are_combinations_of_what_was_fitted(result):
    data = diagram_data(result)
    used = np.isfinite(result.p_member)
    assert len(data["ids"]) == len(data["p"]) == used.sum()
    bp_rp, g = data["pairs"][0]["colour"], data["pairs"][0]["magnitude"]
    assert (bp_rp[0], g[0]) == ("Gaia BP − Gaia RP", "Gaia G")
    first = int(np.flatnonzero(used)[10])
    columns = [column[10] for column in data["values"]]
    assert np.dot(bp_rp[1], columns) == pytest.approx(
        result.stars["Gaia_BP"][first] - result.stars["Gaia_RP"][first], abs=2e-3
    )
    assert any(None in column for column in data["values"])  # one star lacks one observable
    json.dumps(data, allow_nan=False)


def test_without_a_colour_there_is_no_diagram(result):
    one = changed(result, observables=("Gaia_G",), mag_limits=None)
    one.curves = []
    assert diagram_data(one)["pairs"] == []
