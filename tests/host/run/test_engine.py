"""The engine runner, on NNI's own engines: the sequential one, and that of trials without trials.

`Manager` plays NNI's manager towards the real `TrainingServiceExecutionEngine`;
`tests/integration/test_experiment.py` has the real one.
"""

from __future__ import annotations

import gc
import json
import re
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import nni
import pytest
import requests
import torch
from helpers.jobs import Scripted, job, run, sequential, simplified
from helpers.manager import report
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.execution.event import FinalMetricEvent, TrainingEndEvent
from nni.nas.space import ModelStatus

from nni_rankreg.data import Digits, image_loader
from nni_rankreg.evaluator import Classification
from nni_rankreg.host.run.engine import EngineRunner
from nni_rankreg.plan import Failure, SearchError, StandAlone
from nni_rankreg.space import NasBench201


def no_callbacks(engine):
    return not any(engine._callbacks.values())


# In this process

def test_sequential_outcomes():
    runner = sequential()
    assert run(runner, [job(5), job(0), job(7)]) == ([5 / 8, 0., 7 / 8], [0, 1, 2])
    assert run(runner, [job(5)]) == ([5 / 8], [0])
    assert no_callbacks(runner.engine)


def test_each_result_is_handed_over_before_the_next_job_runs(tmp_path):
    log = tmp_path / 'log'
    runner = sequential(Scripted(log=str(log)))
    seen = []
    runner.run([job(number) for number in (3, 1, 2)],
               lambda index, outcome: seen.append((outcome * 8, log.read_text().split())))
    assert seen == [(3, ['3']), (1, ['3', '1']), (2, ['3', '1', '2'])]


def test_a_failing_job_does_not_keep_others_from_running():
    (first, failure, last), _ = run(sequential(Scripted({'6': 'raise'})), [job(1), job(6), job(2)])
    assert (first, last) == (1 / 8, 2 / 8)
    assert 'Traceback' in failure.error and failure.error.endswith('There is no 6.\n')


def test_sequential_engine_that_continues_on_failure():
    runner = sequential(Scripted({'6': 'raise'}), continue_on_failure=True)
    (failure, last), _ = run(runner, [job(6), job(2)])
    assert last == 2 / 8 and failure == Failure('There is no final result; see the log above.')


FINALS = [
    (0.5, 0.5), (1, 1.), ({'default': 0.25, 'loss': 3.}, 0.25), ({'default': 2}, 2.),
    ({'loss': 3.}, 'Expected a finite number, or a dict .* got {.loss.: 3.0}'),
    (float('nan'), 'Expected a finite number, .* got nan'),
    (float('inf'), 'Expected a finite number, .* got inf'),
    ('good', 'Expected a finite number, .* got good'),
    ('nothing', 'no final result|without a final result'),
]


def check_final(outcome, expected):
    if isinstance(expected, float):
        assert outcome == expected and type(outcome) is float
    else:
        assert isinstance(outcome, Failure) and re.search(expected, outcome.error)


@pytest.mark.parametrize('final, expected', FINALS)
def test_sequential_final_results(final, expected):
    (outcome, other), _ = run(sequential(Scripted({'1': final})), [job(1), job(2)])
    check_final(outcome, expected)
    assert other == 2 / 8


def test_sequential_budget():
    runner, done = sequential(max_model_count=2), {}
    with pytest.raises(SearchError, match='budget for 2 more trials, got none: .*max_trial_number'):
        runner.run([job(1), job(2), job(3), job(4)], done.__setitem__)
    assert done == {0: 1 / 8, 1: 2 / 8}
    assert no_callbacks(runner.engine)


def test_keyboard_interrupt_passes():
    runner, done = sequential(Scripted({'2': 'interrupt'})), {}
    with pytest.raises(KeyboardInterrupt):
        runner.run([job(1), job(2), job(3)], done.__setitem__)
    assert done == {0: 1 / 8} and no_callbacks(runner.engine)


# Trials

def test_trial_outcomes(manager):
    manager.finals = {6: {'default': 6 / 8, 'loss': 1.}}
    jobs = [job(number) for number in range(8)]
    outcomes, _ = run(manager.runner(workers=3), jobs)
    assert outcomes == [number / 8 for number in range(8)]
    assert manager.trials == list(range(8)) and manager.largest <= 3
    assert no_callbacks(manager.engine)


@pytest.mark.parametrize('mixed', [False, True])
@pytest.mark.parametrize('together', [2, 4])
def test_trials_that_end_together(manager, together, mixed):
    """NNI may name the end of one by the parameters of another."""
    manager.together, manager.mixed = together, mixed
    manager.finals = {2: 'raise', 3: 'nothing', 6: 'raise'}
    outcomes, order = run(manager.runner(workers=4), [job(number) for number in range(8)])
    assert [number for number, one in enumerate(outcomes) if isinstance(one, Failure)] == [2, 3, 6]
    assert all(one == number / 8 for number, one in enumerate(outcomes) if number not in (2, 3, 6))
    assert sorted(order[-3:]) == [2, 3, 6]


