"""The learned distribution over architectures of differentiable search."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..host.network.weights import Mixture
from ..sampler.choice import ChoiceSpace
from ..typing import Sample

__all__ = ['ArchitectureParameters', 'Drawn', 'most_probable']


class Drawn(NamedTuple):
    """A mixture of all choices, and the only path of it that is executed; None executes all."""

    mixture: Mixture
    path: Sample | None = None


class ArchitectureParameters(nn.Module):
    r"""Logits :math:`\alpha` of every choice of every label; labels are independent.

    Parameters
    ----------
    space
        A model space, or label -> mutable.
    seed
        Of the initial logits, 0.001 times a normal variable, and of all draws.

    Attributes
    ----------
    logits
        Shape (labels, most choices of a label); what is beyond the choices of a label is unused.

    Raises
    ------
    ValueError
        If the space has constraints, or labels with too many choices to give each a logit.

    Examples
    --------
    >>> from nni.mutable import Categorical
    >>> space = {'op': Categorical('abc', label='op'), 'width': Categorical([8, 16], label='width')}
    >>> architecture = ArchitectureParameters(space)
    >>> _ = nn.init.constant_(architecture.logits, 0.)
    >>> architecture.logits.data[0, 2] = 2.
    >>> next(architecture.most_probable())
    {'op': 'c', 'width': 8}
    >>> mixture, path = architecture.draw(temperature=1.)
    >>> {choice: weight.item() for choice, weight in mixture['op']}[path['op']]
    1.0
    """

    def __init__(self, space: Any, seed: int = 0):
        super().__init__()
        choices = ChoiceSpace(space)
        endless = [one.label for one in choices.dimensions if not one.choices]
        if endless or choices.constraints:
            raise ValueError('Expected independent labels with a list of choices each, got '
                             f'{endless or [str(one.label) for one in choices.constraints]}. '
                             'Use SPOS, which takes any space.')
        self.choices = {one.label: one.choices for one in choices.dimensions}
        counts = torch.tensor([len(one) for one in self.choices.values()])
        self.generator = torch.Generator().manual_seed(seed)
        self.logits = nn.Parameter(1e-3 * torch.randn(
            len(counts), int(counts.max()), generator=self.generator))
        self.used: Tensor
        self.register_buffer('used', torch.arange(int(counts.max())) < counts[:, None],
                             persistent=False)

    def log_probabilities(self) -> Tensor:
        """Return the logarithm of each choice's probability, -inf where there is none."""
        return self.logits.masked_fill(~self.used, -torch.inf).log_softmax(-1)

    def log_probability(self, samples: Sequence[Sample]) -> Tensor:
        """Return the logarithm of the probability of N architectures, shape (N,)."""
        indices = torch.tensor([[choices.index(sample[label])
                                 for label, choices in self.choices.items()]
                                for sample in samples], device=self.logits.device)
        rows = self.log_probabilities().expand(len(samples), -1, -1)
        return rows.gather(-1, indices[..., None]).sum((1, 2))

    def mixture(self) -> Mixture:
        """Return all choices, each with its probability."""
        return self._pairs(self.log_probabilities().exp())

    def draw(self, temperature: float) -> Drawn:
        r"""Return one choice of each label, drawn by its probability, with all weights.

        .. math:: h = \mathrm{onehot}(\arg\max(\log p + g)), \qquad
                  w = h - \mathrm{sg}(\tilde p) + \tilde p, \qquad
                  \tilde p = \mathrm{softmax}((\log p + g) / \tau), \qquad g \sim \mathrm{Gumbel},

        with sg the stop of the gradient: the hard Gumbel-softmax with the straight-through
        gradient of Dong and Yang, "Searching for a Robust Neural Architecture in Four GPU Hours",
        CVPR 2019, Eq. 4 to 6. A weight is 1 for the drawn choice and 0 for all others.

        Parameters
        ----------
        temperature
            :math:`\tau` > 0. It changes the gradient only, not what is drawn.
        """
        perturbed = self._perturbed()
        indices = perturbed.argmax(-1)
        soft = (perturbed / temperature).softmax(-1)
        hard = nn.functional.one_hot(indices, soft.size(-1))
        weights = soft - soft.detach() + hard  # in this order exactly 0 and 1
        return Drawn(self._pairs(weights), self._path(indices))

    @torch.no_grad()
    def sample(self) -> Sample:
        """Return one architecture, drawn by its probability."""
        return self._path(self._perturbed().argmax(-1))

    def _perturbed(self) -> Tensor:
        noise = -torch.empty(self.logits.shape).exponential_(generator=self.generator).log()
        return self.log_probabilities() + noise.to(self.logits.device)

    def _pairs(self, weights: Tensor) -> Mixture:
        return {label: list(zip(choices, row.unbind())) for (label, choices), row in
                zip(self.choices.items(), weights.unbind())}

    def _path(self, indices: Tensor) -> Sample:
        return {label: choices[index] for (label, choices), index in
                zip(self.choices.items(), indices.tolist())}

    def leaning(self, sample: Sample, delta: float) -> Mixture:
        r"""Return the uniform mixture that leans towards an architecture.

        Of n choices of a label that of `sample` weighs :math:`1 / n + \delta`, every other one
        :math:`1 / n - \delta / (n - 1)`.

        Parameters
        ----------
        sample
            The architecture.
        delta
            In (0, 1/2]; then no weight is negative.
        """
        return {label: [(choice, _leaning(choice == sample[label], len(choices), delta))
                        for choice in choices] for label, choices in self.choices.items()}

    @torch.no_grad()
    def most_probable(self) -> Iterator[Sample]:
        """Yield all architectures, the most probable first."""
        rows = [row[:len(choices)] for row, choices in
                zip(self.log_probabilities().tolist(), self.choices.values())]
        for indices in most_probable(rows):
            yield {label: choices[index] for (label, choices), index in
                   zip(self.choices.items(), indices)}


def _leaning(chosen: bool, count: int, delta: float) -> float:
    if count == 1:
        return 1.
    return 1 / count + (delta if chosen else -delta / (count - 1))


def most_probable(log_probabilities: Sequence[Sequence[float]]) -> Iterator[tuple[int, ...]]:
    """Yield every combination of one index per row, that of the largest sum first.

    Parameters
    ----------
    log_probabilities
        Rows of any lengths; nothing but finite numbers.

    Examples
    --------
    >>> list(most_probable([[-1., -2.], [-5., -4., -9.]]))
    [(0, 1), (0, 0), (1, 1), (1, 0), (0, 2), (1, 2)]
    """
    orders = [sorted(range(len(row)), key=lambda index: -row[index]) for row in log_probabilities]

    def cost(ranks: tuple[int, ...]) -> float:
        return -sum(row[order[rank]] for row, order, rank in
                    zip(log_probabilities, orders, ranks))

    first = (0,) * len(orders)
    heap = [(cost(first), first)]
    while heap:
        _, ranks = heapq.heappop(heap)
        yield tuple(order[rank] for order, rank in zip(orders, ranks))
        # Each combination follows one other only: that with its last non-zero rank reduced.
        last = max((row for row, rank in enumerate(ranks) if rank), default=0)
        for row in range(last, len(ranks)):
            if ranks[row] + 1 < len(orders[row]):
                after = (*ranks[:row], ranks[row] + 1, *ranks[row + 1:])
                heapq.heappush(heap, (cost(after), after))
