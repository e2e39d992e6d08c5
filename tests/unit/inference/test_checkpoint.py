"""Checkpoints: written as a whole, read as they were, refused for other fits; broken-off runs equal unbroken ones."""

from __future__ import annotations

import os
import pickle
import time

import emcee
import h5py
import numpy as np
import pytest
from unit.inference.toys import correlated

from clusterbayes.errors import CheckpointError, FitCancelled, SettingsError
from clusterbayes.inference import checkpoint as module
from clusterbayes.inference import ensembles
from clusterbayes.inference.checkpoint import Checkpoint, NothingKept, discard, replace_whole
from clusterbayes.inference.ensembles import read_chain, write_chain
from clusterbayes.inference.proposal import IndependentProposal
from clusterbayes.inference.sampler import SamplingOptions, sample
from clusterbayes.inference.search import Mode

IDENTITY = {"package_version": "1.0", "input": {"checksum": "abc"}, "max_steps": 90, "center": (1.0, 2.0), "seed": 1}
COVARIANCE = correlated(3, 5)
INVERSE = np.linalg.inv(COVARIANCE)
MODES = [Mode(np.zeros(3), -1.5, COVARIANCE), Mode(np.full(3, 0.4), -3.25, 2.0 * COVARIANCE)]
OPTIONS = SamplingOptions(max_steps=90, target_ess=10**6, burn_rounds=4, burn_steps=8)


@pytest.fixture(autouse=True)
def step_by_step(monkeypatch):
    """Ensembles that wait for each other after every step, however short it is."""
    monkeypatch.setattr(ensembles, "_APART", 0.0)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def log_posterior(z):
    return -0.5 * np.einsum("ni,ij,nj->n", z, INVERSE, z)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fit.h5"


def opened(path, identity=IDENTITY, seed=1, **options):
    return Checkpoint(path, identity, np.random.default_rng(seed), **options)


def run(keeper, stop_after=None, rng=None):
    """Sample the toy; raise once so many evaluations have been made."""
    calls = 0

    def counted(z):
        nonlocal calls
        calls += 1
        if calls == stop_after:
            raise FitCancelled("the fit was cancelled", "sample")
        return log_posterior(z)

    rng = keeper._rng if rng is None else rng
    with keeper:
        chain = sample(counted, MODES, OPTIONS, rng, names=("a", "b", "c"), keeper=keeper)
    return chain, calls


@pytest.fixture(scope="module")
def unbroken():
    return run(NothingKept(), rng=np.random.default_rng(1))


@pytest.fixture(scope="module")
def before_burn_in():
    """Evaluations before the first thing that is kept: they are made again."""
    calls = 0

    def counted(z):
        nonlocal calls
        calls += 1
        return log_posterior(z)

    class Stops(NothingKept):
        def hold(self, course):
            raise FitCancelled("the fit was cancelled", "sample")

    with pytest.raises(FitCancelled):
        sample(counted, MODES, OPTIONS, np.random.default_rng(1), names=("a", "b", "c"), keeper=Stops())
    return calls


def same(one, other):
    assert np.array_equal(one.z, other.z)
    assert np.array_equal(one.log_prob, other.log_prob)
    assert (one.acceptance, one.n_burn, one.convergence) == (other.acceptance, other.n_burn, other.convergence)


# --- a run that is broken off ----------------------------------------------------------------------------------------


def test_keeping_changes_nothing(path, unbroken):
    same(run(opened(path))[0], unbroken[0])


@pytest.mark.parametrize("share", [0.002, 0.05, 0.2, 0.35, 0.5, 0.7, 0.999])
def test_a_run_goes_on_where_it_was_cancelled(path, unbroken, before_burn_in, share, capfd):
    """In the middle of a step: one ensemble has moved already, the other one not, and that step is made again."""
    expected, calls = unbroken
    with pytest.raises(FitCancelled):
        run(opened(path), stop_after=max(1, round(share * calls)))
    assert path.exists()
    assert capfd.readouterr() == ("", "")
    found, rest = run(opened(path))
    same(found, expected)
    again = before_burn_in if share * calls <= before_burn_in else 0
    assert (
        rest <= (1.0 - share) * calls + again + 8
    )  # a step at most was made twice: snooker moves a quarter of each ensemble at a time


def test_many_breaks(path, unbroken):
    """Every run comes a little further; negative control: another seed is another chain."""
    for _ in range(200):
        try:
            found, _ = run(opened(path), stop_after=120)
            break
        except FitCancelled:
            pass
    same(found, unbroken[0])
    assert not np.array_equal(run(NothingKept(), rng=np.random.default_rng(2))[0].z, found.z)


def test_a_finished_run_is_only_read(path, unbroken):
    keeper = opened(path)
    run(keeper)
    keeper.save()
    found, calls = run(opened(path))
    same(found, unbroken[0])
    assert calls == 0


