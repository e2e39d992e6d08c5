"""The settings of a run: all that a fit takes, with its defaults, and nothing that names a file."""

from __future__ import annotations

import inspect

import pytest

from clusterbayes.errors import ClusterBayesError
from clusterbayes.inference.fit import fit_cluster
from clusterbayes.inference.sampler import SamplingOptions
from clusterbayes.photometry import Photometry
from clusterbayes.photometry.treatment import Treatment
from clusterbayes.records.settings import FitSettings

#: What the run itself brings, or its worker; and a function, which no client can send.
GIVEN = {"photometry", "control", "progress", "cancel", "checkpoint", "restart", "sampler"}


def keywords(function):
    return {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}


def test_every_option_of_a_fit_can_be_set_and_has_the_same_default():
    wanted = {name: default for name, default in keywords(fit_cluster).items() if name not in GIVEN}
    assert FitSettings().fitting() == {**wanted, "sampling": SamplingOptions()}


def test_every_option_of_reading_can_be_set_and_has_the_same_default():
    wanted = {name: default for name, default in keywords(Photometry.read).items() if name not in ("path", "source")}
    assert FitSettings().reading() == wanted


def test_settings_come_back_from_the_wire_as_they_were():
    given = {
        "treatment": {"missing": ["-9.99", -1.0, "n/a"], "errorFloor": 0.005, "instrumental": True},
        "tableFormat": "csv", "sampling": {"nWalkers": 8, "maxSteps": 20}, "extinctionLaw": "G=0.84,BP=1.08,RP=0.63",
    }  # fmt: skip
    settings = FitSettings.read(given)
    assert FitSettings.read(settings.to_wire()) == settings
    assert settings.reading()["treatment"] == Treatment(("-9.99", -1.0, "n/a"), 0.005, True)
    assert settings.reading()["format"] == "csv"
    assert settings.fitting(n_threads=3)["sampling"] == SamplingOptions(n_walkers=8, max_steps=20, n_threads=3)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"treatment": {"errorFloor": 2.0}}, "error_floor"),
        ({"treatment": {"missing": [" "]}}, "missing"),
        ({"tableFormat": "xlsx"}, "tableFormat"),
        ({"sampling": {"nWalkers": None}}, "nWalkers"),
        ({"control": "/etc/passwd"}, "control"),
        ({"checkpoint": "/tmp/x"}, "checkpoint"),
    ],
)
def test_what_is_refused(given, word):
    with pytest.raises(ClusterBayesError, match=word):
        FitSettings.read(given)
