"""Trials of `nnictl`: they find the warm process by a link in the folder of their experiment."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .client import run
from .start import warm_process

__all__ = ['offer_warm_process', 'run_warm']

_COMMAND = ['nni-rankreg', 'trial']
_LINK = 'trials'


def offer_warm_process(config: Mapping[str, Any]) -> None:
    """Let the trials of the experiment whose tuner this is be forks of a warm process.

    It does nothing if they run elsewhere, or if their command is not just ``nni-rankreg trial`` of
    this environment: then they may have other variables, limits and packages than this process.

    Parameters
    ----------
    config
        NNI's configuration of the experiment.
    """
    service = config.get('trainingService')
    if (isinstance(service, dict) and service.get('platform') == 'local'
            and config.get('trialCommand', '').split() == _COMMAND
            and Path(shutil.which(_COMMAND[0]) or '').parent == Path(sys.executable).parent):
        link = Path(os.environ['NNI_LOG_DIRECTORY']).with_name(_LINK)
        link.unlink(missing_ok=True)                   # of an earlier start
        link.symlink_to(warm_process())


def run_warm(words: Sequence[str]) -> int | None:
    """Return the exit status of a command line that a warm process runs, None if none does.

    Parameters
    ----------
    words
        Of the command line of this process.
    """
    with suppress(KeyError, IndexError, OSError):
        if list(words) == _COMMAND[1:] and os.environ['NNI_PLATFORM'] == 'local':
            # EXPERIMENT/environments/NAME/trials/TRIAL; a socket's own path is a short one
            link = Path(os.environ['NNI_OUTPUT_DIR']).parents[3] / _LINK
            return run(os.readlink(link), ['nni_rankreg.cli', *words], [])
    return None
