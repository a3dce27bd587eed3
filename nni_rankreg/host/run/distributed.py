"""What Lightning's DDP needs to train a super-net, of which a step uses a part."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nni
import pytorch_lightning as pl
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities import rank_zero_only

__all__ = ['hand_on_trial', 'is_first_process', 'prepare_distributed']

_CHANNEL = 'NNI_TRIAL_COMMAND_CHANNEL'


def is_first_process() -> bool:
    """Return whether this is the process of a distributed training, or the only one, that reports.

    Lightning starts the program of the first once more for each of the others, a trial as well.
    """
    return getattr(rank_zero_only, 'rank', 0) == 0


def hand_on_trial() -> None:
    """Let the processes that Lightning will start find the parameters of this trial.

    They ask for them as the first has done, but NNI's manager gives them only once, and a process
    would wait forever. Without the address of the manager it looks for a file.
    """
    if nni.trial._params is not None and os.environ.get(_CHANNEL, '').startswith('http'):
        text = nni.dump(nni.trial._params, pickle_size_limit=sys.maxsize)
        Path(os.environ['NNI_SYS_DIR'], 'parameter.cfg').write_text(text, encoding='utf-8')
        del os.environ[_CHANNEL]


def prepare_distributed(trainer: pl.Trainer) -> dict[str, int]:
    """Let a trainer accept parameters without a gradient; return the place of this process.

    Parameters
    ----------
    trainer
        Of the evaluator. One that trains in a single process is left as it is.

    Returns
    -------
    ``rank`` and ``processes``, the number of this process, from 0, and that of all.

    Raises
    ------
    ValueError
        If its processes do not each run the whole program, with all weights.
    """
    if trainer.world_size > 1:
        strategy = trainer.strategy
        start = getattr(strategy, '_start_method', None)
        if not isinstance(strategy, DDPStrategy) or start != 'popen':
            raise ValueError("Expected a trainer with strategy='ddp' in a script, or devices=1, to "
                             f'train a super-net, got {type(strategy).__name__} ({start}) on '
                             f'{trainer.world_size} devices.')
        hand_on_trial()
        # The reducer would wait for the gradients of choices that no path of the step has.
        strategy._ddp_kwargs['find_unused_parameters'] = True
    return {'rank': trainer.global_rank, 'processes': trainer.world_size}
