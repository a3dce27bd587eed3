"""Start NNI experiments on this machine: a free port, and all files in one folder."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from nni.experiment.config import AlgorithmConfig
from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig

from ..._util.path import user_path
from .manager import HOST
from .prepare import prepare_nni

__all__ = ['local_experiment', 'minimise', 'free_port']


def local_experiment(space: Any, evaluator: Any, strategy: Any, *, folder: Path,
                     concurrency: int = 1, host: str | None = None) -> NasExperiment:
    """Return an experiment on the local training service, ready to run.

    The web UI puts low metrics first if the strategy has the mode ``min``.

    Parameters
    ----------
    space, evaluator, strategy
        As of `NasExperiment`.
    folder
        Where NNI keeps the experiment; its default is a folder of the home directory.
    concurrency
        Trials at a time. They share the cores: unless OMP_NUM_THREADS is set, each gets its part.
    host
        Address that NNI listens on; None is 127.0.0.1, unless NNI_RANKREG_HOST says otherwise.
    """
    prepare_nni()
    os.environ.setdefault('OMP_NUM_THREADS', str(max(1, (os.cpu_count() or 1) // concurrency)))
    if host is not None:
        os.environ[HOST] = host
    config = NasExperimentConfig.default(space, evaluator, strategy)
    config.experiment_working_directory = user_path(folder).absolute()
    config.experiment_name = type(strategy).__name__
    config.trial_concurrency = concurrency
    if getattr(strategy, 'mode', 'max') == 'min':
        minimise(config)
    return NasExperiment(space, evaluator, strategy, config)


def minimise(config: NasExperimentConfig) -> None:
    """Let NNI's web UI put low metrics first.

    It asks the tuner what is best; a NAS experiment has none, and none is started for it.

    Parameters
    ----------
    config
        Of the experiment, before it runs.
    """
    config.tuner = AlgorithmConfig(name='nni_rankreg', class_args={'optimize_mode': 'minimize'})


def free_port(preferred: int = 8080) -> int:
    """Return the first free TCP port from `preferred` on; NNI needs one, and fails on a busy one.

    Raises
    ------
    OSError
        If none of 100 ports is free.
    """
    for port in range(preferred, preferred + 100):
        with socket.socket() as probe:
            if probe.connect_ex(('localhost', port)) != 0:
                return port
    raise OSError(f'Expected a free port from {preferred} to {preferred + 99}, got none.')