def test_what_was_written_at_any_moment_does(path, unbroken, monkeypatch):
    """A kill leaves the last file that was written; each of them leads to the same chain."""
    kept = []
    monkeypatch.setattr(module, "_EVERY", 0.0)
    monkeypatch.setattr(module, "_SHARE", np.inf)
    keeper, save = opened(path), Checkpoint.save
    monkeypatch.setattr(Checkpoint, "save", lambda self: (save(self), kept.append(path.read_bytes())))
    run(keeper)
    assert len(kept) > 90
    monkeypatch.setattr(Checkpoint, "save", save)
    for content in kept[:: len(kept) // 6]:
        path.write_bytes(content)
        same(run(opened(path))[0], unbroken[0])


# --- what is in it ---------------------------------------------------------------------------------------------------


def test_emcee_reads_the_chain(path, before_burn_in):
    chain, _ = run(opened(path))
    with pytest.raises(FitCancelled):
        run(opened(path.with_name("burn.h5")), stop_after=before_burn_in + 15)
    keeper = opened(path)
    run(keeper)
    keeper.save()
    backend = emcee.backends.HDFBackend(str(path), read_only=True)
    assert backend.iteration == 90 and backend.shape == chain.z.shape[1:]
    assert np.array_equal(backend.get_chain(), chain.z)
    assert np.array_equal(backend.get_log_prob(), chain.log_prob)
    assert np.mean(backend.accepted / 90) == pytest.approx(chain.acceptance)
    last = backend.get_last_sample()
    assert np.array_equal(last.coords, chain.z[-1]) and last.random_state is not None
    burning = emcee.backends.HDFBackend(str(path.with_name("burn.h5")), name="burn_in", read_only=True)
    assert 0 < burning.iteration < 90


def test_chains_are_written_as_emcee_writes_them(tmp_path):
    """Names, types and shapes are those of a file that emcee itself has made."""
    backend = emcee.backends.HDFBackend(str(tmp_path / "emcee.h5"))
    sampler = emcee.EnsembleSampler(8, 3, log_posterior, vectorize=True, backend=backend)
    state = sampler.run_mcmc(np.random.default_rng(1).normal(size=(8, 3)), 5)
    with h5py.File(tmp_path / "ours.h5", "w") as file:
        group = file.create_group("mcmc")
        write_chain(group, backend.get_chain(), backend.get_log_prob(), backend.accepted, state.random_state)
    with h5py.File(tmp_path / "emcee.h5") as theirs, h5py.File(tmp_path / "ours.h5") as ours:
        one, other = theirs["mcmc"], ours["mcmc"]
        assert dict(one.attrs).keys() == dict(other.attrs).keys()
        assert one.keys() == other.keys()
        for name in one:
            assert (one[name].dtype, one[name].maxshape) == (other[name].dtype, other[name].maxshape)
            assert np.array_equal(one[name][...], other[name][...])
        assert np.array_equal(read_chain(other)[0], backend.get_chain())
    taken_up = emcee.backends.HDFBackend(str(tmp_path / "ours.h5"))
    emcee.EnsembleSampler(8, 3, log_posterior, vectorize=True, backend=taken_up).run_mcmc(None, 5)
    assert taken_up.iteration == 10


def test_the_search_is_kept(path):
    keeper = opened(path)
    keeper._rng.random(3)
    keeper.hold_search(np.array([0.1, 1e-300]), MODES)
    keeper._rng.random(5)  # used after what is kept: is used again
    after = opened(path, seed=99)
    density, modes = after.search()
    assert np.array_equal(density, [0.1, 1e-300])
    for one, other in zip(modes, MODES, strict=True):
        assert (np.array_equal(one.z, other.z), one.log_prob) == (True, other.log_prob)
        assert np.array_equal(one.covariance, other.covariance)
    rng = np.random.default_rng(1)
    rng.random(3)
    assert after._rng.random() == rng.random()
    assert after.course(lambda file: pytest.fail("there is none")) is None


def test_proposals_come_back_to_the_last_digit(tmp_path):
    draws = np.random.default_rng(3).multivariate_normal(np.ones(3), COVARIANCE, 3000)
    proposal = IndependentProposal.from_draws(draws, 1)
    with h5py.File(tmp_path / "proposal.h5", "w") as file:
        proposal.write(file)
        found = IndependentProposal.read(file)
    assert np.array_equal(found.draw(50, np.random.default_rng(1)), proposal.draw(50, np.random.default_rng(1)))
    assert np.array_equal(found.log_density(draws), proposal.log_density(draws))


def test_time_before_the_break_counts(path):
    clock = Clock()
    keeper = opened(path, clock=clock, started=-3.0)
    clock.now = 20.0
    keeper.save()
    later = Clock()
    later.now = 500.0
    again = opened(path, clock=later, started=498.0)
    later.now = 507.0
    assert keeper.seconds == 23.0
    assert again.seconds == 23.0 + 9.0


# --- when it is written ----------------------------------------------------------------------------------------------


def test_it_is_written_every_few_seconds(path, monkeypatch):
    clock, written = Clock(), []
    keeper = opened(path, clock=clock)
    monkeypatch.setattr(module, "replace_whole", lambda path, write: written.append(clock.now))
    for _ in range(6000):
        clock.now += 0.01
        keeper.after_step()
    assert 11 <= len(written) <= 13


def test_a_slow_disk_takes_a_small_share_of_the_time(path, monkeypatch):
    clock = Clock()
    keeper = opened(path, clock=clock)
    written = []

    def slowly(path, write):
        clock.now += 2.0
        written.append(clock.now)

    monkeypatch.setattr(module, "replace_whole", slowly)
    while clock.now < 400.0:
        clock.now += 0.1
        keeper.after_step()
    assert 8 <= len(written) <= 11


@pytest.mark.parametrize(("error", "kept"), [(KeyboardInterrupt, True), (FitCancelled, True), (ValueError, False)])
def test_it_is_written_when_a_fit_is_broken_off(path, error, kept):
    with pytest.raises(error), opened(path):
        raise error("stop")
    assert path.exists() is kept


def test_a_full_disk_is_a_warning(path, monkeypatch, caplog):
    keeper = opened(path)

    def full(path, write):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "replace_whole", full)
    keeper.save()
    assert "No space left" in caplog.text and str(path) in caplog.text


