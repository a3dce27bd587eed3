"""Imports point one way, and NNI's private names stay in `nni_rankreg.host`."""

from __future__ import annotations

import ast
import functools
import graphlib
from pathlib import Path

import pytest

import nni_rankreg

ROOT = Path(nni_rankreg.__file__).parent

# Each line may import from the lines above it, not from its own. A package is one entry, but for
# `host`, whose rooms stand on two floors; inside an entry, modules may import each other as long as
# there is no circle.
ORDER = """
typing
_util
loss schedule batch_norm config
metric
data
space
sampler
archive
table
proxy
predictor
constraint
search
regularizer
plan
host.transfer host.trial host.network host.warm
supernet
host.run
strategy
evaluator
report
ablation
tuner retiarii
cli
__main__
"""
LEVELS = {name: level for level, line in enumerate(ORDER.split('\n')) for name in line.split()}
LEVELS[''] = -1  # the package itself, for its version


def modules():
    """Return dotted name below the package -> path; the package itself is ''."""
    found = {}
    for path in sorted(ROOT.rglob('*.py')):
        parts = path.relative_to(ROOT).with_suffix('').parts
        found['.'.join(part for part in parts if part != '__init__')] = path
    return found


MODULES = modules()


@functools.cache
def parse(name):
    return ast.parse(MODULES[name].read_text(encoding='utf-8'))


def imported(name):
    """Return what a module imports anywhere, also in its functions, as (module, name) pairs."""
    package = name.split('.') if MODULES[name].name == '__init__.py' else name.split('.')[:-1]
    package = [part for part in package if part]
    for node in ast.walk(parse(name)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                above = package[:len(package) - node.level + 1]
                base = '.'.join(['nni_rankreg', *above, *base.split('.')]).rstrip('.')
            yield from ((base, alias.name) for alias in node.names)


def own_imports(name):
    """Return the modules of this package that a module imports."""
    for module, attribute in imported(name):
        if module.split('.')[0] == 'nni_rankreg':
            inner = module[len('nni_rankreg.'):]
            deeper = f'{inner}.{attribute}'.lstrip('.')
            yield deeper if deeper in MODULES else inner


def entry(name):
    """Return the entry of `ORDER` to which a module belongs."""
    parts = name.split('.')
    return '.'.join(parts[:2]) if parts[0] == 'host' and len(parts) > 1 else parts[0]


def test_every_module_has_its_place():
    missing = {entry(name) for name in MODULES if name} - {'host'} - set(LEVELS)
    assert not missing, f'Give {sorted(missing)} a line in ORDER.'


@pytest.mark.parametrize('name', [name for name in MODULES if name not in ('', 'host')])
def test_imports_point_one_way(name):
    others = {other for other in map(entry, own_imports(name)) if other != entry(name)}
    assert not [other for other in others if LEVELS[other] >= LEVELS[entry(name)]]


def test_package_itself_imports_nothing():
    assert not list(own_imports(''))


def test_no_circles():
    order = graphlib.TopologicalSorter({name: set(own_imports(name)) for name in MODULES})
    assert set(order.static_order()) == set(MODULES)


# Private names. A name with a leading underscore may be read where the same module defines it,
# which covers overridden hooks such as `_execute` and `_run`; all others are somebody else's.

# Public by name, but NNI documents them for its own one-shot strategies only. The forms that the
# cells of spaces take in super-nets derive from them.
SUPERNET_CELLS = {'space.nasbench101.supernet', 'space.nds.supernet', 'space.proxyless.supernet'}
INTERNAL = ('nni.nas.oneshot.pytorch.supermodule', 'nni.runtime', 'nni.common.serializer')


def private(name):
    return name.startswith('_') and not name.startswith('__')


def defined(tree):
    """Return the names that a module defines, as attributes or otherwise."""
    names = {node.name for node in ast.walk(tree)
             if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))}
    names |= {node.id for node in ast.walk(tree)
              if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return names | {node.attr for node in ast.walk(tree)
                    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
                    and isinstance(node.value, ast.Name) and node.value.id in ('self', 'cls')}


def foreign_private_names(name):
    """Yield private names of others that a module reads, writes or looks up by string."""
    tree = parse(name)
    own = defined(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and private(node.attr) and node.attr not in own:
            yield node.attr
        if (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
                and node.func.id in ('getattr', 'setattr', 'hasattr', 'delattr')):
            yield from (one.value for one in node.args[1:2] if isinstance(one, ast.Constant)
                        and private(str(one.value)) and one.value not in own)
    for module, attribute in imported(name):
        if module.split('.')[0] == 'nni':
            parts = [*module.split('.'), *([attribute] if attribute else [])]
            if any(map(private, parts)) or '.'.join(parts).startswith(INTERNAL):
                yield '.'.join(parts)


@pytest.mark.parametrize('name', [name for name in MODULES if not name.startswith('host')
                                  and name not in SUPERNET_CELLS])
def test_private_names_of_others_are_used_in_host_only(name):
    assert not list(foreign_private_names(name))


def test_host_is_where_they_are():
    """The rule finds what it looks for."""
    found = {one for name in MODULES if name.startswith('host')
             for one in foreign_private_names(name)}
    assert {'_params', '_models', '_channel_listen_thread'} <= found
    assert any(one.startswith('nni.nas.oneshot.pytorch.supermodule') for one in found)
