"""What all regularisers and their terms share."""

from __future__ import annotations

import pytest
from helpers.toy import ALWAYS, Toy

from nni_rankreg.regularizer import Regularizer, Term, TermContext
from nni_rankreg.schedule import Schedule


class NormTerm(Term):
    def loss(self, supernet, batch, epoch):
        return self.factor(epoch, supernet.epochs) * supernet.weights.square().sum()


class Norm(Regularizer):
    def term(self, context):
        return NormTerm(self.weight, self.schedule_in(context))


def test_a_subclass_needs_a_loss_and_one_that_makes_it():
    term = Norm(0.5, ALWAYS).term(TermContext())
    assert term.loss(Toy(), None, 0).item() == 0.5 * (4 + 1 + 9 + 25)
    assert term.results.samples == [] and term.state_dict() == {}
    for kind in (Regularizer, Term):
        with pytest.raises(TypeError, match='abstract'):
            kind(1., ALWAYS)


@pytest.mark.parametrize('warmed_up', [False, True])
def test_a_warm_supernet_needs_no_warmup(warmed_up):
    schedule = Schedule('linear_increase', warmup=2)
    term = Norm(8., schedule).term(TermContext(warmed_up=warmed_up))
    for epoch in range(10):
        factor = 8 * ((epoch + 1) / 10 if warmed_up else max(0, epoch - 1) / 8)
        assert term.factor(epoch, 10) == pytest.approx(factor)
        assert term.active(epoch, 10) is (factor > 0)
