"""Memberships of clusters with ten field stars for each member tell them apart, and mean what they say.

Computed at the truth, with a field density learned from another part of the same sky. Proper motions that were dealt
out to other stars, and photometry alone, are the negative controls.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from unit.model.mocks import GAIA, GRID, TRUTH

from clusterbayes.inference.field import FieldLearner
from clusterbayes.model.astrometry import motion_priors
from clusterbayes.model.cluster import ClusterModel
from clusterbayes.model.parameters import ParameterSet, default_priors
from clusterbayes.model.selection import Selection
from clusterbayes.model.simulate import simulate_cluster
from clusterbayes.photometry import Photometry

CLUSTER = TRUTH | {"dist_mod": 11.5}
N_MEMBER, N_FIELD, N_CONTROL, FAINT = 60, 600, 800, 17.0


def simulated(n_members, n_field, seed):
    options = {"grid": GRID, "mag_limit": f"Gaia_G={FAINT:g}", "parallax": True, "proper_motion": True}
    made = simulate_cluster(**CLUSTER, n_members=n_members, n_field=n_field, seed=seed, **options)
    photometry = Photometry.from_table(made.table, observables=list(GAIA))
    return photometry, np.asarray(made.table["is_member"])[photometry.input_row], made.truth


def memberships(sample, control, truth):
    """Membership probabilities (n_star,) at the truth."""
    defaults = default_priors(
        log_age_range=tuple(GRID.log_age[[0, -1]]),
        mh_range=tuple(GRID.mh[[0, -1]]),
        bands=GAIA,
        parallax_zero_point=None if sample.parallax is None else "applied",
        model_error=False,
        pm_priors=None if sample.pm is None else motion_priors(sample.pm),
    )
    parameters = ParameterSet.build(*defaults)
    model = ClusterModel(sample, GRID, parameters, Selection("Gaia_G", faint=FAINT), thin=1)
    model = model.with_field(FieldLearner(model, control, 1).initial())
    known = {"depth": 0.1, "parallax_zero_point": 0.0, "outlier_frac": 0.002, "member_frac": truth["member_frac"]}
    return model.member_probability(parameters.pack(truth | known))[0]


def roc_area(p, member):
    """Probability that a member has the higher one of two probabilities."""
    order = np.argsort(np.argsort(p)) + 1.0
    n = np.count_nonzero(member)
    return (order[member].sum() - n * (n + 1) / 2) / (n * np.count_nonzero(~member))


def reliability_error(p, member):
    """Mean distance, over stars, of the share of members in ten bins from their mean probability."""
    bins = np.minimum((10 * p).astype(int), 9)
    return sum(abs(p[bins == b].sum() - np.count_nonzero(member[bins == b])) for b in range(10)) / len(p)


def without_motions(photometry):
    return replace(photometry, pm=None, pm_error=None, pm_corr=None)


def dealt_out(photometry, seed):
    """Each star with the proper motion of another one."""
    order = np.random.default_rng(seed).permutation(photometry.n_star)
    parts = ("pm", "pm_error", "pm_corr")
    return replace(photometry, **{name: getattr(photometry, name)[order] for name in parts})


@pytest.fixture(scope="module")
def outcomes():
    """For each kind of data, probabilities and truth of all stars of two clusters."""
    found = {"astrometry": [], "no motions": [], "dealt out": []}
    for seed in range(2):
        sample, member, truth = simulated(N_MEMBER, N_FIELD, seed)
        control, others, _ = simulated(1, N_CONTROL, 100 + seed)
        control = control.keep(~others, "a member")
        kinds = {
            "astrometry": (sample, control),
            "no motions": (without_motions(sample), without_motions(control)),
            "dealt out": (dealt_out(sample, seed), control),
        }
        for kind, (stars, field) in kinds.items():
            found[kind].append((memberships(stars, field, truth), member))
    return {kind: tuple(np.concatenate(parts) for parts in zip(*rows, strict=True)) for kind, rows in found.items()}


def test_members_are_told_from_ten_times_as_many_field_stars(outcomes):
    p, member = outcomes["astrometry"]
    assert roc_area(p, member) >= 0.97
    assert roc_area(*outcomes["no motions"]) < roc_area(p, member)
    assert roc_area(*outcomes["dealt out"]) < 0.97  # negative control


def test_probabilities_mean_what_they_say(outcomes):
    p, member = outcomes["astrometry"]
    assert reliability_error(p, member) <= 0.02
    assert abs(p.sum() - member.sum()) < 3 * np.sqrt((p * (1 - p)).sum()) + 5
    assert reliability_error(*outcomes["dealt out"]) > 0.02  # negative control


def test_proper_motions_sharpen_the_verdict(outcomes):
    """The log score of the truth grows; with the motions of other stars it falls."""

    def log_score(kind):
        p, member = outcomes[kind]
        return np.mean(np.log(np.clip(np.where(member, p, 1 - p), 1e-6, 1)))

    assert log_score("astrometry") > log_score("no motions") > log_score("dealt out")
