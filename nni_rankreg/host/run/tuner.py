"""The second driver of plans: an algorithm that NNI's manager starts for ``nnictl create``.

It is an advisor, as NNI calls algorithms that talk to the manager themselves: one of NNI's tuners
has to answer each request for a trial at once, whereas a search of several stages has no job to
give while it waits. The messages go to NNI's engine for NAS instead, as in a `NasExperiment`, and
the strategy runs on it in a thread of its own; so the same strategies and jobs run under both.

NNI waits ten seconds for the connection, in which PyTorch may not be imported: nothing above
`PlanTuner.run` imports it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from nni.experiment import Experiment, rest
from nni.runtime.env_vars import dispatcher_env_vars
from nni.runtime.msg_dispatcher_base import MsgDispatcherBase

from ..._util.path import user_path
from ...config import ConfigError, build_search, read_config
from ..warm.nnictl import offer_warm_process

__all__ = ['PlanTuner', 'check_strategy', 'readable_space']

_logger = logging.getLogger(__name__)


class PlanTuner(MsgDispatcherBase):
    """Run the strategy of a search file as the tuner of an NNI experiment.

    Parameters
    ----------
    config
        The search file; a relative path begins at the experiment's trialCodeDirectory, as do
        those in the file.
    trust
        Whether the file may name classes of any package, see `nni_rankreg.config`.
    url
        Of the manager; None takes what NNI has set.

    Raises
    ------
    ConfigError
        If the file cannot be used; the reason is in NNI's dispatcher.log, too.
    """

    strategy: str | None = None
    """Name of the strategy that the file must have; None takes any."""

    def __init__(self, config: str, trust: bool = False, *, url: str | None = None):
        url = url or dispatcher_env_vars.NNI_TUNER_COMMAND_CHANNEL
        self._experiment: Any = _connect(url)
        try:
            self._params = _profile(self._experiment)['params']
            self._folder = Path(self._params.get('trialCodeDirectory', '.'))
            self._config = read_config(self._folder / user_path(config), trust=trust)
            self._trust = trust
            check_strategy(self._config, self.strategy)
        except ConfigError as error:
            _logger.error('Wrong arguments of the tuner: %s', error)
            raise
        super().__init__(url)
        self._experiment.tuner_command_channel = self._channel

    def run(self) -> None:
        """Search until the manager says goodbye."""
        offer_warm_process(self._params)
        os.chdir(self._folder)
        if self._trust:                        # otherwise nothing is imported from there
            sys.path.append(str(self._folder))
        from nni.nas.execution import TrainingServiceExecutionEngine

        from .resume import install_resume

        install_resume()  # the engine then takes the channel that is connected already
        engine = TrainingServiceExecutionEngine(self._experiment)
        threading.Thread(target=self._search, args=[engine], daemon=True).start()
        engine._channel_listen_thread.join()

    def _search(self, engine: Any) -> None:
        try:
            self._run_strategy(engine)
            self._finish()
        except Exception as error:
            if engine._channel_listen_thread.is_alive():  # otherwise the user has stopped it
                _logger.exception('The search has failed: %s', error)
                self.report_error(f'The search has failed: {error}')

    def _run_strategy(self, engine: Any) -> None:
        from nni.nas.space import SimplifiedModelSpace

        space, evaluator, strategy = build_search(self._config, trust=self._trust)
        self._experiment.update_search_space(readable_space(space))
        strategy.initialize(SimplifiedModelSpace.from_model(space, evaluator), engine)
        strategy.run()
        for rank, model in enumerate(strategy.list_models(limit=10), start=1):
            _logger.info('Best %d: %s %s', rank, model.metric, model.sample)

    def _finish(self) -> None:
        """Make the manager end the experiment; it does so at the maximum of trials only."""
        trials = len(rest.get(self._experiment.port, '/trial-jobs', self._experiment.url_prefix))
        _logger.info('The search is done after %d trials.', trials)
        self._experiment.update_max_trial_number(trials)


def check_strategy(config: dict[str, Any], expected: str | None) -> None:
    """Check that a search file has the strategy that a tuner is named after.

    Raises
    ------
    ConfigError
        If it has another one.
    """
    found = config['strategy']['class_path']
    if expected is not None and (not isinstance(found, str)
                                 or found.rpartition('.')[2] != expected):
        raise ConfigError(f'strategy.class_path: Expected {expected}, as the tuner is named, got '
                          f'{found}.')


def readable_space(space: Any) -> dict[str, Any]:
    """Return a space in the form that the web UI draws, without choices it knows no form of."""
    found = {}
    for label, mutable in space.simplify().items():
        try:
            found[label] = mutable.as_legacy_dict()
        except NotImplementedError:
            _logger.warning('The web UI cannot show the choices of %s.', label)
    return found


def _connect(url: str) -> Experiment:
    """Return NNI's binding of the manager whose channel is given."""
    parts = urlparse(url)
    experiment = Experiment(None)
    experiment.port = parts.port
    experiment.url_prefix = parts.path.strip('/').rpartition('/')[0] or None
    return experiment


def _profile(experiment: Experiment) -> dict[str, Any]:
    return rest.get(experiment.port, '/experiment', experiment.url_prefix)
