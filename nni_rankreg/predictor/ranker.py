"""A predictor that learns to rank architectures from few trained ones."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from .._util.random import seeded
from ..loss import LambdaRankLoss
from ..metric import relevance
from ..metric.values import Array, Values
from ..typing import Sample, Space
from .encoder import default_encoder
from .evidence import Evidence, EvidenceEncoder
from .graph import GraphEncoder, Graphs, StructuredEncoder
from .network import DGCNN, SMALLEST_POOL, head
from .prediction import Prediction
from .target import label_values, standardize
from .training import Training, train

__all__ = ['Ranker']

ListLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From scores, targets and mask of lists, shape (L, N), to a scalar."""

_RELEVANCE = partial(relevance, scale=10.)
_CHUNK = 1024        # architectures that are encoded and scored at once: fit into the cache


class Ranker:
    """Rank architectures after a few have been trained; a `Scorer`.

    A `DGCNN` is pretrained on weak labels, which cost nothing or little for thousands of
    architectures, such as the accuracy with the weights of a super-net, FLOPs and parameters; it is
    then fitted to the few architectures that have been trained, by default with LambdaRank. Source:
    Zhang et al., "AceNAS: Learning to Rank Ace Neural Architectures with Weak Supervision of Weight
    Sharing", 2021. In place of architectures every method takes their graphs, ``encoder(samples)``,
    which saves time where they are needed again.

    Parameters
    ----------
    space
        An NNI space, or the dict that its ``simplify()`` returns.
    encoder
        From architectures to graphs; None takes that of the space, see `default_encoder`.
    evidence
        What is known before any training; its features join the graph's embedding as
        hyper-parameters of the network do. None for nothing.
    loss
        Of lists of scores; None is `LambdaRankLoss()`.
    target
        From metrics, shape (N,), to the targets of the loss; None is `nni_rankreg.metric.relevance`
        of the architectures that the ranker is fitted to, up to 10. For other losses see
        `standardize`.
    pretraining, fitting
        How the network is trained; None takes the defaults of this class.
    transfer_head
        Whether the head that scores starts from the head of the first weak label, as in the
        published code, or anew, as in the paper, the default. It pays if that label is nearly the
        metric and few architectures are known.
    dropout
        Of the heads of weak labels; that which scores has none.
    seed
        Of weights, batches and dropout; global generators are restored.
    progress
        Whether to show progress bars.
    **network
        Further arguments of `DGCNN`: hidden, layers, pool, embedding. By default no node is lost.

    Notes
    -----
    .. note::
        Each `fit` starts from the pretrained network, so that its result does not depend on earlier
        ones; the published code goes on from the last one.

    .. note::
        The published code stops early on the NDCG of the batches it trains on. Here it is a part of
        the architectures that is held out, ``Training(validation=0.2)``, or nothing, the default.

    .. note::
        The published relevance goes up to 20, that is gains up to 2^20, with which few but the best
        architectures matter, and the published head has a dropout of 0.5 in fitting, too. With 10
        and without dropout more searches of NAS-Bench-201 find the best architecture, see
        docs/results/acenas.md.

    Examples
    --------
    >>> from nni.mutable import Categorical
    >>> space = {f'x{i}': Categorical([0, 1, 2], label=f'x{i}') for i in range(4)}
    >>> samples = [{f'x{i}': n // 3 ** i % 3 for i in range(4)} for n in range(81)]
    >>> ranker = Ranker(space, fitting=Training(epochs=20), progress=False)
    >>> ranker = ranker.fit(samples[::4], [sum(sample.values()) for sample in samples[::4]])
    >>> scores = ranker.score(samples)
    >>> bool(scores[-1] > scores[0])
    True
    """

    PRETRAINING = Training(epochs=40, batch_size=100, learning_rate=0.005, weight_decay=1e-5)
    FITTING = Training(epochs=200, batch_size=20, lists=5, learning_rate=0.005, weight_decay=5e-4)

    def __init__(
        self, space: Space, *,
        encoder: StructuredEncoder | None = None, evidence: Evidence | None = None,
        loss: ListLoss | None = None,
        target: Callable[[Array], Array] | None = None, pretraining: Training | None = None,
        fitting: Training | None = None, transfer_head: bool = False,
        dropout: float = 0.5, seed: int = 0, progress: bool = True, **network: Any,
    ):
        encoder = default_encoder(space) if encoder is None else encoder
        self.encoder: GraphEncoder = (
            encoder if evidence is None else EvidenceEncoder(encoder, evidence))
        self.loss, self.target = loss or LambdaRankLoss(), target or _RELEVANCE
        self.pretraining, self.fitting = pretraining or self.PRETRAINING, fitting or self.FITTING
        self.transfer_head, self.dropout = transfer_head, dropout
        self.seed, self.progress, self._network = seed, progress, network
        self._embedding: DGCNN | None = None
        self._weak_heads = nn.ModuleList()
        self._head: nn.Module | None = None
        self._start: list[dict[str, Any]] = []

    def pretrain(self, samples: Sequence[Sample] | Graphs, weak: Mapping[str, Values]) -> Ranker:
        """Learn weak labels, each standardised, with a head of its own, by squared errors.

        Parameters
        ----------
        samples
            N architectures.
        weak
            Name -> labels, shape (N,); the first should be the closest to the metric, see
            `transfer_head`.

        Raises
        ------
        ValueError
            If there is no label, or shapes do not fit, or a label is not finite.
        """
        graphs = self._encode(samples)
        if not weak:
            raise ValueError('Expected at least one weak label, got none.')
        labels = {name: label_values(name, values, graphs.size) for name, values in weak.items()}
        targets = torch.from_numpy(np.stack([standardize(v) for v in labels.values()], 1)).float()
        with seeded(self.seed):
            embedding = self._build(graphs)
            size = embedding.fuse.out_features
            self._weak_heads = nn.ModuleList(head(size, size, self.dropout) for _ in labels)

            def loss(rows: Tensor, mask: Tensor) -> Tensor:
                rows = rows[mask]
                embedded = embedding(graphs.rows(rows))
                errors = [(one(embedded) - targets[rows, column]).square().mean()
                          for column, one in enumerate(self._weak_heads)]
                return torch.stack(errors).sum()

            train(nn.ModuleList([embedding, self._weak_heads]), loss, graphs.size,
                  self.pretraining, title='Pretraining', progress=self.progress)
        self._head = None
        return self

    def fit(self, samples: Sequence[Sample] | Graphs, metric: Values) -> Ranker:
        """Learn the order of trained architectures.

        Parameters
        ----------
        samples
            N architectures, at least 2.
        metric
            Their stand-alone performance, shape (N,), higher is better.

        Raises
        ------
        ValueError
            If shapes do not fit, or a metric is not finite.
        """
        graphs = self._encode(samples)
        values = label_values('metric', metric, graphs.size)
        targets = torch.from_numpy(self.target(values)).float()
        with seeded(self.seed):
            embedding, score = self._prepare(graphs)

        def loss(rows: Tensor, mask: Tensor) -> Tensor:
            scores = score(embedding(graphs.rows(rows.flatten()))).view(rows.shape)
            return self.loss(scores, targets[rows], mask)

        with seeded(self.seed + 1):            # the same, whether there was a fit before or not
            train(nn.ModuleList([embedding, score]), loss, graphs.size, self.fitting,
                  title='Fitting', progress=self.progress)
        return self

    @torch.no_grad()
    def score(self, samples: Sequence[Sample] | Graphs) -> Tensor:
        """Return the scores of N architectures, shape (N,), float64, higher is better.

        Raises
        ------
        RuntimeError
            If the ranker has not been fitted.
        """
        if self._embedding is None or self._head is None:
            raise RuntimeError('Expected a fitted ranker; call fit first.')
        size = samples.size if isinstance(samples, Graphs) else len(samples)
        parts = [torch.zeros(0)]
        for start in tqdm(range(0, size, _CHUNK), 'Scoring', leave=False,
                          disable=not self.progress or size <= 4 * _CHUNK):
            chunk = slice(start, start + _CHUNK)
            graphs = (samples.rows(chunk) if isinstance(samples, Graphs)
                      else self.encoder(samples[chunk]))
            parts.append(self._head(self._embedding(graphs)))
        return torch.cat(parts).double()

    __call__ = score

    def predict(self, samples: Sequence[Sample] | Graphs) -> Prediction:
        """Return the scores of N architectures; how uncertain they are is not known."""
        scores = self.score(samples)
        return Prediction(scores, torch.zeros_like(scores))

    def _encode(self, samples: Sequence[Sample] | Graphs) -> Graphs:
        graphs = samples if isinstance(samples, Graphs) else self.encoder(samples)
        if not graphs.size:
            raise ValueError('Expected at least one architecture, got none.')
        return graphs

    def _build(self, graphs: Graphs) -> DGCNN:
        shape = graphs.features.shape
        sizes = dict(graphs=shape[1], extras=graphs.extras.shape[1],
                     pool=max(SMALLEST_POOL, shape[2]))
        self._embedding = DGCNN(shape[3], **{**sizes, **self._network})
        return self._embedding

    def _prepare(self, graphs: Graphs) -> tuple[DGCNN, nn.Module]:
        """Return the embedding and the head in the state in which every fit starts."""
        embedding = self._embedding or self._build(graphs)
        if self._head is None:
            size = embedding.fuse.out_features
            self._head = head(size, size, dropout=0.)
            if self.transfer_head and len(self._weak_heads):
                self._head.load_state_dict(self._weak_heads[0].state_dict())
            self._start = copy.deepcopy([embedding.state_dict(), self._head.state_dict()])
        else:
            embedding.load_state_dict(self._start[0])
            self._head.load_state_dict(self._start[1])
        return embedding, self._head
