"""The members of a kind in the package: a contract suite must have an entry for each."""

from __future__ import annotations

import importlib
import inspect
import pkgutil


def members(room, belongs):
    """Return name -> what the modules of a room define under a public name, if it belongs."""
    modules = [room, *(importlib.import_module(one.name) for one in
                       pkgutil.walk_packages(room.__path__, f'{room.__name__}.'))]
    return {name: member for module in modules for name, member in vars(module).items()
            if not name.startswith('_') and (inspect.isclass(member) or inspect.isfunction(member))
            and member.__module__ == module.__name__ and belongs(member)}


def is_protocol(member):
    return getattr(member, '_is_protocol', False)


def add_member(monkeypatch, module, name, member):
    """Let a module define one more class or function, which no contract suite knows."""
    member.__module__ = module.__name__
    monkeypatch.setattr(module, name, member, raising=False)
