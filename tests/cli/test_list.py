"""What is listed: all that this package has, and what others declare."""

from __future__ import annotations

import importlib
import inspect
import sys

import pytest
from nni.nas.strategy.base import Strategy

from nni_rankreg import proxy, regularizer, strategy
from nni_rankreg.cli.list import GROUPS, list_extensions


def listed(capsys):
    """Return the words of each line: kind, name, path, and those of the meaning."""
    list_extensions()
    return [line.split() for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize('kind, expected', [
    ('strategy', [name for name, one in vars(strategy).items() if inspect.isclass(one)
                  and issubclass(one, Strategy)]),
    ('regularizer', [name for name, one in vars(regularizer).items() if inspect.isclass(one)
                     and issubclass(one, regularizer.Regularizer)
                     and one is not regularizer.Regularizer]),
    ('proxy', proxy.proxy_names()),
])
def test_all_of_ours_are_listed(kind, expected, capsys):
    found = {name: path for of, name, path, *_ in listed(capsys)
             if of == kind and path.startswith('nni_rankreg.')}
    assert set(found) == set(expected)
    for name, path in found.items():
        module, attribute = path.rsplit('.', 1)
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
    assert lines.index(best) == kinds.count('strategy') - 1        # after ours
    magic, = [line for line in lines if ' magic ' in line]
    assert 'cannot be loaded' in magic and 'missing' in magic
