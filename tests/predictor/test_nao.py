"""The controller of NAO, on spaces whose truth is known and on the real NAS-Bench-201 table."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from nni.mutable import Categorical, ExpressionConstraint, MutableDict
from scipy.stats import kendalltau

from nni_rankreg.predictor import NAOController
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import JointDraw, NasBench101, NasBench201, decode_nasbench201
from nni_rankreg.table import TabularBenchmark
from nni_rankreg.typing import sample_key

VALUES = np.random.RandomState(0).rand(6, 4)  # of each choice of 6 labels


def additive(count=6):
    return {f'x{i}': Categorical(range(4), label=f'x{i}') for i in range(count)}


def truth(samples):
    return [sum(VALUES[int(label[1:]), choice] for label, choice in sample.items())
            for sample in samples]


@pytest.fixture(scope='module')
def known():
    return UniformSampler(additive(), seed=4).distinct(150)


@pytest.fixture(scope='module')
def fitted(known):
    return NAOController(additive(), seed=1, steps=300).fit(known, truth(known))


# Learning

@pytest.mark.slow
def test_each_architecture_is_paired_with_its_own_performance(known, fitted):
    """The published code pairs each with the next one's, from which nothing can be learned."""
    others = UniformSampler(additive(), seed=9).distinct(300, exclude=known)
    assert kendalltau(fitted(known), truth(known))[0] > 0.9
    assert kendalltau(fitted(others), truth(others))[0] > 0.75
    shifted = NAOController(additive(), seed=1, steps=100).fit(known, np.roll(truth(known), 1))
    assert abs(kendalltau(shifted(others), truth(others))[0]) < 0.3


def test_reconstruction(known, fitted):
    others = UniformSampler(additive(), seed=9).distinct(300, exclude=known)
    assert fitted.reconstruct(known) == known
    assert np.mean([a == b for a, b in zip(fitted.reconstruct(others), others)]) > 0.9


def test_only_the_order_of_the_targets_counts(known):
    curved = np.exp(5 * np.array(truth(known)))
    curved[curved.argmin()] = -np.inf
    plain, bent = (NAOController(additive(), steps=30).fit(known, targets)
                   for targets in (truth(known), curved))
    assert torch.equal(plain(known), bent(known))


@pytest.mark.slow
def test_same_seed_same_result(known):
    state, few = torch.get_rng_state(), known[:40]
    first, again, other = (NAOController(additive(), seed=seed, steps=30).fit(few, truth(few))
                           for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first(known), again(known)) and not torch.equal(first(known), other(known))
    children = again.fit(known, truth(known)).fit(few, truth(few)).propose(few)
    assert children == first.propose(few) and torch.equal(first(known), again(known))


@pytest.mark.slow
def test_on_the_table_of_nasbench201(shared_data):
    table = TabularBenchmark.from_npz(shared_data / 'nb201.npz', 'xvalid_c10_200',
                                      decode_nasbench201)
    train = table.subset(600, seed=0)
    others = table.subset(1000, seed=1, exclude=train.samples)
    controller = NAOController(NasBench201(4, 1), seed=0).fit(train.samples, train.metrics)
    same = [a == b for a, b in zip(controller.reconstruct(train.samples), train.samples)]
    assert np.mean(same) >= 0.99
    assert kendalltau(controller(others.samples), others.metrics)[0] > 0.65
    order = np.argsort(train.metrics)[::-1][:100]
    new = controller.propose([train.samples[index] for index in order], exclude=train.samples)
    assert len(new) > 80 and not any(one in train for one in new)
    drawn = np.mean(table(new).numpy()[:, None] > np.array(others.metrics))
    assert drawn > 0.8  # a child of the best beats four of five random ones


# Ascent

@pytest.mark.slow
def test_ascent_finds_the_optimum_of_an_additive_truth():
    """Of 4,096 architectures; as many random ones contain it with a probability of 5 %."""
    best = {f'x{i}': int(VALUES[i].argmax()) for i in range(6)}
    assert max(truth([best])) == max(truth([
        dict(zip(best, row)) for row in itertools.product(range(4), repeat=6)]))
    pool = UniformSampler(additive(), seed=7).distinct(60)
    controller = NAOController(additive(), seed=0, steps=150)
    while best not in pool and len(pool) < 200:
        controller.fit(pool, truth(pool))
        parents = sorted(pool, key=lambda one: -truth([one])[0])[:30]
        pool += controller.propose(parents, exclude=pool)
    assert best in pool
    assert len(set(map(sample_key, pool))) == len(pool)


