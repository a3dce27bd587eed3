"""What every search of several stages promises: its plan is deterministic, and wastes no training.

A new one is a line in `SEARCHES`; one that is missing there is found.
"""

from __future__ import annotations

import inspect
import json
import zlib

import nni
import pytest
import torch
from helpers.disk import no_waiting_for_the_disk
from helpers.members import add_member, members
from nni.mutable import Categorical

from nni_rankreg import strategy as room
from nni_rankreg.archive import Archive
from nni_rankreg.plan import Failure, StandAlone, SuperNet, SuperNetOutcome, drive
from nni_rankreg.predictor import Evidence, Prediction
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.strategy import (
    SPOS,
    AceNAS,
    CandidatePool,
    Landmarks,
    LandmarkSearch,
    Rounds,
    WeakLabelling,
)
from nni_rankreg.strategy.multistage import PlanStrategy
from nni_rankreg.typing import Results, sample_key

SPACE = {f'op{index}': Categorical(range(5), label=f'op{index}') for index in range(4)}


def accept(sample):
    return sample['op0'] != sample['op1']


def metric_of(sample):
    """Return a number in [0, 1) without any structure."""
    return zlib.crc32(sample_key(sample).encode()) / 2 ** 32


class Constant:
    """A predictor that has learnt the sum of the metrics, and so orders by the text."""

    def __init__(self):
        self.total = 0.

    def pretrain(self, samples, labels):
        return self

    def fit(self, samples, metrics):
        self.total = sum(metrics)
        return self

    def predict(self, samples):
        mean = torch.tensor([zlib.crc32(f'{self.total:.6f} {sample_key(one)}'.encode())
                             for one in samples], dtype=torch.float64)
        return Prediction(mean, torch.zeros_like(mean))


def worth(samples):
    """Return evidence of the architectures."""
    return torch.tensor([float(one['op0'] + one['op2']) for one in samples])


SUPERNET = SPOS(filter=accept)
SEARCHES = {
    'LandmarkSearch': lambda **options: LandmarkSearch(
        SUPERNET, None, iterations=2, landmarks=Landmarks(3, random=1), top=2, **options),
    'LandmarkSearch, evidence': lambda **options: LandmarkSearch(
        SUPERNET, None, evidence=Evidence(SPACE, scorers=[worth], reference=20), iterations=2,
        landmarks=Landmarks(3, random=1), top=2, **options),
    'AceNAS': lambda **options: AceNAS(
        SUPERNET, weak=WeakLabelling(20), rounds=Rounds(3, 3, landmarks=2, top=2),
        budget=6, candidates=CandidatePool(accept=accept),
        predictor=lambda space, evidence: Constant(), **options),
}
every_search = pytest.mark.parametrize('make', SEARCHES.values(), ids=SEARCHES)


def missing():
    found = members(room, lambda one: inspect.isclass(one) and issubclass(one, PlanStrategy)
                    and one.plan is not PlanStrategy.plan)
    return found.keys() ^ {name.partition(',')[0] for name in SEARCHES}


def test_none_is_missing(monkeypatch):
    assert not missing()
    add_member(monkeypatch, room.acenas, 'Other', type('Other', (AceNAS,), {}))
    assert missing() == {'Other'}


class Killed(BaseException):
    """The process ends here."""


class Runner:
    """Runs jobs by a formula and keeps their names; some fail, and it may be killed."""

    def __init__(self, fail=(), kill_after=None, sign=1):
        self.fail, self.kill_after, self.sign = list(map(sample_key, fail)), kill_after, sign
        self.jobs = []

    def run(self, jobs, done):
        for index, job in enumerate(jobs):
            if len(self.jobs) == self.kill_after:
                raise Killed
            self.jobs.append(job)
            done(index, self.outcome(job))

    def outcome(self, job):
        if isinstance(job, StandAlone):
            failed = sample_key(job.sample) in self.fail
            return Failure('no') if failed else self.sign * metric_of(job.sample)
        sampler = UniformSampler(SPACE, len(job.results.samples), accept=accept)
        best = sampler.distinct(job.top, exclude=job.results.samples)
        labelled = [] if job.weak is None else [*job.weak.samples(SPACE), *best]
        weak = list(map(metric_of, labelled))
        return SuperNetOutcome(best, [0.] * job.top, {'default': 0.}, weights=job.save,
                               weak={'supernet': weak} if weak else {})

    def describe(self, job):
        return json.dumps([*job.results, job.top, job.weights])


