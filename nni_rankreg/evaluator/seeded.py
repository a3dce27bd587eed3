"""Evaluators that seed everything before NNI builds the model."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from nni.nas.evaluator.pytorch import Lightning, LightningModule, Trainer
from nni.nas.space import ExecutableModelSpace

from .._util.log import quiet_lightning

__all__ = ['SeededLightning']


class SeededLightning(Lightning):
    """NNI's evaluator with a seed and a trainer that clips gradients and writes nothing."""

    def __init__(self, module: LightningModule, train_dataloaders: Any, val_dataloaders: Any,
                 seed: int | None, trainer_kwargs: dict[str, Any]):
        defaults = dict(gradient_clip_val=5., logger=False, enable_checkpointing=False,
                        enable_model_summary=False, num_sanity_val_steps=0)
        with quiet_lightning():
            trainer = Trainer(**{**defaults, **trainer_kwargs})
        super().__init__(module, trainer, train_dataloaders=train_dataloaders,
                         val_dataloaders=val_dataloaders)
        self.seed = seed

    def _execute(self, model: ExecutableModelSpace) -> Any:
        """Seed before NNI builds the model, so that its weights are seeded as well."""
        if self.seed is not None:
            pl.seed_everything(self.seed, workers=True, verbose=False)
        with quiet_lightning():
            return super()._execute(model)
