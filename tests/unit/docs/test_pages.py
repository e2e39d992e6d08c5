"""What the documentation shows is so: commands parse, links lead somewhere, and code runs.

Code runs with a fit that takes its arguments as the real one does, and returns a result made by hand at once.
"""

from __future__ import annotations

import inspect
import json

import numpy as np
import pytest
from unit.cli.parsing import COMMANDS, parse
from unit.docs.pages import PAGES, ROOT, Page
from unit.isochrones.invented import parsec_text
from unit.photometry.samples import SOURCES
from unit.results.synthetic import make_result

import clusterbayes
from clusterbayes import Photometry, simulate_cluster
from clusterbayes.isochrones import analytic_grid
from clusterbayes.results.export import write_emcee_chain

NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
#: What a page takes for granted: objects of the reader's own program.
GIVEN = {
    "docs/samplers.md": "from clusterbayes import FitResult\nresult = FitResult.load('mycluster')",
    "docs/service.md": (
        "import sqlalchemy\nmetadata, engine = sqlalchemy.MetaData(), sqlalchemy.create_engine('sqlite://')"
    ),
}
with_code = [page for page in PAGES if page.blocks("python")]


@pytest.mark.parametrize("page", [page for page in PAGES if page.commands()], ids=lambda page: page.name)
def test_commands_parse(page, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    for words in page.commands():
        parse(words)


def test_many_commands_are_shown():
    """Otherwise the test above looks for them in the wrong way; the most used ones are shown by name."""
    shown = [tuple(words[: len(key)]) for page in PAGES for words in page.commands() for key in COMMANDS]
    assert {key for key in COMMANDS if key in shown} >= {("fit",), ("inspect",), ("grid", "import"), ("worker",)}
    assert sum(len(page.commands()) for page in PAGES) > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in page.links():
        target, _, anchor = link.partition("#")
        path = (page.path.parent / target).resolve() if target else page.path
        assert path.exists(), f"{page.name}: {link}"
        if anchor and path.suffix == ".md":
            assert anchor in Page(path).anchors(), f"{page.name}: {link}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_links_of_notebooks_lead_somewhere(path, tmp_path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    prose = tmp_path / "prose.md"
    prose.write_text("\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"))
    for link in Page(prose).links():
        target, _, anchor = link.partition("#")
        assert (path.parent / target).exists(), link
        assert not anchor or anchor in Page((path.parent / target).resolve()).anchors(), link


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with the files that the pages speak of, and a fit that is done at once."""
    real = inspect.signature(clusterbayes.fit_cluster)
    made = make_result(n_member=30, n_field=10, n_unused=3)
    made.diagnostics["n_ensembles"] = 2
    n_star = len(made.stars)
    made.stars["ra"], made.stars["dec"] = np.linspace(119.4, 119.6, n_star), np.linspace(-60.8, -60.7, n_star)

    def fit_cluster(*args, **options):
        given = real.bind(*args, **options).arguments
        if not isinstance(given["photometry"], Photometry):
            Photometry.read(given["photometry"])
        if "checkpoint" in given:
            write_emcee_chain(made, given["checkpoint"])
        return made

    table = simulate_cluster(8.7, 0.0, 9.0, 0.3, 0.4, n_members=20, n_field=5, grid=analytic_grid()).table
    for name in ("stars.csv", "mystars.csv"):
        table.write(tmp_path / name)
    made.save(tmp_path / "mycluster")
    (tmp_path / "sources.csv").write_text(SOURCES)
    made.stars["hard_cut"] = "kept"  # as in a fit of a table that a cut has marked
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "parsec.dat").write_text(parsec_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(clusterbayes, "fit_cluster", fit_cluster)


@pytest.mark.parametrize("page", with_code, ids=lambda page: page.name)
def test_code_runs(page, desk, monkeypatch):
    if page.name == "README.md":
        monkeypatch.setattr("clusterbayes.FitResult.save", lambda *args, **options: None)  # mycluster is there
    names: dict = {}
    exec(GIVEN.get(page.name, ""), names)
    for number, code in enumerate(page.blocks("python")):
        exec(compile(code, f"{page.name}, block {number}", "exec"), names)
    assert names.keys() > {"__builtins__"}
