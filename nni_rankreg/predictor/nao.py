"""Neural architecture optimisation: better architectures by gradient ascent on an embedding."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy.stats import rankdata
from torch import Tensor

from .._util.finite import LossWatch
from .._util.random import seeded
from ..sampler.rejection import once
from ..typing import Constraints, Sample, Space
from .autoencoder import SequenceAutoEncoder
from .sequence import TokenCodec

__all__ = ['NAOController']

_STEPS = np.geomspace(0.05, 20, 30).tolist()  # the parts of an embedding have length 1
_DRAWS = 16         # of the decoder where its most probable architecture is invalid
_LARGEST_NORM = 5.  # of the gradient in training


class NAOController:
    r"""Embeds architectures, predicts their performance, and finds better ones.

    An auto-encoder of architectures x and a predictor f of their performance are trained together,

    .. math:: \lambda \, (f(E(x)) - y)^2 - (1 - \lambda) \log P_D(x \mid E(x)),

    the logarithm per token. y is the rank of the performance, from 0 for the worst to 1. A new
    architecture is decoded from the embedding of a known one after a step along the gradient of
    f; the steps grow until it is new.

    Source: Luo et al., "Neural Architecture Optimization", NeurIPS 2018, Section 3.

    Parameters
    ----------
    space
        An NNI space, or the dict that its ``simplify()`` returns. Each label needs a list of
        choices.
    seed
        Of the weights, the order of the training, and the draws for invalid architectures.
    steps, batch_size, learning_rate, weight_decay
        Of a fit, by Adam with a cosine schedule; it takes as long whatever the number of samples.
    tradeoff
        :math:`\lambda`, in [0, 1].
    **kwargs
        As of `SequenceAutoEncoder`, for example ``width``.

    Raises
    ------
    ValueError
        If a label has too many choices, or `tradeoff` is not in [0, 1].

    .. note:: The published code scales performance linearly to [0, 1], where a few failed
       architectures squeeze all others together; and uses the decoder of NAS-Bench-101 on
       NAS-Bench-201, which reaches 144 of its 15,625 architectures. Here each position has the
       vocabulary of its label, so that all can be reached.

    Examples
    --------
    >>> from nni.mutable import Categorical
    >>> space = {f'x{i}': Categorical([0, 1, 2], label=f'x{i}') for i in range(4)}
    >>> known = [{f'x{i}': index // 3 ** i % 3 for i in range(4)} for index in range(0, 80, 2)]
    >>> targets = [sum(one.values()) for one in known]
    >>> controller = NAOController(space, steps=100).fit(known, targets)
    >>> new, = controller.propose([{'x0': 2, 'x1': 2, 'x2': 0, 'x3': 2}], exclude=known)
    >>> new
    {'x0': 2, 'x1': 2, 'x2': 2, 'x3': 2}
    """

    def __init__(self, space: Space, seed: int = 0, *,
                 steps: int = 600, batch_size: int = 100, learning_rate: float = 0.01,
                 weight_decay: float = 1e-4, tradeoff: float = 0.8, **kwargs: Any):
        if not 0 <= tradeoff <= 1:
            raise ValueError(f'Expected a tradeoff from 0 to 1, got {tradeoff}.')
        self.codec, self.seed = TokenCodec(space), seed
        self.steps, self.batch_size = steps, batch_size
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.tradeoff, self.kwargs = tradeoff, kwargs
        self._network: SequenceAutoEncoder | None = None
        self._seed_draws()

    def fit(self, samples: Sequence[Sample], targets: npt.ArrayLike) -> NAOController:
        """Train anew, so that the result depends on the arguments and the seed only.

        Parameters
        ----------
        samples
            N architectures, at least two.
        targets
            The performance of each, in the same order, shape (N,), higher is better; minus
            infinity is the worst.

        Raises
        ------
        ValueError
            If the shapes do not fit, a target is NaN, or a sample is not in the space.
        DivergedError
            If a loss, or a weight in the end, is not finite.
        """
        values = np.asarray(targets, dtype=np.float64)
        if values.shape != (len(samples),) or len(samples) < 2 or np.isnan(values).any():
            raise ValueError(f'Expected a number for each of {len(samples)} architectures, at '
                             f'least two, got {int(np.isnan(values).sum())} NaN in targets of '
                             f'shape {values.shape}.')
        tokens = self.codec.encode(samples)
        ranks = torch.from_numpy((rankdata(values) - 1) / (len(values) - 1)).float()
        with seeded(self.seed):
            self._network = SequenceAutoEncoder(self.codec.mask, **self.kwargs)
            self._train(self._network, tokens, ranks)
        self._seed_draws()
        return self

    @property
    def network(self) -> SequenceAutoEncoder:
        """The trained network, in evaluation mode."""
        if self._network is None:
            raise RuntimeError('Expected a controller that has learned from architectures, got a '
                               'new one: call fit() first.')
        return self._network

    @torch.no_grad()
    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        """Return the predicted ranks of N architectures, in (0, 1), shape (N,), float64."""
        return self.network.predict(self._embed(samples)).double()

    def propose(self, parents: Sequence[Sample], *, exclude: Collection[Sample] = (),
                accept: Constraints = None) -> list[Sample]:
        """Return new architectures: of each parent the first that a growing step leads to.

        Parameters
        ----------
        parents
            Architectures to improve. One from which no step leads to a new one has no child.
        exclude
            Architectures that are not new either.
        accept
            Which architectures may be returned; None accepts all.

        Returns
        -------
        Different architectures, at most one for each parent, in the order of the parents.
        """
        new = once(map(self.codec.canonical, (*parents, *exclude)), accept)
        embedding, direction = self._ascent(parents)
        found: dict[int, Sample] = {}
        for step in _STEPS:
            rows = [row for row in range(len(parents)) if row not in found]
            moved = F.normalize(embedding[rows] + step * direction[rows], dim=-1)
            found.update({row: sample for row, sample in zip(rows, self.decode(moved))
                          if new(sample)})
        return [found[row] for row in sorted(found)]

    def reconstruct(self, samples: Sequence[Sample]) -> list[Sample]:
        """Return N architectures as they are after encoding and decoding."""
        return self.decode(self._embed(samples))

    @torch.no_grad()
    def decode(self, embedding: Tensor) -> list[Sample]:
        """Return N architectures, all valid, of embeddings, shape (N, T, D).

        Where the most probable architecture violates a constraint of the space, it is the first
        valid one of some draws of the decoder, or else a random one.
        """
        samples = self.codec.decode(self.network.generate(embedding))
        return [sample if self.codec.valid(sample) else self._redraw(row)
                for sample, row in zip(samples, embedding)]

    def _train(self, network: SequenceAutoEncoder, tokens: Tensor, ranks: Tensor) -> None:
        optimizer = torch.optim.Adam(network.parameters(), self.learning_rate,
                                     weight_decay=self.weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        watch = LossWatch('Give NAOController a lower learning_rate.')
        for step, rows in enumerate(islice(self._batches(len(tokens)), self.steps), 1):
            optimizer.zero_grad()
            loss = watch.seen(self._loss(network, tokens[rows], ranks[rows]))
            watch.check(f"in step {step} of NAO's controller")
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_NORM)
            optimizer.step()
            schedule.step()
        watch.check("of NAO's controller", network.named_parameters())
        network.eval()

    def _batches(self, count: int) -> Iterator[Tensor]:
        while True:
            yield from torch.randperm(count).split(self.batch_size)

    def _loss(self, network: SequenceAutoEncoder, tokens: Tensor, ranks: Tensor) -> Tensor:
        embedding = network.encode(tokens)
        prediction = F.mse_loss(network.predict(embedding), ranks)
        logits = network.logits(embedding, tokens)
        reconstruction = F.cross_entropy(logits.flatten(0, 1), tokens.flatten())
        return self.tradeoff * prediction + (1 - self.tradeoff) * reconstruction

    @torch.no_grad()
    def _embed(self, samples: Sequence[Sample]) -> Tensor:
        return self.network.encode(self.codec.encode(samples))

    @torch.enable_grad()
    def _ascent(self, samples: Sequence[Sample]) -> tuple[Tensor, Tensor]:
        """Return embeddings and the directions, of length 1, in which the prediction rises."""
        embedding = self._embed(samples).requires_grad_()
        gradient, = torch.autograd.grad(self.network.predict(embedding).sum(), embedding)
        return embedding.detach(), F.normalize(gradient, dim=-1)

    def _redraw(self, embedding: Tensor) -> Sample:
        drawn = self.network.generate(embedding.expand(_DRAWS, -1, -1), self._generator)
        valid = filter(self.codec.valid, self.codec.decode(drawn))
        return next(valid, None) or self.codec.draw(self._random)

    def _seed_draws(self) -> None:
        self._generator = torch.Generator().manual_seed(self.seed)
        self._random = np.random.RandomState(self.seed)
