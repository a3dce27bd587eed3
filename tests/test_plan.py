"""Plans under a runner that counts: order, retries, failures, and replay after any interruption."""

from __future__ import annotations

import json
import logging
import random
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from helpers.disk import no_waiting_for_the_disk
from hypothesis import given, settings
from hypothesis import strategies as st

from nni_rankreg.archive import Archive
from nni_rankreg.plan import Failure, SearchError, StandAlone, SuperNet, SuperNetOutcome, drive
from nni_rankreg.typing import Results, sample_key

SAMPLES = [{'width': index, 'op': 'conv'} for index in range(4)]
ERROR = 'Traceback (most recent call last):\n  File "x.py"\nValueError: out of memory\n'


class Killed(BaseException):
    """The process ends here."""


class FakeRunner:
    """Runs jobs by a formula, in any order; counts them; some fail the first so many times."""

    def __init__(self, fail=None, *, seed=None, kill_after=None, silent=()):
        self.fail, self.kill_after, self.silent = dict(fail or {}), kill_after, silent
        self.random = None if seed is None else random.Random(seed)
        self.batches: list = []
        self.runs: Counter = Counter()

    def run(self, jobs, done):
        self.batches.append(list(jobs))
        order = list(range(len(jobs)))
        if self.random is not None:
            self.random.shuffle(order)
        for index in order:
            if sum(self.runs.values()) == self.kill_after:
                raise Killed
            key = identity(jobs[index])
            self.runs[key] += 1
            if key not in self.silent:
                fails = self.runs[key] <= self.fail.get(key, 0)
                done(index, Failure(ERROR) if fails else outcome(jobs[index]))

    def describe(self, job):
        """As NNI's serialisation, this sees the order of the choices of an architecture."""
        return json.dumps([job.oneshot, *job.results, job.top, job.weights])


def identity(job):
    if isinstance(job, StandAlone):
        return sample_key(job.sample)
    return json.dumps([job.oneshot, *job.results, job.top], sort_keys=True)


def outcome(job):
    """Return a metric, or architectures that depend on every number and name in the results."""
    if isinstance(job, StandAlone):
        return 1 / (3 + random.Random(sample_key(job.sample)).random())
    draw = random.Random(identity(job))
    best = [{'width': draw.randrange(10 ** 6), 'op': 'new'} for _ in range(job.top)]
    return SuperNetOutcome(best, [0.1 + 0.2] * job.top, {'default': draw.random()},
                           [{'default': 1 / 3, 'epoch': 0.}], 'weights.pt')


def rounds(count=2):
    """Landmarks, then rounds of a super-net and its best, as a landmark search does it."""
    results = Results([], [])
    samples, weights = SAMPLES, None
    for number in range(count + 1):
        metrics = yield [StandAlone(sample) for sample in samples]
        results.samples.extend(samples)
        results.metrics.extend(metrics)
        if number < count:
            known = Results(list(results.samples), list(results.metrics))
            supernet, = yield [SuperNet('spos', known, 3, weights)]
            samples, weights = supernet.best, supernet.weights
    return results


def stages(*batches):
    """Yield batches of architectures and return the outcomes of all."""
    outcomes = []
    for batch in batches:
        outcomes.append((yield [StandAlone(sample) for sample in batch]))
    return outcomes


@pytest.fixture(autouse=True, scope='module')
def quick_archives():
    with no_waiting_for_the_disk():
        yield


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / 'a.sqlite')


@pytest.fixture(scope='module')
def uninterrupted(tmp_path_factory):
    return drive(rounds(), FakeRunner(), Archive(tmp_path_factory.mktemp('whole') / 'a.sqlite'))


METRICS = [outcome(StandAlone(sample)) for sample in SAMPLES]
KEYS = [sample_key(sample) for sample in SAMPLES]


# Outcomes

@pytest.mark.parametrize('seed', [None, 0, 1, 2])
def test_outcomes_are_in_the_order_of_the_jobs(archive, seed):
    runner = FakeRunner(seed=seed)
    assert drive(stages(SAMPLES, [], SAMPLES[:1]), runner, archive) == [METRICS, [], METRICS[:1]]
    assert archive.results() == Results(*map(list, zip(*sorted(
        zip(SAMPLES, METRICS), key=lambda pair: list(runner.runs).index(sample_key(pair[0]))))))
    assert runner.runs == Counter(KEYS)            # what is known is not run in a later stage


