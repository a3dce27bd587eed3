r"""An operation with choices in its arguments, as the weighted sum of all that it may be.

Its output is :math:`\sum_c w_c\, \mathrm{pad}(o_c(x))` over the combinations c of the choices of
its own labels; that of a narrower one is padded by zeros. Convolutions, linear layers and batch
normalisations are linear in their parameters, so that one execution with weighted slices of these
is the same sum (Wan et al., "FBNetV2", CVPR 2020).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from nni.nas.oneshot.pytorch.supermodule.operation import (
    NATIVE_MIXED_OPERATIONS,
    MixedBatchNorm2d,
    MixedConv2d,
    MixedLinear,
    MixedOperation,
)
from torch import Tensor

from .argument import form, hashable, largest, narrowed, output_size, padded
from .weights import Options, Weights, moved, options_of

__all__ = ['WeightedOperation']

_Arguments = tuple[tuple[str, Any], ...]
"""Name and value of each argument that has a choice."""


class WeightedOperation:
    """What takes the place of the `forward` of one of NNI's operations in a super-net.

    Arguments that slice parameters (channels, features, the kernel with its padding) share one
    execution. Of others (dilation, groups, heads, the sizes of a layer normalisation or an
    attention) each value is a form, which has an execution of its own. Where only a path is
    executed, it is its form; slices inside the executed one are weighed with it, and what lies
    beyond counts as the executed one.

    Parameters
    ----------
    operation
        Of a super-net of path sampling, with a choice in an argument. Of one of the user's own each
        value of the arguments that slice no parameter is a form, executed in its largest size, with
        weighted slices of its parameters.
    """

    def __init__(self, operation: MixedOperation):
        self.operation, self._having = operation, _Parameters(operation)
        self._every = _options(operation, list(operation.mutable_arguments))
        self._widest = largest([dict(one) for one in self._every.values])
        self._own = not isinstance(operation, tuple(NATIVE_MIXED_OPERATIONS))
        self._forms = self._make_forms()
        self.forms = list(dict.fromkeys(self._forms.values()))
        self._linear = isinstance(operation, (MixedLinear, MixedConv2d)) or (
            isinstance(operation, MixedBatchNorm2d) and operation.affine)
        self._slices = self._make_slices()
        self._executions: dict[str, dict[Hashable, list[dict[str, Any]]]] = {}
        self._members = {kind: torch.tensor([float(one == kind) for one in self._forms.values()])
                         for kind in self.forms}

    def _make_forms(self) -> dict[_Arguments, Hashable]:
        """Return the form of each value of the arguments."""
        if not self._own:
            return {one: form(self.operation, dict(one)) for one in self._every.values}
        whole = {name for name in self.operation.mutable_arguments
                 if not self._slices_by([name]).differ()}
        return {one: tuple(pair for pair in one if pair[0] in whole) for one in self._every.values}

    def _make_slices(self) -> list[_Slices]:
        """Return the slices of arguments that share no label, or, of several forms, of all."""
        if len(self.forms) == 1 or self._own:
            return [self._slices_by(names) for names in _independent(self.operation)]
        return [self._slices_by(self.operation.mutable_arguments)] if self._linear else []

    def _slices_by(self, names: Iterable[str]) -> _Slices:
        """Return the slices that some arguments decide about."""
        return _Slices(self._having, _options(self.operation, names), self._widest)

    def output_sizes(self) -> set[Hashable]:
        """Return what the size of the output depends on, but its channels, for each form."""
        return {output_size(self.operation, largest(
            [dict(one) for one, its in self._forms.items() if its == kind]))
            for kind in self.forms}

    def __call__(self, weights: Weights, *inputs: Any, **named: Any) -> Any:
        """Return the weighted sum of what the operation may return."""
        executed = self._executed(weights)
        if len(self.forms) == 1:
            among, = executed.values()
            return self._execute(weights, None, largest(among), inputs, named)
        widest = largest([one for among in executed.values() for one in among])
        outputs = []
        for kind, among in executed.items():
            output = self._execute(weights, kind if self._linear else None, largest(among), inputs,
                                   named)
            weight = 1. if self._linear else self._of_form(weights, kind).sum()
            outputs.append(padded(self.operation, widest, output, weight))
        return _sum(outputs)

    def _executed(self, weights: Weights) -> dict[Hashable, list[dict[str, Any]]]:
        """Return the executed arguments of each form."""
        key = repr([[choice for choice, _ in weights.executed(label)]
                    for label in self._every.choices])
        if key not in self._executions:
            forms: dict[Hashable, list[dict[str, Any]]] = {}
            for one in self._every.executed(weights):
                forms.setdefault(self._forms[one], []).append(dict(one))
            self._executions[key] = forms
        return self._executions[key]

    def _of_form(self, weights: Weights, kind: Hashable) -> Tensor:
        """Return the weight of each value of the arguments that has a form; 0 of others."""
        used = self._every.weights(weights, self._having.device)
        self._members[kind] = moved(self._members[kind], used.device)
        return used * self._members[kind]

    def _execute(self, weights: Weights, kind: Hashable, arguments: Mapping[str, Any],
                 inputs: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Return the output for the largest arguments of a form, with weighted slices."""
        values = [arguments.get(name, self.operation.init_arguments.get(name))
                  for name in self.operation.argument_list]
        inputs, named = narrowed(self.operation, arguments, self._widest, inputs, named)
        with self._having(self._weighted(weights, kind)):
            return self.operation.forward_with_args(*values, *inputs, **named)

    def _weighted(self, weights: Weights, kind: Hashable) -> dict[str, Tensor]:
        """Return the parameters, each number times the weights of the arguments that use it."""
        factors: dict[str, Tensor] = {}
        for one in self._slices:
            used = (one.options.weights(weights, self._having.device) if kind is None
                    else self._of_form(weights, kind))
            for name, factor in one.factors(weights, used, kind):
                factors[name] = factors[name] * factor if name in factors else factor
        return {name: (self._having.now(name) * factor).to(self._having.now(name).dtype)
                for name, factor in factors.items()}


