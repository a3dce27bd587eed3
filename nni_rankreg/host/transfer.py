"""The way of a batch to the device, as Lightning goes it: with the hooks of module and data."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

__all__ = ['transferred']


def transferred(module: pl.LightningModule, batch: Any) -> Any:
    """Return a batch on the device of a module in training, in the precision of its trainer.

    It passes ``on_before_batch_transfer``, ``transfer_batch_to_device`` and
    ``on_after_batch_transfer`` of the module or of its data module, whichever overrides them.

    Parameters
    ----------
    module
        Has a trainer.
    batch
        As a loader gives it.
    """
    batch = module.trainer.precision_plugin.convert_input(batch)
    batch = module._on_before_batch_transfer(batch, dataloader_idx=0)
    return module._apply_batch_transfer_handler(batch, device=module.device, dataloader_idx=0)
