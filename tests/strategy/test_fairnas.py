"""FairNAS, and the sandwich rule under SPOS."""

from __future__ import annotations

from functools import partial

import nni
import pytest

from nni_rankreg.sampler import SandwichSampler
from nni_rankreg.search import Evolution
from nni_rankreg.strategy import SPOS, FairNAS

SMALL = Evolution(4, 8, 2, progress=False)


@pytest.mark.slow
@pytest.mark.parametrize('strategy, count', [
    (FairNAS(evolution=SMALL, seed=2), 5),
    (SPOS(sampler=partial(SandwichSampler, count=1), evolution=SMALL), 3)])
@pytest.mark.parametrize('name', ['NasBench201', 'DARTS'])
def test_training(name, strategy, count, make_space, make_evaluator):
    space, steps = make_space(name), []
    choices = max(len(mutable.values) for mutable in space.simplify().values())
    strategy = nni.load(nni.dump(strategy))
    original = strategy.make_module

    def watched(*args, **options):
        made = original(*args, **options)
        draw = made.paths
        made.paths = lambda: steps.append(draw()) or steps[-1]
        return made

    strategy.make_module = watched
    trained = strategy.train(space, make_evaluator())
    expected = choices if isinstance(strategy, FairNAS) else count
    assert [len(step) for step in steps] == [expected] * 2
    assert len(trained.best(2)) == 2


def test_a_filter_rejects_whole_steps(make_space, make_evaluator):
    seen = []

    def accept(sample):
        seen.append(sample)
        return sample['cell/0_1'] != 'none'

    with pytest.raises(RuntimeError, match='Expected the filter to accept all architectures'):
        FairNAS(filter=accept, evolution=SMALL).train(make_space(), make_evaluator())
    assert seen