# --- all or nothing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["write", "fsync", "replace"])
def test_a_crash_leaves_the_old_file(path, monkeypatch, moment):
    keeper = opened(path)
    keeper.hold_search(np.ones(2), MODES)
    before = path.read_bytes()

    def crash(*args, **options):
        raise MemoryError

    target = {"write": (Checkpoint, "_write"), "fsync": (os, "fsync"), "replace": (os, "replace")}[moment]
    monkeypatch.setattr(*target, crash)
    with pytest.raises(MemoryError):
        keeper.hold_search(np.zeros(2), [])
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_the_file_is_on_the_disk_before_it_takes_its_place(path, monkeypatch):
    done = []
    fsync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda old, new: (done.append("replace"), rename(old, new)))
    replace_whole(path, lambda file: file.create_dataset("a", data=1))
    assert done == ["fsync", "replace"]


def test_litter_of_killed_runs_is_swept(path):
    old, new = path.with_name(f".{path.name}.0a1b2c3d"), path.with_name(f".{path.name}.4e5f6071")
    for partial in (old, new):
        partial.write_text("half")
    os.utime(old, (time.time() - 3600,) * 2)
    opened(path).save()
    assert sorted(os.listdir(path.parent)) == sorted([path.name, new.name])  # another run may be writing it
    discard(path)
    assert os.listdir(path.parent) == []
    discard(path)


# --- whose it is -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 2}, "seed was 1, now 2"),
        ({"input": {"checksum": "xyz"}}, "input.checksum was abc, now xyz"),
        ({"center": None}, r"center was \[1.0, 2.0\], now null"),
        ({"package_version": "1.1"}, "package_version was 1.0, now 1.1"),
        ({"new": 3}, "new was not set, now 3"),
    ],
)
def test_another_fit_is_refused_with_the_difference(path, change, message):
    opened(path).save()
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=f"of another fit.*{message}.*--restart") as raised:
        opened(path, IDENTITY | change)
    assert str(path) in str(raised.value)
    assert len(raised.value.differences) == 1
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (str(copy), copy.differences) == (str(raised.value), raised.value.differences)
    assert path.read_bytes() == before


def test_many_differences_are_counted(path):
    opened(path).save()
    with pytest.raises(CheckpointError, match="differs in 6 ways"):
        opened(path, {**IDENTITY, **{name: 0 for name in "abcdef"}})


def test_the_same_fit_in_other_words_is_none_other(path):
    opened(path).save()
    words = IDENTITY | {"center": np.array([1.0, 2.0]), "seed": np.int64(1)}
    assert opened(path, dict(reversed(words.items()))).resumed


def test_other_files_are_refused(path):
    path.write_text("not HDF5")
    with pytest.raises(CheckpointError, match="no file that can be read"):
        opened(path)
    path.unlink()
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "something else"
    with pytest.raises(CheckpointError, match="no checkpoint"):
        opened(path)
    path.unlink()
    opened(path).save()
    with h5py.File(path, "a") as file:
        file.attrs["format_version"] = "0.9"
    with pytest.raises(CheckpointError, match="format_version was 0.9, now"):
        opened(path)


def test_places_that_can_not_be_written_are_said_at_once(tmp_path):
    with pytest.raises(SettingsError, match="folder"):
        opened(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="checkpoint"):
        opened(tmp_path / "file" / "fit.h5")
    opened(tmp_path / "new" / "deep" / "fit.h5").save()
    assert (tmp_path / "new" / "deep" / "fit.h5").is_file()