def test_jobs_are_recorded_before_they_run_and_results_at_once(archive):
    seen = []

    class Watching(FakeRunner):
        def run(self, jobs, done):
            def watched(index, result):
                seen.append((dict(zip(archive.jobs()['key'], archive.jobs()['status'])),
                             len(archive)))
                done(index, result)
            super().run(jobs, watched)

    drive(rounds(1), Watching(), archive)
    states, known = zip(*seen)
    assert known == (0, 1, 2, 3, 4, 4, 5, 6)
    assert [list(state.values()).count('done') for state in states] == list(range(8))
    assert [len(state) for state in states] == [4] * 4 + [5] + [8] * 3
    assert set(archive.jobs()['status']) == {'done'}
    assert archive.jobs()['kind'].tolist() == ['StandAlone'] * 4 + ['SuperNet'] + ['StandAlone'] * 3


# Failures

def test_a_job_that_fails_once_is_run_again(archive, caplog):
    runner = FakeRunner(fail={KEYS[1]: 1, KEYS[2]: 1})
    with caplog.at_level(logging.WARNING):
        assert drive(stages(SAMPLES), runner, archive) == [METRICS]
    assert [len(batch) for batch in runner.batches] == [4, 2]
    assert runner.runs == Counter({KEYS[0]: 1, KEYS[1]: 2, KEYS[2]: 2, KEYS[3]: 1})
    assert not caplog.records


def test_a_job_that_fails_twice_is_left_out_with_a_warning(archive, caplog):
    runner = FakeRunner(fail={KEYS[2]: 2})
    with caplog.at_level(logging.WARNING):
        (first, second, third, fourth), = drive(stages(SAMPLES), runner, archive)
    assert (first, second, fourth) == (METRICS[0], METRICS[1], METRICS[3])
    assert third == Failure(ERROR)
    record, = caplog.records
    assert KEYS[2] in record.message and record.message.endswith('ValueError: out of memory')
    assert len(archive) == 3 and runner.runs[KEYS[2]] == 2
    assert archive.jobs().set_index('key')['status'].to_dict() == {
        f'stand-alone {key}': 'pending' if key == KEYS[2] else 'done' for key in KEYS}


@pytest.mark.parametrize('count', [1, 4])
def test_a_job_that_was_stopped_is_not_run_again(archive, caplog, count):
    """Nor does it end the search: its architecture was worse than others."""
    class Stopping(FakeRunner):
        def run(self, jobs, done):
            super().run(jobs[1:], lambda index, outcome: done(index + 1, outcome))
            self.runs[identity(jobs[0])] += 1
            done(0, Failure('worse than the median', tries=1))

    runner = Stopping()
    with caplog.at_level(logging.WARNING):
        (first, *rest), = drive(stages(SAMPLES[:count]), runner, archive)
    assert first.tries == 1 and rest == METRICS[1:count] and runner.runs == Counter(KEYS[:count])
    assert 'Was stopped and is left out' in caplog.text


@pytest.mark.parametrize('kills', [1, 3, 4])
def test_a_job_that_is_killed_is_tried_more_often(archive, caplog, kills):
    class Killing(FakeRunner):
        def run(self, jobs, done):
            super().run(jobs, lambda index, outcome: done(index, Failure(
                'killed', tries=4) if isinstance(outcome, Failure) else outcome))

    runner = Killing(fail={KEYS[1]: kills})
    (first, second, *_), = drive(stages(SAMPLES), runner, archive)
    assert first == METRICS[0] and runner.runs[KEYS[1]] == min(kills + 1, 4)
    assert second == (METRICS[1] if kills < 4 else Failure('killed', tries=4))
    assert ('Failed 4 times and is left out' in caplog.text) == (kills == 4)


def test_a_failed_job_is_tried_again_at_the_next_start(archive):
    drive(stages(SAMPLES), FakeRunner(fail={KEYS[2]: 2}), archive)
    runner = FakeRunner()
    assert drive(stages(SAMPLES), runner, archive) == [METRICS]
    assert runner.runs == Counter([KEYS[2]])


def test_a_stage_without_success_ends_the_search_with_the_error_of_a_trial(archive):
    runner = FakeRunner(fail=dict.fromkeys(KEYS, 9))
    with pytest.raises(SearchError, match='(?s)at least one of 4 jobs to succeed, got none. '
                                          'The stand-alone training of .*"width": 3.* failed with:'
                                          '.*ValueError: out of memory'):
        drive(stages(SAMPLES), runner, archive)
    assert runner.runs == Counter(KEYS * 2) and len(archive) == 0


