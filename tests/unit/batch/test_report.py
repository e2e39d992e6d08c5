"""The page of a catalogue: everything in one file, text escaped, links to what there is."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from astropy.table import Table

from clusterbayes.batch.comparison import read_reference
from clusterbayes.batch.jobs import Job
from clusterbayes.batch.report import write_report
from clusterbayes.batch.summary import Summary


class Page(HTMLParser):
    """Collects the rows of the table of clusters, links, and whatever would be fetched."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.links, self.fetched, self.open = [], {}, [], []
        self.feed(text)
        assert self.open == [], "elements that were never closed"

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in ("meta", "img", "input", "link", "br"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "a":
            self.href = attrs["href"]
        self.fetched += [value for name, value in attrs.items() if name in ("src", "data") and "data:" not in value]
        assert not any(name.startswith("on") for name in attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data
        if "a" in self.open:
            self.links[data] = self.href


def row(name, folder, **more):
    return {"name": name, "folder": folder, "status": "done", "converged": True, "quality": "A", **more}


def summary(out):
    kept = Summary(out, {})
    kept._next = float("inf")
    age = {"log_age": 9.5, "log_age_q16": 9.45, "log_age_q84": 9.55}
    kept.put(row("M 67", "M_67", **age, n_member=80.0))
    kept.put(
        row("<script>x</script>", "Ü_1", **{key: value - 1 for key, value in age.items()}, quality="C", converged=False)
    )
    kept.put({"name": "bad", "folder": "bad", "status": "failed", "reason": "input", "message": "value <5 & few"})
    kept.put({"name": "later", "folder": "later", "status": "waiting"})
    for folder in ("M_67", "Ü_1"):
        (out / "clusters" / folder).mkdir(parents=True)
    (out / "clusters" / "M_67" / "report.html").touch()
    return kept


def test_the_page_holds_every_cluster_and_needs_nothing_else(tmp_path):
    path = write_report(summary(tmp_path))
    page = Page(path.read_text(encoding="utf-8"))
    head, *body = page.rows
    by_name = {cells[0]: dict(zip(head, cells, strict=True)) for cells in body}
    assert list(by_name) == ["M 67", "<script>x</script>", "bad", "later"]
    assert by_name["M 67"]["log age [yr]"] == "9.500 ± 0.050" and by_name["M 67"]["quality"] == "A"
    assert by_name["bad"]["remarks"] == "input: value <5 & few" and by_name["later"]["status"] == "waiting"
    assert page.links["M 67"] == "clusters/M_67/report.html"
    assert page.links["<script>x</script>"] == "clusters/%C3%9C_1/" and "bad" not in page.links
    assert page.fetched == []
    table = Table.read(tmp_path / "catalogue.ecsv")
    assert list(table["name"]) == list(by_name) and table["log_age"].mask.tolist() == [False, False, True, True]


def test_the_comparison_is_on_the_page(tmp_path):
    (tmp_path / "ref.csv").write_text("name,log_age,log_age_sigma\nm67,9.6,0.05\n")
    kept = summary(tmp_path)
    page = Page(write_report(kept, read_reference(tmp_path / "ref.csv")).read_text(encoding="utf-8"))
    head, line = page.rows[:2]
    found = dict(zip(head, line, strict=True))
    assert found["parameter"] == "log_age" and found["clusters"] == "1"
    assert float(found["median residual"]) == -0.1 and found["normalised rms"] == "1.41"
    (tmp_path / "ref.csv").write_text("name,log_age\nelse,9.6\n")
    text = write_report(kept, read_reference(tmp_path / "ref.csv")).read_text(encoding="utf-8")
    assert "No cluster that is done is in ref.csv" in text


def test_an_empty_batch_has_a_page(tmp_path):
    page = Page(write_report(Summary(tmp_path, {"M_67": Job("M 67", Path())})).read_text(encoding="utf-8"))
    assert page.rows[1][:2] == ["M 67", "waiting"]
