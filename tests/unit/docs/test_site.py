"""The parts of the site that are made of the program: the references are complete, and the sidebar has every page."""

from __future__ import annotations

import importlib.util
import json
import re

import pytest
import typer
from unit.cli.parsing import COMMANDS
from unit.docs.pages import PAGES, ROOT


def extension(name):
    """Load an extension of the documentation, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "_extensions" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def reference():
    return extension("references").command_reference()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_option_is_in_the_reference(reference, words):
    section = re.split(rf"^## clusterbayes {' '.join(words)}$", reference, flags=re.MULTILINE)[1].split("\n## ")[0]
    terms = " ".join(re.findall(r"^`(.*)`$", section, flags=re.MULTILINE))
    command = COMMANDS[words]
    for parameter in command.get_params(typer.Context(command)):
        shown = (*parameter.opts, *parameter.secondary_opts)
        if parameter.param_type_name == "argument":
            shown = (parameter.metavar or parameter.name,)
        assert all(name in terms for name in shown), parameter.name
    assert f"clusterbayes {' '.join(words)} " in re.search(r"Examples?\*\*\n\n```\n(.*?)```", section, re.DOTALL)[1]


def test_no_mark_of_the_terminal_is_left(reference):
    assert not re.search(r"\[/?(bold|cyan|dim)?\]", reference.replace("[]", ""))


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "schemas").glob("*.json")), ids=lambda path: path.name)
def test_every_field_of_a_schema_is_in_the_reference(path):
    text = extension("references").schema_reference(path.name)
    schema = json.loads(path.read_text())
    for part in (schema, *schema.get("$defs", {}).values()):
        assert all(f"| `{field}` |" in text for field in part.get("properties", {}))


def test_every_page_is_in_the_sidebar():
    sidebar = extension("sidebar")
    linked = {(ROOT / "docs" / link).resolve() for link in sidebar.linked((ROOT / "docs" / "index.md").read_text())}
    for folder in sidebar.FOLDERS:
        page = ROOT / f"{folder}.md"
        linked |= {(page.parent / link).resolve() for link in sidebar.linked(page.read_text())}
    pages = {page.path.with_suffix("") for page in PAGES} | {
        path.with_suffix("") for path in ROOT.glob("notebooks/*.ipynb")
    }
    assert pages - linked == {ROOT / "docs" / "index"}
