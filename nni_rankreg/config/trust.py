"""What a search file may build that nobody has vouched for.

A class is built if it is of a kind that searches are made of and comes from a module that is known
to hold such classes: constructing one neither runs code that a file brings, nor reads pickles, nor
loads from an address. Of functions there is a list. In addition the class has to be what its place
expects, see `annotation`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .._util.import_path import import_object

__all__ = ['FUNCTIONS', 'may_build', 'original']

_ROOMS = ('archive', 'constraint', 'data', 'evaluator', 'loss', 'predictor', 'proxy',
          'regularizer', 'sampler', 'schedule', 'search', 'space', 'strategy', 'supernet', 'table',
          'typing')
"""Of this package: all classes in them. The others start experiments, commands and files."""

_DATA_SETS = tuple(f'torchvision.datasets.{name}' for name in (
    'caltech', 'cifar', 'country211', 'dtd', 'eurosat', 'fakedata', 'fgvc_aircraft', 'flowers102',
    'folder', 'food101', 'gtsrb', 'mnist', 'oxford_iiit_pet', 'semeion', 'stanford_cars', 'stl10',
    'sun397', 'svhn', 'usps'))
_LIGHTNING = 'pytorch_lightning'
_KINDS = {
    'nni.nas.nn.pytorch.ModelSpace': ('nni.nas.hub.pytorch',),
    'nni.nas.evaluator.Evaluator': ('nni.nas.evaluator',),
    'nni.nas.strategy.base.Strategy': ('nni.nas.strategy', 'nni.nas.oneshot'),
    'torch.nn.Module': ('torch.nn.modules', 'nni.nas.evaluator'),
    'torch.optim.Optimizer': ('torch.optim',),
    'torch.optim.lr_scheduler.LRScheduler': ('torch.optim.lr_scheduler',),
    'torch.utils.data.Dataset': ('torch.utils.data.dataset', *_DATA_SETS),
    'torch.utils.data.DataLoader': ('torch.utils.data.dataloader',),
    'torch.utils.data.Sampler': ('torch.utils.data.sampler', 'torch.utils.data.distributed'),
    'torchmetrics.Metric': tuple(f'torchmetrics.{name}' for name in (
        'aggregation', 'classification', 'clustering', 'nominal', 'regression', 'retrieval')),
    'builtins.object': ('torchvision.transforms',),
    f'{_LIGHTNING}.Trainer': (f'{_LIGHTNING}.trainer.trainer',),
    f'{_LIGHTNING}.Callback': (f'{_LIGHTNING}.callbacks',),
    f'{_LIGHTNING}.loggers.Logger': (f'{_LIGHTNING}.loggers.csv_logs',
                                     f'{_LIGHTNING}.loggers.tensorboard'),
}
"""Kind -> modules of other packages whose classes of that kind are built.

Not whole packages: `torchvision.datasets.lsun` unpickles a file of the working folder, datapipes
open files for writing, and metrics of images and texts load networks from where they are told.
"""

FUNCTIONS = frozenset((
    'nni_rankreg.data.image.image_loader', 'nni_rankreg.evaluator.digits.digits_evaluator',
    'nni_rankreg.evaluator.digits.digits_space', 'nni_rankreg.evaluator.digits.digits_truth',
    'nni_rankreg.predictor.weak.read_weak', 'nni_rankreg.strategy.acenas.AceNAS.as_published',
    'nni_rankreg.strategy.acenas_recipe.Rounds.as_published', 'nni_rankreg.table.digits.digits',
    'nni_rankreg.table.source.read_csv_results',
    'nni_rankreg.table.tabular.TabularBenchmark.from_csv'))
"""Functions that are called, by the module that defines them and their name there."""


def may_build(target: Callable[..., Any]) -> bool:
    """Return whether a class is built, or a function called, without trust.

    Examples
    --------
    >>> import pathlib, torch
    >>> may_build(torch.nn.ReLU), may_build(torch.load), may_build(pathlib.Path)
    (True, False, False)
    """
    target = original(target)
    if not inspect.isclass(target):
        return f'{target.__module__}.{getattr(target, "__qualname__", "")}' in FUNCTIONS
    if _lies_in(target, tuple(f'nni_rankreg.{room}' for room in _ROOMS)):
        return True
    return any(_lies_in(target, homes) and issubclass(target, import_object(kind))
               for kind, homes in _KINDS.items())


def original(target: Any) -> Any:
    """Return what NNI has traced."""
    return getattr(target, '__wrapped__', target)


def _lies_in(target: type, modules: tuple[str, ...]) -> bool:
    return any(f'{target.__module__}.'.startswith(f'{one}.') for one in modules)
