"""Architectures in numbers: their structure, and the evidence of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np
import torch

from ..sampler import UniformSampler
from ..typing import Sample, Space, sample_keys
from .encoder import default_encoder
from .evidence import Evidence, EvidenceEncoder
from .graph import StructuredEncoder
from .structure import structure_features

__all__ = ['Description']

_REFERENCE = 1000
_REMEMBERED = 2 ** 28  # bytes of architectures that have been described
_OVERHEAD = 400        # bytes of the key of an architecture and of the objects that hold its row


class Description:
    """Structure, hyper-parameters and evidence of architectures, each feature of unit scale.

    Features have mean 0 and standard deviation 1 over random architectures of the space. Those
    that do not vary there are left out. An architecture is described once.

    Parameters
    ----------
    space
        An NNI space, or the dict that its ``simplify()`` returns.
    evidence
        What is known before any training; None for the structure alone.
    encoder
        From architectures to graphs; None takes that of the space, see `default_encoder`.
    reference
        Architectures over which features are scaled; None takes those of the evidence, or draws
        1,000.

    Examples
    --------
    >>> from nni.mutable import Categorical
    >>> space = {'width': Categorical([8, 16], label='width')}
    >>> Description(space)([{'width': 8}, {'width': 16}])[:, :3]     # two choices, their value
    array([[ 1., -1., -1.],
           [-1.,  1.,  1.]], dtype=float32)
    """

    def __init__(self, space: Space, *, evidence: Evidence | None = None,
                 encoder: StructuredEncoder | None = None,
                 reference: Sequence[Sample] | None = None):
        encoder = default_encoder(space) if encoder is None else encoder
        self.encoder = encoder if evidence is None else EvidenceEncoder(encoder, evidence)
        self.evidence = evidence
        self._space, self._reference = space, reference
        self._scale: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._rows: dict[str, np.ndarray] = {}

    def __call__(self, samples: Sequence[Sample]) -> np.ndarray:
        """Return the features of N architectures, shape (N, K), float32."""
        return self._described(samples)[:, :-1]

    def with_prior(self, samples: Sequence[Sample]) -> tuple[np.ndarray, np.ndarray]:
        """Return the features of N architectures, and what the evidence says as a whole of them.

        This is the normal score of the vote, shape (N,), float64, 0 without evidence: what a
        predictor expects before it has seen any result, but for the scale.
        """
        described = self._described(samples)
        vote = np.zeros(len(samples)) if self.evidence is None else described[:, -1]
        return described[:, :-1], vote.astype(np.float64)

    def _described(self, samples: Sequence[Sample]) -> np.ndarray:
        """Return the features of N architectures, and the last one as it is, in one more column."""
        if self._scale is None:
            self._scale = self._scale_of(self._raw(self.reference))
        keys = sample_keys(samples)
        found = {key: self._rows[key] for key in keys if key in self._rows}
        missing = {key: sample for key, sample in zip(keys, samples) if key not in found}
        if missing:
            new = dict(zip(missing, self._rows_of(list(missing.values()), self._scale)))
            found.update(new)
            self._remember(new)
        empty = np.zeros((0, len(self._scale[0]) + 1), dtype=np.float32)
        return np.stack([found[key] for key in keys]) if keys else empty

    def _rows_of(self, samples: Sequence[Sample],
                 scale: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
        kept, mean, deviation = scale
        raw = self._raw(samples)
        return np.column_stack([(raw[:, kept] - mean) / deviation, raw[:, -1]]).astype(np.float32)

    def _remember(self, new: dict[str, np.ndarray]) -> None:
        """Keep as many rows as fit; if not all do, those before are forgotten."""
        room = _REMEMBERED // (next(iter(new.values())).nbytes + _OVERHEAD)
        if len(self._rows) + len(new) > room:
            self._rows.clear()
        self._rows.update(islice(new.items(), room))

    @property
    def reference(self) -> Sequence[Sample]:
        """The architectures over which features are scaled."""
        if self._reference is None:
            self._reference = (UniformSampler(self._space).up_to(_REFERENCE)
                               if self.evidence is None else self.evidence.among)
        return self._reference

    def _raw(self, samples: Sequence[Sample]) -> np.ndarray:
        graphs = self.encoder(samples)
        structure = structure_features(graphs, self.encoder.node_features)
        return torch.cat([structure, graphs.extras], dim=1).double().numpy()

    @staticmethod
    def _scale_of(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        kept = np.flatnonzero(raw.std(axis=0) > 0)
        return kept, raw[:, kept].mean(axis=0), raw[:, kept].std(axis=0)
