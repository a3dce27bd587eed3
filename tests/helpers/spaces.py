"""Spaces of every kind of label."""

from __future__ import annotations

from nni.mutable import (
    Categorical,
    CategoricalMultiple,
    ExpressionConstraint,
    MutableDict,
    MutableList,
    Numerical,
)

ANY = {
    'op': Categorical(['conv', 'pool', None], label='op'),
    'same': Categorical(['conv', 'pool', None], label='same'),
    'width': Categorical([8, 16, 32], label='width'),
    'kernel': Categorical([(1, 3), (3, 1)], label='kernel'),
    'inputs': CategoricalMultiple([0, 1, 2], label='inputs'),
    'rate': Numerical(low=0., high=2., label='rate'),
}


def mixed():
    """Return a space whose choices have weights, or are several at a time."""
    return MutableDict(
        a=Categorical(['p', 'q', 'r'], weights=[0.5, 0.3, 0.2], label='a'),
        b=CategoricalMultiple([1, 2, 3], n_chosen=1, label='b'),
        c=CategoricalMultiple([1, 2, 3], n_chosen=2, label='c'),
        d=CategoricalMultiple([1, 2], label='d'),
        e=Numerical(0, 1, label='e'),
    )


def grid(*sizes):
    """Return a space of one label for each size, with the choices 0, 1, ..."""
    return {f'x{i}': Categorical(range(n), label=f'x{i}') for i, n in enumerate(sizes)}


def constrained():
    """Return a space of two digits whose sum is nine: ten architectures of a hundred."""
    a, b = Categorical(range(10), label='a'), Categorical(range(10), label='b')
    return MutableList([a, b, ExpressionConstraint(a + b == 9, label='sum')])
