"""Checkpoints from which the training of a super-net goes on as if it had never stopped.

`CheckpointedModule.search_state` is all that Lightning does not keep: the generators of samplers,
paths, pairs and logits, of torch, NumPy and Python, of the training loader, and where in its pass
the held-out loader is (random states at its begin, and the number of batches, which are drawn
again). Own samplers and regularisers take part by ``state_dict`` and ``load_state_dict``, modules
by extending `search_state`.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from nni.nas.evaluator.pytorch import Lightning, LightningModule
from nni.nas.oneshot.pytorch.base_lightning import BaseOneShotLightningModule

from .._util.files import replaced_file
from .._util.finite import check_finite
from .._util.path import user_path
from .._util.random import global_state, set_global_state
from .._util.torch_file import read_torch_file
from ..data import Loaders

__all__ = ['CheckpointedModule', 'LastCheckpoint', 'keep_checkpoints']

_logger = logging.getLogger(__name__)
_STATE = 'nni_rankreg'  # key in Lightning's checkpoints


class CheckpointedModule(BaseOneShotLightningModule):
    """One-shot module whose whole state is in Lightning's checkpoints, random numbers included.

    Parameters
    ----------
    training_module
        Lightning module of the evaluator.
    loaders
        Of the training.

    .. note:: A subclass with more state extends `search_state` and `load_search_state`. Exact is
       a checkpoint of the end of an epoch; workers of a loader that outlive an epoch
       (``persistent_workers``) have random numbers of their own, which nobody can save.
    """

    def __init__(self, training_module: LightningModule, loaders: Loaders | None = None):
        super().__init__(training_module)
        self.loaders = loaders or Loaders()
        self._before_check: dict[str, Any] = {}

    def identity(self) -> dict[str, Any]:
        """Return what must be the same in a training that is resumed."""
        return {'kind of super-net': type(self).__name__}

    def search_state(self) -> dict[str, Any]:
        """Return all that Lightning does not keep itself, in plain numbers, texts and tensors."""
        return {'identity': self.identity(), 'random': global_state(),
                'loaders': self.loaders.state_dict()}

    def load_search_state(self, state: dict[str, Any]) -> None:
        """Continue from what `search_state` has returned.

        Raises
        ------
        ValueError
            If it is of another training.
        """
        own = self.identity()
        for name, value in state['identity'].items():
            if value != own.get(name):
                raise ValueError(f'Expected a checkpoint of a training with the same {name}, '
                                 f'{own.get(name)}, got one with {value}. Remove it, or choose '
                                 'another checkpoint_folder.')
        self.loaders.load_state_dict(state['loaders'])
        set_global_state(state['random'])

    def on_validation_start(self) -> None:
        """Remember the state before Lightning's check of the validation."""
        super().on_validation_start()
        if self.trainer.sanity_checking:
            self._before_check = self.search_state()

    def on_validation_end(self) -> None:
        """Undo what Lightning's check has drawn: a training that is resumed is checked again."""
        super().on_validation_end()
        if self.trainer.sanity_checking:
            self.load_search_state(self._before_check)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the state of the search to a checkpoint of Lightning."""
        self.training_module.on_save_checkpoint(checkpoint)
        checkpoint[_STATE] = self.search_state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continue from the state of the search in a checkpoint of Lightning."""
        self.training_module.on_load_checkpoint(checkpoint)
        if _STATE not in checkpoint:
            raise ValueError('Expected a checkpoint of a super-net training by nni_rankreg, got '
                             'one of another training.')
        weights = ((name, checkpoint['state_dict'][name]) for name, _ in self.named_parameters()
                   if name in checkpoint['state_dict'])
        check_finite(weights, 'the checkpoint')
        self.load_search_state(checkpoint[_STATE])


class LastCheckpoint(pl.callbacks.Checkpoint):
    """Keep the state at the end of the last epoch in a file, which is complete at any time.

    Parameters
    ----------
    path
        The file.

    .. note:: Lightning's `ModelCheckpoint` writes to the temporary folder and moves the file,
       which is a copy, and may be cut short by a kill, if that is another file system.
    """

    def __init__(self, path: Path):
        self.path = path
        self.last_model_path = str(path)  # what NNI's experiments resume from

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the file; Lightning calls this after all other hooks of the epoch."""
        # All processes take part, but the first one alone writes.
        with (replaced_file(self.path) if trainer.is_global_zero
              else nullcontext(self.path)) as file:
            trainer.save_checkpoint(file, weights_only=False)  # None would be logged each time


def keep_checkpoints(evaluator: Lightning, folder: str | Path) -> None:
    """Let an evaluator keep ``last.ckpt`` in a folder, and start from it if it is there.

    Parameters
    ----------
    evaluator
        Trains the super-net.
    folder
        Created if missing.

    Raises
    ------
    ValueError
        If the file is damaged: at once, not when the data have been prepared.
    """
    path = user_path(folder) / 'last.ckpt'
    path.parent.mkdir(parents=True, exist_ok=True)
    evaluator.trainer.callbacks.append(LastCheckpoint(path))
    if path.exists():
        read_torch_file(path, 'a checkpoint')
        _logger.info('The training continues from %s.', path)
        evaluator.fit_kwargs['ckpt_path'] = str(path)
