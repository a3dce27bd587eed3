"""NNI's manager, played towards its real `TrainingServiceExecutionEngine`."""

from __future__ import annotations

import queue
import threading
import time
from types import SimpleNamespace

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
    """What NNI's manager does with trials: it runs them at once, unless they are in `hold`."""

    tuner_command_channel, port = 'ws://nowhere', None

    def __init__(self, monkeypatch):
        monkeypatch.setattr(nni_training_service, 'TunerCommandChannel', lambda url: self)
        self.commands, self.callbacks = queue.Queue(), {}
        self.limit, self.finals, self.hold, self.late = 1000, {}, threading.Event(), False
        self.trials, self.ended, self.waiting, self.largest = [], 0, [], 0
        self.reports, self.together, self.mixed = [], 1, False
        self.status = 'RUNNING'
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
        return [SimpleNamespace(
            trialJobId=f'trial{key}', status='FAILED',
            hyperParameters=[SimpleNamespace(parameter_id=key)]) for key in self.trials]

    # As TunerCommandChannel

    def __getattr__(self, name):
        if name.startswith('on_'):
            return lambda callback: self.callbacks.__setitem__(name[3:], callback)
        raise AttributeError(name)

    def connect(self):
        pass

    def listen(self, stop_event):
        names = {RequestTrialJobs: 'request_trial_jobs', Initialize: 'initialize',
                 ReportMetricData: 'report_metric_data', TrialEnd: 'trial_end'}
        for command in iter(self.commands.get, None):
            self.callbacks[names[type(command)]](command)

    def send_trial(self, parameter_id, parameters, placement_constraint):
        if len(self.trials) >= self.limit:
            self.waiting.append(parameter_id)
            return
        self.trials.append(parameter_id)
        self.largest = max(self.largest, len(self.trials) - self.ended)
        number = number_of(parameters.sample)
        threading.Thread(target=self._run, args=(parameter_id, number), daemon=True).start()

    def _run(self, key, number):
        self.hold.wait(60)
        final = self.finals.get(number, number / 8)
        status = 'FAILED' if final == 'raise' else 'SUCCEEDED'
        metrics = []
        if final not in ('raise', 'nothing'):
            metrics = [report(key, 'PERIODICAL', {'x': 1}), report(key, 'FINAL', final)]
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