def test_children_are_the_first_new_ones_along_the_gradient(known, fitted):
    """Against a loop over parents and steps, with gradients by finite differences."""
    network, parents = fitted.network.double(), known[:4]
    steps, excluded = np.geomspace(0.05, 20, 30), list(known)
    embedding = network.encode(fitted.codec.encode(parents)).detach()
    gradients = torch.zeros_like(embedding)
    for position in itertools.product(*map(range, embedding.shape)):
        moved = [embedding.clone(), embedding.clone()]
        moved[0][position] += 1e-5
        moved[1][position] -= 1e-5
        change = network.predict(moved[0]) - network.predict(moved[1])
        gradients[position] = change[position[0]] / 2e-5
    paths = [[fitted.decode(F.normalize(e + step * g / g.norm(dim=-1, keepdim=True), dim=-1)[None])
              [0] for step in steps] for e, g in zip(embedding, gradients)]
    expected = {}
    for index in range(len(steps)):
        for parent, path in enumerate(paths):
            if parent not in expected and path[index] not in excluded:
                expected[parent] = path[index]
                excluded.append(path[index])
    children = fitted.propose(parents, exclude=known)
    network.float()
    assert children == [expected[parent] for parent in sorted(expected)] and len(children) >= 3


def test_children_are_better_than_their_parents(known, fitted):
    order = sorted(known, key=lambda one: truth([one])[0])[:50]  # the worst have room
    children = fitted.propose(order, exclude=known)
    assert len(children) == 50
    assert np.mean(np.array(truth(children)) > truth(order)) > 0.9


def test_children_are_new_different_and_accepted(known, fitted):
    def accept(sample):
        return sample['x0'] != 2

    children = fitted.propose(known, exclude=known, accept=accept)
    keys = list(map(sample_key, children))
    assert len(set(keys)) == len(keys) > 20
    assert all(map(accept, children)) and not set(keys) & set(map(sample_key, known))
    everything = [dict(zip(known[0], row)) for row in itertools.product(range(4), repeat=6)]
    assert fitted.propose(known[:3], exclude=everything) == []
    assert fitted.propose([]) == []


# Constraints

class Equal(JointDraw):
    """All labels have the same choice, which few independent draws have."""

    def __init__(self, labels):
        self.label, self.labels = 'equal', set(labels)

    def leaf_mutables(self, is_leaf):
        yield self

    def check_contains(self, sample):
        same = len({sample[label] for label in self.labels}) == 1
        return None if same else ValueError('unequal')

    def draw(self, random):
        return dict.fromkeys(sorted(self.labels), int(random.randint(4)))


def constrained():
    a, b, c = (Categorical(range(4), label=label) for label in 'abc')
    return MutableDict(a=a, b=b, c=c, rule=ExpressionConstraint(a + b == 2 * c, label='rule'))


def equal():
    leaves = additive(20)
    return {**leaves, 'equal': Equal(leaves)}


@pytest.mark.parametrize('make', [constrained, equal, lambda: NasBench101(4, 1, 1).simplify()])
def test_whatever_is_decoded_is_valid(make):
    """Embeddings at random, from an untrained decoder: it knows nothing of the constraints."""
    space = make()
    space = space.simplify() if isinstance(space, MutableDict) else space
    known = UniformSampler(space).distinct(4)
    controller = NAOController(space, steps=1).fit(known, range(4))
    shape = 40, controller.codec.mask.shape[0], 64
    embedding = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    samples = controller.decode(F.normalize(embedding, dim=-1))
    greedy = controller.codec.decode(controller.network.generate(F.normalize(embedding, dim=-1)))
    assert not all(map(controller.codec.valid, greedy))
    assert all(leaf.contains(dict(sample)) for leaf in space.values() for sample in samples)
    assert samples != greedy


@pytest.mark.slow
def test_cells_of_nasbench101():
    """A joint constraint, learned so well that most children need no repair."""
    space = NasBench101(4, 1, 1)
    known = UniformSampler(space, seed=0).distinct(300)
    edges = [sum(choice for label, choice in one.items() if 'edge' in label) for one in known]
    controller = NAOController(space, steps=200).fit(known, edges)
    assert np.mean([a == b for a, b in zip(controller.reconstruct(known), known)]) > 0.8
    children = controller.propose(known[:60], exclude=known)
    assert len(children) > 30
    assert all(controller.codec.valid(one) for one in children)


# Errors

def test_a_new_controller_has_learned_nothing():
    controller = NAOController(additive())
    for use in (lambda: controller([]), lambda: controller.propose([])):
        with pytest.raises(RuntimeError, match=r'Expected a controller that has learned.*fit\(\)'):
            use()


@pytest.mark.parametrize('targets, message', [
    ([1., 2.], r'got 0 NaN in targets of shape \(2,\)'),
    ([1., 2., float('nan')], r'got 1 NaN in targets of shape \(3,\)'),
    ([[1., 2., 3.]], r'got 0 NaN in targets of shape \(1, 3\)')])
def test_targets_are_one_number_for_each(known, targets, message):
    with pytest.raises(ValueError, match='Expected a number for each of 3 arch.*' + message):
        NAOController(additive()).fit(known[:3], targets)


def test_one_architecture_is_too_few(known):
    with pytest.raises(ValueError, match='each of 1 architectures, at least two'):
        NAOController(additive()).fit(known[:1], [1.])


@pytest.mark.parametrize('tradeoff', [-0.1, 1.1])
def test_tradeoff_is_a_share(tradeoff):
    with pytest.raises(ValueError, match='Expected a tradeoff from 0 to 1'):
        NAOController(additive(), tradeoff=tradeoff)
