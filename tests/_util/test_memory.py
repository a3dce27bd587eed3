"""Kept memory: whether pages come anew from the system, by its own count."""

from __future__ import annotations

import resource
import sys

import pytest
import torch

from nni_rankreg._util import memory as _memory
from nni_rankreg._util.memory import kept_memory

MB = 2 ** 20


def new_pages(size, times):
    """Return how many pages the system gave for tensors that are made and freed in turns."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.ones(size // 4)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(sys.platform != 'linux', reason='elsewhere memory is left as it is')
def test_freed_memory_is_used_again():
    size = 64 * MB  # more than the C library ever keeps by itself
    few = size // (4 * MB)  # they have 4 KB to 2 MB each
    assert new_pages(size, 4) > 4 * few
    with kept_memory():
        new_pages(size, 20)  # finds its places
        with kept_memory():
            assert new_pages(size, 4) < few
        assert new_pages(size, 4) < few
    assert new_pages(size, 1) > few  # it has been given back


def test_it_ends_after_an_error():
    with pytest.raises(ZeroDivisionError), kept_memory():
        raise ZeroDivisionError
    assert _memory._depth == 0


@pytest.mark.parametrize('platform', ['darwin', 'win32', 'linux'])
def test_other_c_libraries_are_left_as_they_are(platform, monkeypatch):
    class Library:
        """Without mallopt, as that of Alpine Linux."""

        def __init__(self, name):
            assert platform == 'linux'

    monkeypatch.setattr(sys, 'platform', platform)
    monkeypatch.setattr(_memory.ctypes, 'CDLL', Library)
    with kept_memory():
        assert torch.ones(3).sum() == 3
