"""NNI's manager, played towards its real `TrainingServiceExecutionEngine`."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections import Counter, defaultdict, deque

from nni.experiment import rest
from nni.nas.execution import TrainingServiceExecutionEngine
from nni.nas.execution import training_service as nni_training_service
from nni.runtime.tuner_command_channel.command_type import (
    Initialize,
    ReportMetricData,
    RequestTrialJobs,
    TrialEnd,
)

from nni_rankreg.host.run.engine import EngineRunner

from .jobs import FOLDER, Scripted, number_of, simplified


class Manager:
    """What NNI's manager does with trials: it runs them at once, unless they are in `hold`.

    A trial asks for its parameters at once, too, and is given those that have waited longest. The
    trials in `dying`, counted from 0, die before.
    """

    tuner_command_channel, port, url_prefix = 'ws://nowhere', None, None

    def __init__(self, monkeypatch):
        monkeypatch.setattr(nni_training_service, 'TunerCommandChannel', lambda url: self)
        monkeypatch.setattr(rest, 'get', lambda port, api, prefix: {
            '/trial-jobs': self.list_trials, '/experiment': self.profile}[api]())
        self.commands, self.callbacks = queue.Queue(), defaultdict(list)
        self.limit, self.finals, self.hold, self.late = 1000, {}, threading.Event(), False
        self.trials, self.ended, self.waiting, self.largest = [], 0, [], 0
        self.reports, self.together, self.mixed = [], 1, False
        self.added, self.restarted, self.failed_as, self.message = [], {}, 'FAILED', None
        self.dying, self.parameters, self.trained, self.killed = set(), deque(), Counter(), []
        self.status, self.assessor, self.intermediate = 'RUNNING', None, None
        self.left = False
        self.hold.set()
        self.engine = TrainingServiceExecutionEngine(self)

    def runner(self, workers=2):
        self.commands.put(RequestTrialJobs(workers))
        while not self.engine.idle_worker_available():
            time.sleep(0.01)
        return EngineRunner(self.engine, simplified(), Scripted(), FOLDER)

    # As NasExperiment

    def get_status(self):
        if isinstance(self.status, Exception):
            raise self.status
        return self.status

    def list_trial_jobs(self):
        return []

    def profile(self):
        return {'params': {'assessor': self.assessor} if self.assessor else {}}

    def list_trials(self):
        records = [*self.added, *({'parameter_id': key} for key in self.trials)]
        return [{'trialJobId': f'trial{one["parameter_id"]}', 'status': self.failed_as,
                 'message': self.message, 'hyperParameters': [json.dumps(one)]} for one in records]

    # As TunerCommandChannel

    def __getattr__(self, name):
        if name.startswith('on_'):
            return self.callbacks[name[3:]].append
        raise AttributeError(name)

    def connect(self):
        pass

    def disconnect(self):
        self.left = True

    def _send(self, command, data):
        self.killed.append((command, json.loads(data)))

    def listen(self, stop_event):
        names = {RequestTrialJobs: 'request_trial_jobs', Initialize: 'initialize',
                 ReportMetricData: 'report_metric_data', TrialEnd: 'trial_end'}
        for command in iter(self.commands.get, None):
            for callback in self.callbacks[names[type(command)]]:
                callback(command)

    def send_trial(self, parameter_id, parameters, placement_constraint):
        if len(self.trials) >= self.limit:
            self.waiting.append(parameter_id)
            return
        self.trials.append(parameter_id)
        self.largest = max(self.largest, len(self.trials) - self.ended)
        self.parameters.append((parameter_id, number_of(parameters.sample)))
        if len(self.trials) - 1 in self.dying:
            work = self._die, (parameter_id,)
        else:
            work = self._run, (*self.parameters.popleft(), parameter_id)
        threading.Thread(target=work[0], args=work[1], daemon=True).start()

    def _die(self, name):
        self._end([], name, 'USER_CANCELED')

    def _run(self, key, number, name=None):
        self.hold.wait(60)
        final = self.finals.get(number, number / 8)
        self.trained[number] += 1
        status = 'FAILED' if final == 'raise' else 'SUCCEEDED'
        metrics = []
        if final not in ('raise', 'nothing'):
            metrics = [report(key, 'PERIODICAL', self.intermediate or {'x': 1}),
                       report(key, 'FINAL', final)][:1 if final == 'begun' else 2]
        self._end(metrics, key if name is None else name, status)

    def _end(self, metrics, key, status):
        self.reports.append((metrics, key, status))
        if len(self.reports) >= self.together:
            reports, self.reports = self.reports, []
            self._report(reports)

    def _report(self, reports):
        """Send first all metrics, then all ends, of trials that end together."""
        for metrics, _, _ in reports:
            for metric in metrics:
                self.commands.put(metric) if not self.late else threading.Timer(
                    0.3, self.commands.put, [metric]).start()
        keys = [key for _, key, _ in reports]
        if len(keys) > 1:
            time.sleep(0.3)                                  # the runner takes note of the metrics
        if self.mixed:
            keys.reverse()
        for key, (_, _, status) in zip(keys, reports):
            self.ended += 1
            self.commands.put(TrialEnd(f'trial{key}', [key], status))
            if len(self.trials) < self.limit:
                self.commands.put(RequestTrialJobs(1))
            elif self.ended == len(self.trials):
                self.status = 'DONE'


def report(key, kind, value):
    return ReportMetricData(parameter_id=key, trial_job_id=f'trial{key}', type=kind, sequence=0,
                            value=value)
