"""What the user's Lightning module overrides of Lightning, and how a super-net around it obeys."""

from __future__ import annotations

import inspect

import pytorch_lightning as pl

__all__ = ['forward_hooks', 'overridden_hooks']

_NO_HOOKS = {
    # What Lightning asks a module for, or what a super-net does in its own way
    'forward', 'training_step', 'validation_step', 'test_step', 'predict_step', 'setup', 'teardown',
    'configure_optimizers', 'train_dataloader', 'val_dataloader', 'test_dataloader',
    'predict_dataloader', 'on_save_checkpoint', 'on_load_checkpoint',
    # What a module calls
    'optimizers', 'lr_schedulers', 'print', 'log', 'log_dict', 'all_gather', 'manual_backward',
    'toggle_optimizer', 'untoggle_optimizer', 'toggled_optimizer', 'clip_gradients', 'freeze',
    'unfreeze', 'to_onnx', 'to_torchscript', 'to_tensorrt', 'load_from_checkpoint',
}
_HOOKS = {name for kind in pl.LightningModule.__mro__ if kind.__module__.startswith(
    ('pytorch_lightning.core', 'lightning.pytorch.core')) for name, value in vars(kind).items()
    if inspect.isfunction(value) and not name.startswith('_')} - _NO_HOOKS
"""All functions of a Lightning module but those above, so that new hooks are among them."""


def overridden_hooks(module: pl.LightningModule) -> list[str]:
    """Return the names of the hooks that a Lightning module overrides.

    Parameters
    ----------
    module
        Of an evaluator.

    Examples
    --------
    >>> class Module(pl.LightningModule):
    ...     def on_train_start(self):
    ...         print('The training starts.')
    >>> overridden_hooks(Module())
    ['on_train_start']
    """
    return sorted(name for name in _HOOKS
                  if getattr(type(module), name) is not getattr(pl.LightningModule, name))


def forward_hooks(inner: pl.LightningModule, outer: pl.LightningModule) -> None:
    """Let Lightning call the hooks of a module that stands inside the one it trains.

    A hook that the class of the outer module has itself is left alone: it calls the inner one.

    Parameters
    ----------
    inner
        Of an evaluator.
    outer
        What Lightning trains.
    """
    for name in overridden_hooks(inner):
        if getattr(type(outer), name) is getattr(pl.LightningModule, name):
            setattr(outer, name, getattr(inner, name))
