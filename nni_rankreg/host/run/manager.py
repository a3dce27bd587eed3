"""NNI's manager as we start it: for this machine only, and no longer than its search.

What it lacks itself is in `manager.js`, which Node reads before it. `install_manager` has NNI start
its managers so; `nnictl` does it for whoever sets NODE_OPTIONS, see `node_options`.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from nni.experiment import Experiment, launcher
from nni.experiment.experiment import RunMode
from nni.nas.experiment.config import NasExperimentConfig

from ..warm.start import warm_python
from .node_options import node_options

__all__ = ['HOST', 'install_manager', 'left_managers', 'stop_left_managers']

_logger = logging.getLogger(__name__)

HOST = 'NNI_RANKREG_HOST'
"""Environment variable: the address that managers listen on, 127.0.0.1 unless it says otherwise."""

_SEARCH = 'NNI_RANKREG_SEARCH'
_LOOPBACK = ('127.0.0.1', 'localhost', '::1')
_PATIENCE = 30.  # seconds for a manager to stop its trials and itself

_start_experiment = launcher.start_experiment
_run_impl = Experiment._run_impl


def install_manager() -> None:
    """Have NNI start its managers as this package needs them, from now on in this process.

    * With the local training service they listen on 127.0.0.1, or on what `HOST` says.
    * They end with this process, however that ends, unless they are started to be detached.
    * One that the killed process of an earlier start has left in the same folder is stopped first.
    * SIGTERM and SIGHUP stop the experiment, as Ctrl-C does, and all three end the script.
    * Trials of the local training service are forks of one warm process, see `warm_python`.

    Calling it once more does nothing.
    """
    if launcher.start_experiment is _start_experiment:
        launcher.start_experiment = _start
    if Experiment._run_impl is _run_impl:
        Experiment._run_impl = _run


def left_managers(folder: Path) -> list[psutil.Process]:
    """Return the managers whose search has been killed.

    Parameters
    ----------
    folder
        Where NNI keeps their experiments.
    """
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if str(folder) in process.cmdline():
                search = process.environ().get(_SEARCH)
                if search is not None and process.ppid() != int(search):
                    found.append(process)
    return found


def stop_left_managers(folder: Path) -> None:
    """Stop the managers whose search has been killed, and their trials: they share its files.

    Parameters
    ----------
    folder
        Where NNI keeps their experiments.
    """
    managers = left_managers(folder)
    for process in managers:
        _logger.warning('Stopping the NNI manager %d, which an earlier start has left.',
                        process.pid)
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(managers, _PATIENCE)
    for process in alive:
        for one in [*process.children(recursive=True), process]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
    psutil.wait_procs(alive, _PATIENCE)


def _start(action: Any, exp_id: str, config: Any, port: int, debug: bool, run_mode: RunMode,
           *more: Any, **options: Any) -> Any:
    """Start a manager as `nni.experiment.launcher` does."""
    stop_left_managers(Path(config.experiment_working_directory))
    variables = {'NODE_OPTIONS': f'{os.environ.get("NODE_OPTIONS", "")} {node_options()}'.strip(),
                 HOST: _host(config, port)}
    if run_mode is not RunMode.Detach:
        variables[_SEARCH] = str(os.getpid())
        _stop_on_signals()
        _warm(config)
    with _environment(variables):
        return _start_experiment(action, exp_id, config, port, debug, run_mode, *more, **options)


def _warm(config: Any) -> None:
    """Let the trials of a search on this machine be forks, unless they have a Python of their own.

    The configuration is NNI's copy of the user's, which is compared when a search is resumed.
    """
    if (isinstance(config, NasExperimentConfig) and _platform(config) == 'local'
            and config._trial_command_params is None):
        config._trial_command_params = {'python': warm_python()}
        config.training_service.trial_command = config.canonical_copy().trial_command


def _platform(config: Any) -> str:
    return getattr(config.training_service, 'platform', 'hybrid')


def _host(config: Any, port: int) -> str:
    """Return the address to listen on, after a warning if others reach it."""
    platform = _platform(config)
    host = os.environ.get(HOST, '127.0.0.1' if platform == 'local' else '0.0.0.0')
    if host not in _LOOPBACK:
        _logger.warning(
            'NNI listens on %s, port %d, without a password: whoever reaches it can run code '
            'here. %s', host, port, 'Let nobody else reach it.' if platform == 'local' else
            f'Trials of the training service {platform} have to: let their machines alone reach '
            f'it, by a firewall, or set {HOST}.')
    return host


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _stop_on_signals() -> None:
    """Let SIGTERM and SIGHUP end this process in order, so that NNI stops its experiments."""
    if threading.current_thread() is not threading.main_thread():
        return
    process = os.getpid()

    def end(number: int, frame: Any) -> None:
        if os.getpid() == process:
            raise SystemExit(128 + number)
        signal.signal(number, signal.SIG_DFL)  # in a forked process, which has no experiment
        os.kill(os.getpid(), number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)


def _run(experiment: Experiment, port: int, wait_completion: bool, debug: bool) -> bool | None:
    """Run an experiment as NNI does, whose own goes on after Ctrl-C as if the search had ended."""
    try:
        experiment.start(port, debug)
        return experiment._wait_completion() if wait_completion else None
    except KeyboardInterrupt:
        _logger.warning('Interrupted: stopping the experiment.')
        experiment.stop()
        raise