@pytest.mark.parametrize('final, expected', FINALS)
def test_trial_final_results(manager, monkeypatch, final, expected):
    """Whatever a trial reports, the engine's listening thread lives on."""
    monkeypatch.setattr(requests, 'get', lambda url, timeout: SimpleNamespace(ok=False, text=''))
    manager.finals = {1: final}
    (outcome, *others), _ = run(manager.runner(1), [job(1), job(2), job(3)])
    check_final(outcome, expected)
    assert others == [2 / 8, 3 / 8]


def test_final_result_that_comes_after_the_end(manager, patient):
    manager.late = True
    assert run(manager.runner(), [job(3), job(5)])[0] == [3 / 8, 5 / 8]


@pytest.mark.parametrize('status, text, expected, failed_as', [
    (200, 'Traceback ...\nValueError: There is no 6.\n', 'ValueError: There is no 6.', 'FAILED'),
    (200, ' \n', 'Its trial has ended without a final result.', 'FAILED'),
    (404, 'no such file', 'Its trial has ended without a final result.', 'FAILED'),
    (200, 'a warning\n', 'a warning\nIt was killed: by a user, a signal', 'USER_CANCELED'),
    (200, 'stderr is empty.', 'It was killed by a signal, perhaps', 'SYS_CANCELED'),
    (200, 'Fatal Python error: Segmentation fault\n\n  File a', 'a\nFatal Python error: Segment',
     'SYS_CANCELED'),
    (404, '', 'It took longer than max_trial_duration.', 'EARLY_STOPPED'),
    (404, '', 'It was killed by a signal, perhaps for want of memory.', 'SYS_CANCELED'),
    (200, 'x' * 5000 + 'the end', 'x' * 3993 + 'the end', 'FAILED'),
    (200, 'a word\n', 'a word\nIts trial has ended with exit status 7.', 'FAILED 7'),
    (200, 'Traceback ...\nValueError: There is no 6.\n', 'ValueError: There is no 6.', 'FAILED 1'),
    (200, '', 'It was killed by SIGKILL, perhaps for want of memory.', 'SYS_CANCELED SIGKILL'),
    (200, 'a word', 'a word\nIt was killed by SIGSEGV.', 'SYS_CANCELED SIGSEGV')])
