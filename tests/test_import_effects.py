"""Importing the package changes nothing in NNI, PyTorch or this process."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from test_import_order import MODULES, imported

HOSTS = ('nni', 'torch', 'pytorch_lightning', 'torchmetrics', 'numpy')

CODE = '''
import importlib, json, logging, os, random, sys, warnings

import numpy as np
import torch

foreign, own, hosts = json.loads(sys.argv[1])
for name in foreign:
    importlib.import_module(name)


def attributes(owner):
    """Yield the qualified names and the objects that an owner has, also those of its classes."""
    for name, value in list(vars(owner).items()):
        yield f'{owner.__module__}.{owner.__qualname__}.{name}' if isinstance(owner, type) else (
            f'{owner.__name__}.{name}'), value
        if isinstance(value, type) and value.__module__ == getattr(owner, '__name__', None):
            yield from attributes(value)


def names():
    """Return name -> object of each module of a host."""
    return dict(one for name, module in list(sys.modules.items())
                if name.split('.')[0] in hosts and module is not None
                for one in attributes(module))


def state():
    """Return what a process has besides."""
    loggers = {name: (logger.level, len(logger.handlers))
               for name, logger in logging.root.manager.loggerDict.items()
               if isinstance(logger, logging.Logger) and name.split('.')[0] in hosts}
    return {'safe': torch.serialization.get_safe_globals(), 'environment': dict(os.environ),
            'warnings': list(warnings.filters), 'loggers': loggers,
            'root': (logging.root.level, len(logging.root.handlers)),
            'threads': torch.get_num_threads(), 'dtype': torch.get_default_dtype(),
            'random': [torch.get_rng_state().tolist(), np.random.get_state(legacy=False)['state'][
                'key'].tolist(), random.getstate()]}


before, outside = names(), state()
for name in own:
    importlib.import_module(name)
after, now = names(), state()
changed = [name for name, value in before.items() if after.get(name) is not value]
changed += [name for name in outside if now[name] != outside[name]]
print(json.dumps([len(before), changed]))
'''


@pytest.mark.slow
def test_importing_every_module_changes_nothing():
    foreign = {module for name in MODULES for module, _ in imported(name)
               if module.split('.')[0] not in ('nni_rankreg', '__future__')}
    own = [f'nni_rankreg.{name}'.rstrip('.') for name in MODULES]
    output = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', CODE, json.dumps([sorted(foreign), own, HOSTS])],
        check=True, text=True, capture_output=True,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)}).stdout
    count, changed = json.loads(output.splitlines()[-1])
    assert count > 10_000
    assert changed == []