class _Slices:
    """Which part of each parameter the values of some arguments use."""

    def __init__(self, having: _Parameters, options: Options, widest: Mapping[str, Any]):
        self._having, self.options, self._widest = having, options, widest
        self._masks: dict[str, _Mask] = {}

    def differ(self) -> bool:
        """Return whether values use different parts of a parameter."""
        return any(mask.differs for mask in self._find().values())

    def factors(self, weights: Weights, used: Tensor,
                kind: Hashable) -> Iterator[tuple[str, Tensor]]:
        """Yield the name of each parameter and the sum of the weights of what uses its numbers.

        Those that every value uses as a whole are left out, unless only values of one form count,
        whose weights have another sum than 1.

        Parameters
        ----------
        weights
            Remembers what other operations need, too.
        used, kind
            The weight of each value, and the form of those that count; None is any.
        """
        if not self._masks:
            self._masks = self._find()
        for name, mask in self._masks.items():
            if kind is not None or math.prod(mask.shape) > 1:
                yield name, weights.once((self.options.key, kind, mask.key),
                                         partial(mask.factor, used)).view(mask.shape)

    @torch.inference_mode(False)
    @torch.enable_grad()
    def _find(self) -> dict[str, _Mask]:
        """Return, for each parameter, 1 where a value uses it, and 0 elsewhere.

        It is the gradient of the sum of the slices that the operation takes.
        """
        operation = self._having.operation
        ones = {name: torch.ones_like(one, requires_grad=True)
                for name, one in operation.named_parameters()}
        found: dict[str, list[Tensor]] = {name: [] for name in ones}
        for value in self.options.values if ones else ():
            with self._having(ones):
                slices = operation.freeze_weight(**{
                    **operation.init_arguments, **self._widest, **dict(value)})
            gradients = torch.autograd.grad(
                [one.sum() for one in slices.values()
                 if isinstance(one, Tensor) and one.requires_grad], list(ones.values()),
                allow_unused=True)
            for name, gradient in zip(ones, gradients):
                found[name].append(torch.ones_like(ones[name]) if gradient is None else gradient)
        return {name: _Mask(torch.stack(masks).detach()) for name, masks in found.items()}


class _Mask:
    """Where each value uses a parameter; dimensions along which nothing changes have length 1.

    Parameters
    ----------
    masks
        1 and 0, shape (values, ...).
    """

    def __init__(self, masks: Tensor):
        for dimension in range(1, masks.dim()):
            first = masks.narrow(dimension, 0, 1)
            if torch.equal(masks, first.expand_as(masks)):
                masks = first
        self.shape, self._ones = masks.shape[1:], masks.flatten(1).clone()
        self.differs = not torch.equal(self._ones, self._ones[:1].expand_as(self._ones))
        self.key = hashlib.sha256(self._ones.bool().cpu().numpy().tobytes()).digest()

    def factor(self, used: Tensor) -> Tensor:
        """Return the sum of the weights of what uses each number, flat."""
        self._ones = moved(self._ones, used.device)
        return (used[:, None] * self._ones).sum(0)


class _Parameters:
    """Lets an operation have other parameters for a while."""

    def __init__(self, operation: MixedOperation):
        self.operation = operation
        self._places = {name: (operation.get_submodule(owner), own)
                        for name, _ in operation.named_parameters()
                        for owner, _, own in [name.rpartition('.')]}

    @property
    def device(self) -> torch.device:
        """Where the parameters are; the CPU if there are none."""
        return next((self.now(name).device for name in self._places), torch.device('cpu'))

    def now(self, name: str) -> Tensor:
        """Return what a parameter is at the moment."""
        owner, own = self._places[name]
        return vars(owner)['_parameters'][own]

    @contextmanager
    def __call__(self, parameters: Mapping[str, Tensor]) -> Iterator[None]:
        before = {name: self.now(name) for name in parameters}
        self._set(parameters)
        try:
            yield
        finally:
            self._set(before)

    def _set(self, parameters: Mapping[str, Tensor]) -> None:
        for name, one in parameters.items():
            owner, own = self._places[name]
            vars(owner)['_parameters'][own] = one  # passes by torch's slow __setattr__


def _options(operation: MixedOperation, names: Iterable[str]) -> Options:
    """Return what the choices make of some arguments."""
    mutables = {name: operation.mutable_arguments[name] for name in names}
    return options_of(mutables.values(), lambda sample: tuple(
        (name, hashable(one.freeze(sample))) for name, one in mutables.items()))


def _independent(operation: MixedOperation) -> list[list[str]]:
    """Return the names of the arguments in groups that share no label."""
    groups: list[tuple[set[str], list[str]]] = []
    for name, mutable in operation.mutable_arguments.items():
        labels, names = set(mutable.simplify()), [name]
        for group in [one for one in groups if labels & one[0]]:
            groups.remove(group)
            labels, names = labels | group[0], group[1] + names
        groups.append((labels, names))
    return [names for _, names in groups]


def _sum(outputs: Sequence[Sequence[Any]]) -> Any:
    """Return the sum of outputs, each a list of what an attention returns, or of one tensor."""
    total = tuple(None if among[0] is None else sum(among[1:], among[0])
                  for among in zip(*outputs))
    return total if len(total) > 1 else total[0]
