"""NNI's trials from inside: silent, or with more to report, and not without a manager."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from numbers import Real
from typing import Any

import nni
from nni.runtime import trial_command_channel
from nni.runtime.trial_command_channel import (
    ParameterRecord,
    TrialCommandChannel,
    get_default_trial_command_channel,
    set_default_trial_command_channel,
)

__all__ = ['end_with_manager', 'outside_trial', 'reporting_also', 'telling_its_end']

_PERIOD = 5.  # seconds between two looks at the manager


@contextmanager
def outside_trial() -> Iterator[None]:
    """Make evaluators believe that no trial is running, and keep what they report all the same.

    Those of NNI ask ``nni.get_current_parameter() is not None`` before they report; modules of
    users, as in NNI's documentation, do not.

    Examples
    --------
    >>> with outside_trial():
    ...     print(nni.get_current_parameter())
    ...     nni.report_final_result(0.5)
    None
    """
    before = nni.trial._params, nni.trial._intermediate_seq, trial_command_channel._channel
    nni.trial._params = {'parameters': None, 'parameter_id': None}
    trial_command_channel._channel = _DeafChannel()
    try:
        yield
    finally:
        nni.trial._params, nni.trial._intermediate_seq, trial_command_channel._channel = before


class _DeafChannel(TrialCommandChannel):
    """Keeps to itself what it is told."""

    def receive_parameter(self) -> None:
        return None

    def send_metric(self, *arguments: Any, **named: Any) -> None:
        pass


@contextmanager
def telling_its_end() -> Iterator[None]:
    """Let the error output say what has ended a process that raises nothing.

    A crash in compiled code tells its signal and where it was; a SystemExit, which ends a process
    without a word, becomes an error.

    Raises
    ------
    RuntimeError
        In place of a SystemExit.

    Examples
    --------
    >>> with telling_its_end():
    ...     raise SystemExit(3)
    Traceback (most recent call last):
    RuntimeError: Expected a result, got SystemExit(3), which would end the process.
    """
    if not faulthandler.is_enabled() and sys.__stderr__ is not None:
        faulthandler.enable(sys.__stderr__)
    try:
        yield
    except SystemExit as error:
        raise RuntimeError(f'Expected a result, got SystemExit({error.code!r}), which would end '
                           'the process.') from error


@contextmanager
def reporting_also(numbers: Mapping[str, float]) -> Iterator[None]:
    """Add numbers to the final results that are reported; NNI's web UI shows and plots them.

    Parameters
    ----------
    numbers
        Name -> number; a result that has the name keeps its own.

    Examples
    --------
    >>> with reporting_also({'predicted': 0.8}):      # {'default': 0.9, 'predicted': 0.8}
    ...     nni.report_final_result(0.9)              # doctest: +SKIP
    """
    channel = get_default_trial_command_channel()
    if not numbers:
        yield
        return
    set_default_trial_command_channel(_FullerChannel(channel, numbers))
    try:
        yield
    finally:
        set_default_trial_command_channel(channel)


class _FullerChannel(TrialCommandChannel):
    """Hands everything on to another channel; final results have more numbers then."""

    def __init__(self, channel: TrialCommandChannel, numbers: Mapping[str, float]):
        self._channel, self._numbers = channel, numbers

    def receive_parameter(self) -> ParameterRecord | None:
        return self._channel.receive_parameter()

    def send_metric(self, type: Any, parameter_id: Any, trial_job_id: str, sequence: int,
                    value: Any) -> None:
        if type == 'FINAL' and isinstance(value, Real):
            value = {**self._numbers, 'default': value}
        elif type == 'FINAL' and isinstance(value, dict):
            value = {**self._numbers, **value}
        self._channel.send_metric(type=type, parameter_id=parameter_id, trial_job_id=trial_job_id,
                                  sequence=sequence, value=value)


@cache
def end_with_manager() -> None:
    """End this trial if NNI's manager is killed, as nobody would hear of its result.

    Does nothing outside of a trial. The manager, or what it has started on another machine, is the
    parent of the process, and another one becomes it.
    """
    if nni.get_trial_id() == 'STANDALONE':
        return
    manager = os.getppid()

    def watch() -> None:
        while os.getppid() == manager:
            time.sleep(_PERIOD)
        os._exit(1)

    threading.Thread(target=watch, name='end_with_manager', daemon=True).start()
