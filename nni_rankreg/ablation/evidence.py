"""What is published of the cells of NAS-Bench-201 before any training: evidence without proxies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from .._util.npz import named_arrays
from ..predictor import Evidence
from ..predictor.evidence import PROXIES
from ..sampler import UniformSampler
from ..space import NasBench201, decode_nasbench201
from ..typing import Scorer, sample_key

__all__ = ['median_if_missing', 'published_evidence']

_FILE = 'zc_nb201_cifar10_full.npz'
_REFERENCE = 1000


def published_evidence(data: Path, space: NasBench201) -> Evidence:
    """Return the published scores of the default proxies, of the networks of the benchmark.

    A cell that has none gets the median, see `median_if_missing`.

    Parameters
    ----------
    data
        Folder with ``zc_nb201_cifar10_full.npz``.
    space
        Whose architectures are the reference.
    """
    table = named_arrays(data / _FILE, ('arch', *PROXIES))
    rows = {sample_key(decode_nasbench201(arch.decode())): row
            for row, arch in enumerate(table['arch'].tolist())}

    def column(published: np.ndarray) -> Scorer:
        values = median_if_missing(published)
        return lambda samples: torch.from_numpy(
            values[[rows[sample_key(sample)] for sample in samples]])

    return Evidence(space, scorers={name: column(table[name]) for name in PROXIES},
                    reference=UniformSampler(space).up_to(_REFERENCE), progress=False)


def median_if_missing(values: np.ndarray) -> np.ndarray:
    """Return scores in which those that nobody has published are neither good nor bad."""
    return np.where(np.isfinite(values), values, np.nanmedian(values))
