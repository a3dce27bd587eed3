"""The weights of a mixture: of single choices, and of what several labels together decide."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import torch
from nni.mutable import Mutable
from torch import Tensor

from ...typing import Sample

__all__ = ['Mixture', 'Options', 'Weight', 'Weights', 'moved', 'options_of']

Weight = float | Tensor
Mixture = dict[str, list[tuple[Any, Weight]]]
"""Label -> pairs of a choice and its weight; choices that are left out are not executed."""


class Weights:
    """A mixture, and which of its choices are executed.

    Parameters
    ----------
    mixture
        The weights.
    path
        The only choice of each label that is executed; None executes all.

    Examples
    --------
    >>> weights = Weights({'a': [(1, .25), (2, .75)]}, {'a': 2})
    >>> weights.executed('a'), weights.joint({'a': [1, 2, 3]}, torch.device('cpu')).tolist()
    ([(2, 0.75)], [0.25, 0.75, 0.0])
    """

    def __init__(self, mixture: Mixture, path: Sample | None = None):
        self.mixture, self.path = mixture, path
        self._known: dict[Hashable, Tensor] = {}  # the same for many modules

    def executed(self, label: str) -> list[tuple[Any, Weight]]:
        """Return the executed choices of a label with their weights."""
        pairs = self.mixture[label]
        if self.path is None:
            return pairs
        return [pair for pair in pairs if pair[0] == self.path[label]]

    def joint(self, choices: Mapping[str, Sequence[Any]], device: torch.device) -> Tensor:
        """Return the weight of each combination of choices, in the order of `itertools.product`.

        Parameters
        ----------
        choices
            Label -> all its choices; one that is not in the mixture weighs 0.
        device
            Where it is needed.
        """
        return self.once(tuple(choices), lambda: self._product(choices, device))

    def once(self, key: Hashable, compute: Callable[[], Tensor]) -> Tensor:
        """Return what was computed for a key; compute it the first time."""
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]

    def _product(self, choices: Mapping[str, Sequence[Any]], device: torch.device) -> Tensor:
        product = torch.ones(1, device=device)
        for label, values in choices.items():
            product = torch.outer(product, self._of(label, values).to(device)).flatten()
        return product

    def _of(self, label: str, choices: Sequence[Any]) -> Tensor:
        known, weights = zip(*self.mixture[label])
        tensor = torch.stack([torch.as_tensor(one) for one in weights])
        if list(known) == list(choices):
            return tensor
        places = torch.tensor([choices.index(one) for one in known], device=tensor.device)
        return tensor.new_zeros(len(choices)).index_add(0, places, tensor)


class Options:
    """What a few labels together decide: the different values, and how much each weighs.

    Parameters
    ----------
    choices
        Label -> all its choices.
    values
        The hashable value of each combination of choices, in the order of `itertools.product`.

    Attributes
    ----------
    values
        The different ones.
    key
        The same for the same labels with choices of the same effect.

    Examples
    --------
    >>> options = Options({'a': [1, 2], 'b': [1, 2]}, [2, 3, 3, 4])
    >>> weights = Weights({'a': [(1, .25), (2, .75)], 'b': [(1, .5), (2, .5)]}, {'a': 1, 'b': 2})
    >>> options.values, options.executed(weights)
    ([2, 3, 4], [3])
    >>> options.weights(weights, torch.device('cpu')).tolist()
    [0.125, 0.5, 0.375]
    """

    def __init__(self, choices: Mapping[str, Sequence[Any]], values: Sequence[Any]):
        self.choices = dict(choices)
        self.values: list[Any] = list(dict.fromkeys(values))
        self._of_combination = list(values)
        places = {value: place for place, value in enumerate(self.values)}
        self._places = torch.tensor([places[value] for value in values])
        self.key = tuple(choices), tuple(self._places.tolist())

    def weights(self, weights: Weights, device: torch.device) -> Tensor:
        """Return the weight of each value."""
        joint = weights.joint(self.choices, device)
        if len(self.values) == len(joint):
            return joint
        return weights.once(self.key, lambda: self._sum(joint))

    def _sum(self, joint: Tensor) -> Tensor:
        self._places = moved(self._places, joint.device)
        return joint.new_zeros(len(self.values)).index_add(0, self._places, joint)

    def executed(self, weights: Weights) -> list[Any]:
        """Return the values of the executed choices, each once."""
        chosen = [[choice for choice, _ in weights.executed(label)] for label in self.choices]
        return list(dict.fromkeys(
            value for value, combination in zip(self._of_combination,
                                                itertools.product(*self.choices.values()))
            if all(one in among for one, among in zip(combination, chosen))))


def moved(constant: Tensor, device: torch.device) -> Tensor:
    """Return a tensor that is kept, on another device.

    A first use in validation, in inference mode, would spoil it for training.
    """
    if constant.device == device:
        return constant
    with torch.inference_mode(False):
        return constant.to(device)


def options_of(mutables: Iterable[Mutable], value: Callable[[Sample], Any]) -> Options:
    """Return what the labels of mutables decide together.

    Parameters
    ----------
    mutables
        Have the labels, each with a list of choices.
    value
        What is decided by a choice of each of these labels.

    Examples
    --------
    >>> from nni.mutable import Categorical
    >>> double = 2 * Categorical([8, 16], label='width')
    >>> options_of([double], double.freeze).values
    [16, 32]
    """
    choices = {label: list(leaf.values) for one in mutables
               for label, leaf in one.simplify().items()}
    return Options(choices, [value(dict(zip(choices, combination)))
                             for combination in itertools.product(*choices.values())])
