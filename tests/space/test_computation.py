"""Texts of computations: complete, and the same in whatever order something is built."""

from __future__ import annotations

import random

import pytest

from nni_rankreg.space.computation import Computation


def build(terms, outputs, order):
    """Return the text of terms (name, arguments, own weights), built in a given order."""
    cell, values = Computation(), {}

    def value(index):
        if index not in values:
            name, arguments, own = terms[index]
            values[index] = (cell.input(name) if arguments is None else
                             cell.apply(name, cell.add(*map(value, arguments)), own))
        return values[index]
    for index in order:
        value(index)
    return cell.text([cell.add(*map(value, output)) for output in outputs])


def random_terms(generator):
    terms = [('x', None, False), ('y', None, False)]
    for index in range(2, 9):
        arguments = [generator.randrange(index) for _ in range(generator.randint(0, 2))]
        terms.append((generator.choice('ab'), arguments, generator.random() < 0.7))
    return terms, [[generator.randrange(9), generator.randrange(9)] for _ in range(3)]


@pytest.mark.parametrize('seed', range(60))
def test_order_does_not_matter(seed):
    generator = random.Random(seed)
    terms, outputs = random_terms(generator)
    wanted = build(terms, outputs, range(9))
    for _ in range(10):
        mixed = [(name, arguments and generator.sample(arguments, len(arguments)), own)
                 for name, arguments, own in terms]
        merged = [generator.sample(output, 2) for output in outputs]
        assert build(mixed, generator.sample(merged, 3),
                     generator.sample(range(9), 9)) == wanted


def test_what_no_output_uses_is_left_out():
    cell = Computation()
    image = cell.input('x')
    cell.apply('conv', image)
    assert cell.text([cell.apply('pool', image)]) == '0=pool(1) 1=x out(0)'


def test_layers_are_told_apart_by_what_becomes_of_them():
    """Two alike layers: one is added twice, or each of them once."""
    def text(first, second):
        cell = Computation()
        layers = [cell.apply('conv', cell.input('x')) for _ in range(2)]
        return cell.text([cell.apply('conv', cell.add(layers[first], layers[second])),
                          cell.add(*layers)])
    assert text(0, 0) == text(1, 1) != text(0, 1) == text(1, 0)


def test_zero_is_an_empty_sum():
    cell = Computation()
    assert cell.text([cell.add()]) == 'out()'
    assert cell.text([cell.add(), cell.apply('conv', cell.add())]) == '0=conv() out(,0)'
