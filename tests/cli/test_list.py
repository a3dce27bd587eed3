"""What is installed: the declarations against the classes, and somebody else's."""

from __future__ import annotations

import importlib
import inspect
import sys
from importlib.metadata import entry_points

import pytest

from nni_rankreg import proxy, regularizer, strategy
from nni_rankreg.cli.list import GROUPS, list_extensions


@pytest.mark.parametrize('kind, expected', [
    ('strategy', strategy.__all__),
    ('regularizer', [name for name, one in vars(regularizer).items() if inspect.isclass(one)
                     and issubclass(one, regularizer.Regularizer)
                     and one is not regularizer.Regularizer]),
    ('proxy', proxy.proxy_names()),
])
def test_all_of_ours_are_declared(kind, expected):
    declared = {entry.name: entry.value for entry in entry_points(group=f'nni_rankreg.{kind}')
                if entry.value.startswith('nni_rankreg.')}
    assert set(declared) == set(expected)
    for name, value in declared.items():
        module, attribute = value.split(':')
        assert getattr(importlib.import_module(module), attribute).__name__ == name


@pytest.fixture
def other_package(tmp_path, monkeypatch):
    """Return nothing; a package that declares a good strategy and a broken proxy is installed."""
    (tmp_path / 'other_nas.py').write_text('class Best:\n    """Finds the best."""\n')
    info = tmp_path / 'other_nas-1.0.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text('Name: other_nas\nVersion: 1.0\n')
    (info / 'entry_points.txt').write_text(
        '[nni_rankreg.strategy]\nBest = other_nas:Best\n'
        '[nni_rankreg.proxy]\nmagic = other_nas:missing\n')
    monkeypatch.setattr(sys, 'path', [str(tmp_path), *sys.path])


def test_those_of_others_are_listed(other_package, capsys):
    list_extensions()
    lines = capsys.readouterr().out.splitlines()
    kinds = [line.split()[0] for line in lines]
    assert kinds == sorted(kinds, key=GROUPS.index)
    best, = [line for line in lines if ' Best ' in line]
    assert 'other_nas.Best' in best and 'Finds the best.' in best
    magic, = [line for line in lines if ' magic ' in line]
    assert 'cannot be loaded' in magic and 'missing' in magic
