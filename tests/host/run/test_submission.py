"""Which job a result belongs to, when NNI's manager has mixed up the parameters of trials."""

from __future__ import annotations

from collections import Counter

import pytest
from helpers.jobs import FOLDER, Scripted, job, run, simplified
from helpers.manager import report

from nni_rankreg.host.run.engine import EngineRunner
from nni_rankreg.plan import Failure, StandAlone


def search(manager, stages, keep=None, attempts=2):
    """Run jobs stage by stage as a search does, those that fail once more; return outcomes."""
    runner, found = manager.runner(1), {}
    runner._keep = keep
    for stage in stages:
        for _ in range(attempts):
            missing = [one for one in stage if not isinstance(found.get(one), float)]
            outcomes, _ = run(runner, list(map(job, missing)))
            found.update(zip(missing, outcomes))
    return found


@pytest.mark.parametrize('dying', [{0}, {1}, {3}, {4}, {5}, {0, 4}])
def test_trial_that_dies_before_it_asks_for_its_parameters(manager, dying):
    """The next one gets them, and so on, but nothing is lost, and little is trained in vain."""
    manager.dying = dying
    found = search(manager, [(1, 2, 3), (4,), (5, 6)])
    assert found == {number: number / 8 for number in range(1, 7)}
    assert max(manager.trained.values()) <= 1 + len(dying)
    assert sum(manager.trained.values()) <= 6 + 3 * len(dying)   # at most one a stage in vain


def test_job_that_was_not_tried_has_not_failed(manager):
    """Two trials die, and the two after them train what these have left."""
    manager.dying, kept = {0, 1}, []
    found = search(manager, [(1,), (2,)], lambda job, metric: kept.append((job, metric)))
    assert isinstance(found[1], Failure) and found[2] == 2 / 8
    assert kept == [(job(1), 1 / 8)] * 2                     # found after all, for the archive


def test_job_that_fails_after_others_had_its_trials(manager):
    manager.dying, manager.finals, manager.port = {0}, {3: 'raise'}, 1
    found = search(manager, [(1, 2), (3,)])
    assert (found[1], found[2]) == (1 / 8, 2 / 8) and isinstance(found[3], Failure)
    assert manager.trained[3] == 2


def test_result_of_another_stage(manager):
    """Of the same architecture, for the web UI under another name."""
    manager.dying = {0}
    runner, kept = manager.runner(1), []
    assert isinstance(run(runner, [job(1)])[0][0], Failure)
    outcomes, _ = run(runner, [StandAlone(job(1).sample, 'best 1'), job(2)])
    assert outcomes == [1 / 8, 2 / 8] and not kept


def test_result_that_comes_between_two_stages(manager):
    manager.dying = {0}
    runner, kept = manager.runner(1), []
    runner._keep = lambda job, metric: kept.append((job, metric))
    run(runner, [job(1)])
    manager.parameters.clear()
    manager.commands.put(report(0, 'FINAL', 0.75))
    assert run(runner, [job(2)])[0] == [2 / 8]
    assert kept == [(job(1), 0.75)]


def test_result_of_a_trial_that_nni_has_started_again(manager):
    """And that nobody has asked for in this process."""
    kept: list = []
    runner = manager.runner(1)
    runner._keep = lambda job, metric: kept.append((job, metric))
    manager.restarted = {40: {'sample': job(3).sample}}
    manager.commands.put(report(40, 'FINAL', 3 / 8))
    assert run(runner, [job(2)])[0] == [2 / 8] and kept == [(job(3), 3 / 8)]


def test_parameters_of_somebody_else(manager):
    """A trial that a user has added has parameters without an id, and a place on the list."""
    manager.added = [{'parameter_source': 'customized', 'parameters': {}, 'parameter_id': None}]
    manager.finals, manager.port = {6: 'raise'}, 1
    runner = EngineRunner(manager.runner(1).engine, simplified(), Scripted(), FOLDER)
    manager.commands.put(report(None, 'PERIODICAL', 0.5))
    manager.commands.put(report(None, 'FINAL', 0.5))
    outcomes, _ = run(runner, [job(2), job(6)])
    assert outcomes[0] == 2 / 8
    assert outcomes[1].error.startswith('Its error text cannot be read: ')   # no TypeError


# Assessors

def test_trial_that_the_assessor_stops(manager):
    """It is worse than the median of those before: it has no result, and is not tried again."""
    manager.assessor = {'name': 'Medianstop', 'classArgs': {'optimize_mode': 'maximize'}}
    runner = manager.runner(1)
    manager.intermediate = 0.5
    assert run(runner, [job(4)])[0] == [4 / 8]
    manager.intermediate = {'default': 0.25, 'loss': 1.}
    manager.finals = {1: 'begun'}
    (stopped,), _ = run(runner, [job(1)])
    assert 'assessor' in stopped.error and stopped.tries == 1
    (_, trial), = manager.killed
    assert trial == 'trial1' and Counter(manager.trained) == {4: 1, 1: 1}


def test_report_that_an_assessor_cannot_judge(manager, caplog):
    manager.assessor = {'name': 'Medianstop'}
    assert run(manager.runner(1), [job(4), job(5)])[0] == [4 / 8, 5 / 8]
    assert "The assessor cannot judge {'x': 1}" in caplog.text and not manager.killed
