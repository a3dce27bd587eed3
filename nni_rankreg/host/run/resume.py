"""What NNI 3.0 lacks to resume an experiment.

* When an experiment is resumed, the manager sends what it knows to the search: finished trials, and
  those that it starts again because they had not ended. The engine's channel knows neither message
  and raises, in the thread that listens; `ResumableChannel` takes both.
* The trials that NNI has started again would be submitted once more; `adopt` takes them over.
* Results of which the search had not heard before it ended would be lost; `finished_trials` has
  them.
* The checkpoint of NNI's own strategies is read by `torch.load`, which loads weights only and
  refuses the individuals of its evolution.

`install_resume` brings the first and the last into NNI and PyTorch; the others need no more than
the engine at hand.
"""

from __future__ import annotations

import json
import weakref
from typing import Any

import numpy as np
import torch
from nni.experiment import rest
from nni.nas.execution import training_service
from nni.nas.space import ExecutableModelSpace, ModelStatus
from nni.nas.strategy.evolution import Individual
from nni.runtime.tuner_command_channel import TunerCommandChannel
from nni.runtime.tuner_command_channel.command_type import CommandType

from .listing import list_trials
from .parameters import content, model_content

__all__ = ['SAFE', 'ResumableChannel', 'adopt', 'finished_trials', 'install_resume']

_new_array = np.empty(0).__reduce__()[0]  # its name differs between versions of NumPy

SAFE: list[Any] = [Individual, np.ndarray, np.dtype, type(np.dtype('uint32')), _new_array]
"""What the checkpoints of NNI's evolution are made of; nothing else is unpickled."""


def install_resume() -> None:
    """Let the experiments that this process starts from now on be resumed.

    NNI's engines for trials then have a `ResumableChannel`, and `torch.load` reads the checkpoints
    of its evolution. Calling it once more does nothing.

    Examples
    --------
    >>> install_resume()
    >>> training_service.TunerCommandChannel.__name__
    'ResumableChannel'
    """
    if training_service.TunerCommandChannel is TunerCommandChannel:
        training_service.TunerCommandChannel = ResumableChannel
    torch.serialization.add_safe_globals(SAFE)


class ResumableChannel(TunerCommandChannel):
    """NNI's channel of a search, which also takes the messages of a resumed experiment.

    Parameters
    ----------
    url
        Of the channel, or a channel that is connected already.

    Attributes
    ----------
    restarted
        Parameters, by id, of the trials that NNI has started again and that have not ended.
    resumed
        Whether the experiment is resumed, so that NNI may know results that the search does not.
    """

    def __init__(self, url: str | TunerCommandChannel):
        super().__init__('' if isinstance(url, TunerCommandChannel) else url)
        if isinstance(url, TunerCommandChannel):
            self._channel = url._channel
        self.restarted: dict[int, Any] = {}
        self.resumed = False

    def _receive(self) -> Any:
        while True:
            command, content = super()._receive()
            if command is CommandType.AddCustomizedTrialJob:
                # Read as plain JSON: nothing is built from it.
                self.restarted = {trial['parameter_id']: trial['parameters']
                                  for trial in json.loads(content)}
            elif command is CommandType.ImportData:
                self.resumed = True  # see `finished_trials`
            else:
                if command is CommandType.TrialEnd:
                    parameters = json.loads(json.loads(content)['hyper_params'])
                    self.restarted.pop(parameters['parameter_id'], None)
                return command, content


def adopt(engine: Any, model: ExecutableModelSpace) -> int | None:
    """Take a trial that NNI has started again for that of `model`; return its parameters' id.

    None if there is none. That of another stage of the search will do.

    Parameters
    ----------
    engine
        Runs trials; the sequential engine has none that could be started again.
    model
        About to be submitted.
    """
    channel = getattr(engine, '_channel', None)
    if not (isinstance(channel, ResumableChannel) and channel.restarted):
        return None
    wanted = model_content(model)
    for parameter_id, parameters in channel.restarted.items():
        if content(parameters) == wanted:
            del channel.restarted[parameter_id]
            engine._models[parameter_id] = weakref.ref(model)
            engine._workers -= 1
            model.status = ModelStatus.Training
            return parameter_id
    return None


def finished_trials(engine: Any) -> list[tuple[Any, Any]]:
    """Return the content of the parameters and the final result of each trial that NNI knows.

    NNI's message of finished trials is not used: it joins results to parameters by the trial,
    and trials that start together may have swapped theirs. A report names its parameters.

    Parameters
    ----------
    engine
        Runs trials. There are none unless the experiment is resumed.
    """
    if not getattr(getattr(engine, '_channel', None), 'resumed', False):
        return []
    experiment = engine.nodejs_binding
    parameters = {str(record['parameter_id']): record['parameters']
                  for trial in list_trials(experiment) for record in trial['hyperParameters']}
    metrics = rest.get(experiment.port, '/metric-data', experiment.url_prefix)
    return [(content(parameters[one['parameterId']]), json.loads(json.loads(one['data'])))
            for one in metrics if one['type'] == 'FINAL' and one['parameterId'] in parameters]
