"""The evaluator that trains a super-net: the user's own, around another module."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import nni
from nni.mutable import Mutable
from nni.nas.evaluator.pytorch import Lightning, LightningModule

from .._util.error import brief
from .._util.log import quiet_lightning
from ..data import Loaders

__all__ = ['check_evaluator', 'check_settled', 'supernet_evaluator']


def check_evaluator(evaluator: Any) -> None:
    """Refuse what cannot train a super-net.

    Raises
    ------
    TypeError
        If the evaluator is not NNI's Lightning.
    ValueError
        If it has parameters to choose, optimises by hand, or lacks a loader.
    """
    if not isinstance(evaluator, Lightning):
        raise TypeError("Expected NNI's Lightning evaluator to train a super-net, such as "
                        f'Classification, got {type(evaluator).__name__}: its steps, not a whole '
                        'training, are what is needed.')
    check_settled(evaluator)
    if not evaluator.module.automatic_optimization:
        raise ValueError('Expected a Lightning module that lets Lightning optimise, got '
                         f'{type(evaluator.module).__name__} with automatic_optimization = False: '
                         'a super-net adds terms to the loss that training_step returns.')
    if evaluator.datamodule is None:
        for name in ('train_dataloaders', 'val_dataloaders'):
            found = getattr(evaluator, name)
            if isinstance(found, str) or not isinstance(found, Iterable):
                raise ValueError('Expected a training and a validation loader in the evaluator of '
                                 f'a super-net, or a data module, got {brief(found)} as {name}.')


def check_settled(evaluator: Any) -> None:
    """Refuse an evaluator with parameters to choose: architectures alone are searched.

    Raises
    ------
    ValueError
        Naming the parameters.
    """
    if isinstance(evaluator, Mutable) and evaluator.simplify():
        raise ValueError('Expected an evaluator without parameters to choose, as architectures '
                         f'alone are searched, got the choices {sorted(evaluator.simplify())}. '
                         'Give each a value.')


def supernet_evaluator(evaluator: Lightning, module: LightningModule,
                       loaders: Loaders) -> Lightning:
    """Return an evaluator that trains a super-net by the trainer and on the data of the user's.

    Parameters
    ----------
    evaluator
        The user's.
    module
        The super-net in training.
    loaders
        Become those of the training.
    """
    data: dict[str, Any] = {}
    if evaluator.datamodule is None:
        data['train_dataloaders'] = loaders.train(lambda: evaluator.train_dataloaders)
        data['val_dataloaders'] = loaders.validate(lambda: evaluator.val_dataloaders)
    else:
        data['datamodule'] = evaluator.datamodule
        for name, take in (('train_dataloader', loaders.train),
                           ('val_dataloader', loaders.validate)):
            make = _own(getattr(evaluator.datamodule, name))
            setattr(evaluator.datamodule, name, partial(take, make))
    return _QuietLightning(module, evaluator.trainer, fit_kwargs=evaluator.fit_kwargs, **data)


@nni.trace
class _QuietLightning(Lightning):
    """NNI's evaluator without what Lightning says in each run."""

    def evaluate(self, model: Any) -> Any:
        """Train the super-net; NNI calls this."""
        with quiet_lightning():
            return super().evaluate(model)


def _own(make: Callable[[], Any]) -> Callable[[], Any]:
    """Return how a data module itself makes a loader, though it may have trained a super-net."""
    if isinstance(make, partial) and isinstance(getattr(make.func, '__self__', None), Loaders):
        return make.args[0]
    return make
