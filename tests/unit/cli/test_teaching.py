"""The command line teaches: examples that parse, names that were meant, values offered, and one way to be quiet."""

from __future__ import annotations

import json
import re
import shlex

import pytest
from unit.cli.parsing import COMMANDS, parse
from unit.results.synthetic import make_result

from clusterbayes.cli.completion import complete_examples, complete_grids, complete_laws


def examples(command):
    """The examples of a command's help, as words; one that is broken into two lines is joined."""
    marked = re.findall(r"\[cyan\](clusterbayes .*?)\[/\]", command.help, flags=re.DOTALL)
    return [shlex.split(" ".join(text.split())) for text in marked]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_examples_that_parse(words):
    command = COMMANDS[words]
    assert "[bold]Example" in command.help
    own = [example for example in examples(command) if tuple(example[1 : 1 + len(words)]) == words]
    assert own
    for example in own:
        parse(example[1:])


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_option_is_explained(words):
    for parameter in COMMANDS[words].params:
        if parameter.name != "help":
            assert getattr(parameter, "help", None), f"{parameter.name} of {' '.join(words)} has no help"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["fti"], "fit"),
        (["grid", "lst"], "list"),
        (["fit", "{table}", "--obsrvables", "G", "--out", "x"], "--observables"),
        (["fit", "{table}", "--observables", "G,Gaia_BPP", "--out", "x"], "Gaia_BP"),
        (["fit", "{table}", "--prior", "mh=norml(0,1)", "--out", "x"], "normal"),
        (["fit", "{table}", "--prior", "lgage=uniform(8,9)", "--out", "x"], "log_age"),
        (["fit", "{table}", "--extinction-law", "CMC89", "--out", "x"], "CCM89"),
        (["fit", "--example", "ruprecht174", "--out", "x"], "ruprecht147"),
        (["grid", "info", "parsek"], "parsec"),
        (["grid", "build", "mst"], "mist"),
        (["simulate", "--bands", "G,Gaia_BPP", "--out", "x.csv"], "Gaia_BP"),
    ],
)
def test_a_mistyped_name_gets_the_one_that_was_meant(run, catalogue, tmp_path, monkeypatch, typed, meant):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*(word.format(table=catalogue) for word in typed))
    assert (code, out) == (2, "")
    assert re.search(rf"(Did you mean|Remedy: did you mean|Possible options:).*{meant}", " ".join(err.split()))


def test_the_root_says_what_exit_codes_mean(run):
    code, out, _ = run("--help")
    assert code == 0
    assert all(f"{number}:" in out for number in (0, 1, 2, 130))


def test_values_are_offered():
    assert {name for name, _ in complete_grids("")} >= {"parsec", "mist"}
    assert [name for name, _ in complete_grids("pars")] == ["parsec"]
    assert [name for name, _ in complete_laws("F")] == ["F99", "F04", "F19"]
    assert ("tables", "follows each star's spectrum") in complete_laws("ta")
    assert [name for name, _ in complete_examples("rup")] == ["ruprecht147"]


class TestForMachines:
    def test_inspect(self, run, catalogue, tmp_path):
        code, out, err = run("inspect", catalogue, "--plot", tmp_path / "cmd.png", "--json")
        assert (code, err) == (0, "")
        found = json.loads(out)
        assert found["counts"] == {"input": 60, "used": 60, "dropped": {}}
        assert found["observables"] == ["Gaia_G", "Gaia_BP", "Gaia_RP"]
        assert found["read_as"]["G_error"] == "Gaia_G_error"
        assert (tmp_path / "cmd.png").exists()

    def test_derive(self, run, tmp_path):
        result = make_result(n_member=30, n_field=10, n_unused=3)
        result.save(tmp_path / "fit")
        code, out, err = run("derive", tmp_path / "fit", "--json")
        assert (code, err) == (0, "")
        distance = json.loads(out)["quantities"]["distance"]
        assert distance["unit"] == "pc"
        assert distance["q16"] < distance["median"] < distance["q84"]

    def test_simulate(self, run, tmp_path):
        words = ("simulate", "--n-members", 20, "--n-field", 5, "--out", tmp_path / "mock.csv")
        code, out, err = run(*words, "--json")
        assert (code, err) == (0, "")
        assert json.loads(out) == json.loads((tmp_path / "mock.truth.json").read_text())
        assert run(*words, "--overwrite", "--quiet") == (0, "", "")

    def test_demo(self, run, calls):
        code, out, _ = run("demo", "--n-stars", 60, "--json", "--quiet")
        assert code == 0
        document = json.loads(out)
        assert document["truth"]["log_age"] == 8.8
        assert document["parameters"]["log_age"]["unit"] == "log10(yr)"
        assert 0.0 <= document["smallest_interval"]["log_age"] <= 1.0
