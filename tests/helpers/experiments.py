"""Experiments with NNI's real manager: a table for its trials, and the end of all its processes."""

from __future__ import annotations

import contextlib
import itertools
import zlib

import psutil

from nni_rankreg.space import NasBench201
from nni_rankreg.table import TabularBenchmark
from nni_rankreg.typing import sample_key

PATIENCE = 600  # seconds; a trial takes ten on an idle machine


def space():
    return NasBench201(2, 1, 10)


def metric_of(sample):
    """Return a number in [0, 1) without any structure."""
    return zlib.crc32(sample_key(sample).encode()) / 2 ** 32


def write_table(path, without=()):
    """Write the metric of each architecture."""
    choices = {label: leaf.values for label, leaf in space().simplify().items()}
    samples = [dict(zip(choices, values)) for values in itertools.product(*choices.values())]
    samples = [sample for sample in samples if sample not in without]
    TabularBenchmark(samples, list(map(metric_of, samples))).to_csv(path)


def descendants(process):
    """Return the processes below one, or nothing if it has ended."""
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def kill(processes):
    """End processes for good, and what they have started, by their ids."""
    processes = [one for process in processes for one in [*descendants(process), process]]
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert not alive