def test_error_text_of_a_trial(manager, status, text, expected, failed_as):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            found = self.path == '/api/v1/nni/trial-file/trial0/stderr'
            self.send_response(status if found else 500)
            self.end_headers()
            self.wfile.write(text.encode())

    manager.finals = {6: 'raise'}
    manager.failed_as, _, end = failed_as.partition(' ')
    manager.message = f'exit status {end}' if end.isdigit() else end or None
    server = HTTPServer(('localhost', 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    try:
        manager.port = server.server_port
        (failure, other), _ = run(manager.runner(1), [job(6), job(2)])
    finally:
        server.shutdown()
        server.server_close()
    assert other == 2 / 8 and expected in failure.error and len(failure.error) <= 4000
    crash = 'Fatal' in text or end == 'SIGSEGV'
    assert failure.tries == (4 if manager.failed_as == 'SYS_CANCELED' and not crash else 2)


def test_error_text_that_cannot_be_read(manager):
    manager.finals, manager.port = {6: 'raise'}, 1
    (failure,), _ = run(manager.runner(), [job(6)])
    assert failure.error.startswith('Its error text cannot be read: ')


@pytest.mark.parametrize('error', [requests.ConnectionError('refused'),
                                   requests.HTTPError('500 Server Error')])
@pytest.mark.parametrize('workers', [1, 2])
def test_manager_is_gone(manager, error, workers):
    """Also if another job is waiting for a worker."""
    manager.hold.clear()
    runner = manager.runner(workers)
    threading.Timer(0.1, setattr, [manager, 'status', error]).start()
    with pytest.raises(SearchError, match=f'Expected the NNI manager to answer, got: {error}. '
                                          'Start again with the same archive') as raised:
        runner.run([job(1), job(2)], pytest.fail)
    assert raised.value.__cause__ is error and no_callbacks(manager.engine)
    assert manager.left                                      # the channel connects to no other


def test_manager_has_closed_the_connection(manager):
    manager.hold.clear()
    runner = manager.runner()
    threading.Timer(0.1, manager.commands.put, [None]).start()
    with pytest.raises(SearchError, match='the NNI manager to answer, got: it has closed'):
        runner.run([job(1), job(2)], pytest.fail)


def test_slow_manager(manager):
    manager.hold.clear()
    runner = manager.runner()
    manager.status = requests.ReadTimeout('20 seconds')

    def recover():
        manager.status = 'RUNNING'
        manager.hold.set()

    threading.Timer(0.5, recover).start()
    assert run(runner, [job(1), job(2)])[0] == [1 / 8, 2 / 8]


@pytest.mark.parametrize('limit, workers', [(1, 2), (1, 1), (3, 2), (2, 8)])
def test_max_trial_number_is_too_small(manager, patient, limit, workers):
    """NNI takes more trials than that, and never runs them."""
    manager.limit, done = limit, {}
    with pytest.raises(SearchError, match=rf'budget for {5 - limit} more trials, got none: the '
                                          'experiment is DONE. .*max_trial_number'):
        manager.runner(workers).run([job(number) for number in range(5)], done.__setitem__)
    assert sorted(done.items()) == [(index, index / 8) for index in range(limit)]


def test_trials_end_before_the_lack_of_budget_ends_the_search(manager, patient):
    manager.hold.clear()
    runner, done = manager.runner(), {}
    threading.Timer(0.1, setattr, [manager, 'status', 'NO_MORE_TRIAL']).start()
    threading.Timer(0.8, manager.hold.set).start()
    with pytest.raises(SearchError, match='budget for 1 more trials, .* is NO_MORE_TRIAL'):
        runner.run([job(1), job(2), job(3)], done.__setitem__)
    assert done == {0: 1 / 8, 1: 2 / 8}


def test_experiment_stopped_by_its_user(manager):
    manager.hold.clear()
    runner = manager.runner()
    threading.Timer(0.1, setattr, [manager, 'status', 'STOPPED']).start()
    with pytest.raises(SearchError, match='the experiment is STOPPED'):
        runner.run([job(1)], pytest.fail)


# What NNI 3.0 does, and why the runner works around it

def test_guard_loaded_status_is_a_plain_string():
    model = simplified().freeze(job(1).sample)
    assert type(nni.load(nni.dump(model)).status) is str
    with pytest.raises(AttributeError, match='frozen'):
        SequentialExecutionEngine().submit_models(nni.load(nni.dump(model)))


def test_guard_final_metric_keeps_its_default_only():
    engine, model = SequentialExecutionEngine(), simplified().freeze(job(1).sample)
    engine.dispatch_model_event(FinalMetricEvent(model, {'default': 0.5, 'outcome': {}}))
    assert model.metrics.final == 0.5


@pytest.mark.filterwarnings('ignore::pytest.PytestUnhandledThreadExceptionWarning')
def test_guard_metric_without_default_ends_the_listening_thread(manager):
    model = simplified().freeze(job(1).sample)
    manager.engine.submit_models(model)                      # its first report has no default
    manager.engine._channel_listen_thread.join(10)
    assert not manager.engine._channel_listen_thread.is_alive()


def test_guard_engine_keeps_a_weak_reference_only(manager):
    manager.hold.clear()
    model, ended = simplified().freeze(job(1).sample), []
    manager.engine.register_model_event_callback(TrainingEndEvent.event_type, ended.append)
    manager.engine.submit_models(model)
    manager.commands.put(report(0, 'PERIODICAL', 1.))
    while manager.engine._submitted_cache:                   # held until the trial is heard of
        time.sleep(0.01)
    assert manager.engine._models[0]() is model
    del model
    gc.collect()
    assert manager.engine._models[0]() is None
    manager.hold.set()
    while 0 in manager.engine._models:
        time.sleep(0.01)
    assert not ended


def test_guard_engine_takes_more_trials_than_the_budget(manager):
    manager.status = 'DONE'
    model = simplified().freeze(job(1).sample)
    manager.engine.submit_models(model)
    assert model.status == ModelStatus.Training and not manager.engine.budget_available()


def digits():
    return Classification(image_loader(Digits('train'), 300, shuffle=True),
                          image_loader(Digits('validation'), 450), num_classes=10, max_epochs=1,
                          enable_progress_bar=False, accelerator='cpu')


def test_guard_lightning_trainer_trains_once():
    sample = {f'cell/{edge}': 'conv_1x1' for edge in ('0_1', '0_2', '1_2', '0_3', '1_3', '2_3')}
    model = simplified(digits(), NasBench201(2, 1, 10)).freeze(sample)
    model.execute()
    trainer = model.evaluator.trainer
    assert trainer.global_step == 3
    with suppress(KeyError):                                  # there is no metric, either
        model.execute()
    assert trainer.global_step == 3


@pytest.mark.slow
def test_each_job_is_trained_as_if_it_were_the_only_one(tmp_path):
    torch.set_num_threads(1)
    samples = [{f'cell/{edge}': operation for edge in ('0_1', '0_2', '1_2', '0_3', '1_3', '2_3')}
               for operation in ('conv_3x3', 'conv_1x1')]
    alone = []
    for sample in samples:
        model = simplified(digits(), NasBench201(2, 1, 10)).freeze(sample)
        model.execute()
        alone.append(model.evaluator.trainer.callback_metrics['val_acc'].item())
    runner = EngineRunner(SequentialExecutionEngine(), simplified(digits(), NasBench201(2, 1, 10)),
                          digits(), tmp_path)
    outcomes, _ = run(runner, [StandAlone(sample) for sample in [*samples, samples[0]]])
    assert outcomes == pytest.approx([*alone, alone[0]], abs=1e-9)
    assert json.loads(json.dumps(outcomes)) == outcomes