def test_a_supernet_that_fails_ends_the_search(archive):
    class NoSuperNet(FakeRunner):
        def run(self, jobs, done):
            if isinstance(jobs[0], SuperNet):
                self.fail = {identity(jobs[0]): 9}
            super().run(jobs, done)

    with pytest.raises(SearchError, match='(?s)The super-net with 4 stand-alone results failed'
                                          ' with:.*out of memory'):
        drive(rounds(), NoSuperNet(), archive)
    assert archive.results() == Results(SAMPLES, METRICS)


def test_a_plan_may_go_on_after_a_stage_without_success(archive):
    def tolerant():
        with pytest.raises(SearchError, match='out of memory'):
            yield [StandAlone(SAMPLES[0])]
        return (yield [StandAlone(SAMPLES[1])])

    assert drive(tolerant(), FakeRunner(fail={KEYS[0]: 2}), archive) == [METRICS[1]]


def test_a_job_without_any_outcome_counts_as_failed(archive):
    runner = FakeRunner(silent=[KEYS[0]])
    (first, *rest), = drive(stages(SAMPLES), runner, archive)
    assert first == Failure('The runner has reported no outcome.') and rest == METRICS[1:]


@pytest.mark.parametrize('error', [KeyboardInterrupt, SystemExit, OSError('disk full')])
def test_errors_of_the_runner_pass(archive, error):
    class Broken(FakeRunner):
        def run(self, jobs, done):
            raise error

    with pytest.raises(error if isinstance(error, type) else type(error)):
        drive(rounds(), Broken(), archive)


# Replay

def test_a_finished_search_runs_nothing(archive):
    answer = drive(rounds(), FakeRunner(), archive)
    assert len(answer.samples) == 4 + 3 + 3 and len(set(map(sample_key, answer.samples))) == 10
    runner = FakeRunner()
    assert drive(rounds(), runner, Archive(archive.path)) == answer
    assert not runner.batches


def test_known_results_are_not_run(archive):
    archive.add(SAMPLES[1], METRICS[1], source='elsewhere')
    runner = FakeRunner()
    assert drive(stages(SAMPLES), runner, archive) == [METRICS]
    assert KEYS[1] not in runner.runs and set(archive.jobs()['status']) == {'done'}


def test_a_supernet_is_run_again_only_if_it_would_be_another(archive):
    def supernets(*names):
        def plan():
            return (yield [SuperNet(name, Results([], []), 2, title=name) for name in names])
        runner = FakeRunner()
        return drive(plan(), runner, archive), len(runner.runs)

    (a, b), count = supernets('a', 'b')
    assert count == 2 and a != b
    assert supernets('a', 'b') == ([a, b], 0)
    (again, c), count = supernets('a', 'c')
    assert count == 1 and again == a and c not in (a, b)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 12), max_size=4), st.integers(0, 2 ** 20))
def test_interrupted_anywhere_the_answer_is_the_same(uninterrupted, kills, seed):
    with tempfile.TemporaryDirectory() as folder:
        path, runs, total = Path(folder) / 'a.sqlite', Counter(), 4 + 1 + 3 + 1 + 3
        for number, kill_after in enumerate([*kills, None]):
            runner = FakeRunner(seed=seed + number, kill_after=kill_after)
            killed = kill_after is not None and kill_after < total - sum(runs.values())
            if killed:
                with pytest.raises(Killed):
                    drive(rounds(), runner, Archive(path))
            else:
                assert drive(rounds(), runner, Archive(path)) == uninterrupted
            runs += runner.runs
        assert sum(runs.values()) == total and set(runs.values()) == {1}
        assert set(Archive(path).jobs()['status']) == {'done'}


@pytest.mark.parametrize('number', range(12))
@pytest.mark.parametrize('before', [True, False])
def test_killed_between_two_writes(archive, uninterrupted, monkeypatch, number, before):
    """The result of a stand-alone training is written before the state of its job."""
    record, calls = Archive.record_result, []

    def killing(self, *args):
        calls.append(args)
        if len(calls) <= number:
            return record(self, *args)
        if not before:
            record(self, *args)
        raise Killed

    runner = FakeRunner()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Archive, 'record_result', killing)
        drive(rounds(), runner, archive)
    rest = FakeRunner()
    assert drive(rounds(), rest, archive) == uninterrupted
    # Only a super-net whose one write is lost is trained again.
    lost = {key for key in runner.runs if key in rest.runs}
    assert len(lost) == (1 if before and number in (4, 8) else 0)
    assert set(archive.jobs()['status']) == {'done'} and len(archive.to_frame()) == 10