@pytest.fixture(autouse=True)
def quick_archives():
    with no_waiting_for_the_disk():
        yield


@pytest.fixture
def search(tmp_path):
    """Return a function that runs a search to its end: its answer, and the jobs it has run."""
    def run(made, archive=None, **options):
        runner = Runner(**options)
        if archive is None:
            archive = Archive(tmp_path / f'{len(list(tmp_path.iterdir()))}.sqlite')
        return drive(made.plan(SPACE), runner, archive), runner.jobs
    return run


@pytest.fixture
def new(tmp_path):
    """Return a function that makes a search whose own files are in a temporary folder."""
    return lambda make, **options: make(archive=tmp_path / 'own.sqlite', **options)


def trained(jobs):
    return [job.sample for job in jobs if isinstance(job, StandAlone)]


@every_search
def test_same_seed_same_jobs(make, new, search):
    """Also if one search is run twice."""
    used = new(make, seed=1)
    first, again = search(used), search(used)
    assert first == again == search(new(make, seed=1))
    assert trained(first[1]) != trained(search(new(make, seed=2))[1])


@every_search
def test_the_answer_are_all_results_best_first(make, new, search):
    answer, jobs = search(new(make))
    assert sorted(map(sample_key, answer.samples)) == sorted(map(sample_key, trained(jobs)))
    assert answer.metrics == sorted(map(metric_of, answer.samples), reverse=True)
    assert answer.metrics == list(map(metric_of, answer.samples)) and answer.mode == 'max'


@every_search
def test_what_is_minimised_is_the_mirror_image(make, new, search):
    answer, jobs = search(new(make))
    other, others = search(new(make, mode='min'), sign=-1)
    assert others == jobs and other.mode == 'min' and other.samples == answer.samples
    assert other.metrics == [-metric for metric in answer.metrics]


@every_search
def test_no_architecture_is_trained_twice_and_all_are_accepted(make, new, search):
    _, jobs = search(new(make))
    samples = trained(jobs)
    assert len(set(map(sample_key, samples))) == len(samples) > 6
    assert all(map(accept, samples))
    assert all(leaf.contains(sample) for sample in samples for leaf in SPACE.values())


@every_search
def test_known_results_are_not_trained(make, new, search):
    samples = trained(search(new(make))[1])[:2]
    known = Results(samples, [2., 3.])
    answer, jobs = search(new(make, known=known))
    assert not any(sample in samples for sample in trained(jobs))
    assert answer.samples[:2] == samples[::-1] and answer.metrics[:2] == [3., 2.]
    assert known == Results(samples, [2., 3.])


@pytest.mark.slow
@every_search
def test_a_failure_is_left_out_and_not_proposed_again(make, new, search):
    """Each is tried twice in its stage."""
    jobs = trained(search(new(make))[1])
    for failed in (jobs[0], jobs[-1]):
        answer, others = search(new(make), fail=[failed])
        assert failed not in answer.samples and trained(others).count(failed) == 2


@every_search
def test_an_interrupted_search_goes_on(make, new, search, tmp_path):
    """Whenever it is killed: nothing is run again, and the answer is the same."""
    answer, jobs = search(new(make))
    for count in range(0, len(jobs), 2):
        archive = Archive(tmp_path / f'killed {count}.sqlite')
        with pytest.raises(Killed):
            search(new(make), archive, kill_after=count)
        assert search(new(make), archive) == (answer, jobs[count:])


@every_search
def test_its_super_nets_travel(make, new, search):
    """What is looked at before hours of training is what the plan asks for."""
    made = new(make)
    asked = [job for job in search(made)[1] if isinstance(job, SuperNet)]
    assert {job.oneshot for job in [*asked, *made.supernet_jobs()]} == {SUPERNET}
    assert {job.weak for job in asked} == {job.weak for job in made.supernet_jobs()}
    for job in made.supernet_jobs():
        assert nni.load(nni.dump(job.oneshot)).filter is accept
