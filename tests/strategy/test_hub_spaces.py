"""NNI's hub spaces and the package's own through a whole experiment, to exported networks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nni_rankreg.batch_norm import batch_statistics
from nni_rankreg.regularizer import LandmarkRegularizer
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.schedule import Schedule
from nni_rankreg.search import Evolution, ScoredSample
from nni_rankreg.strategy import SPOS
from nni_rankreg.typing import Results

pytestmark = pytest.mark.slow
OWN = ['NasBench101', 'own NasBench201', 'own DARTSSpace', 'own DARTSSpace of any size',
       'own ENAS of any size', 'own PNAS', 'own AmoebaNet', 'own NASNet', 'own ProxylessNAS',
       'own ResNet48']


@pytest.mark.parametrize('name', ['NasBench201', 'DARTS', 'DARTS of any size', 'ENAS',
                                  'ProxylessNAS', 'MobileNetV3', 'ShuffleNet',
                                  'ShuffleNet of any width', 'AutoFormer', *OWN])
def test_space(name, make_space, make_evaluator, make_loader, run_experiment):
    space = make_space(name)
    samples = UniformSampler(space, seed=1).distinct(4)
    landmarks = LandmarkRegularizer(Results(samples[:3], [0.1, 0.2, 0.3]),
                                    schedule=Schedule('constant', warmup=0))
    strategy = SPOS([landmarks], truth=Results(samples, [0.1, 0.2, 0.3, 0.4]),
                    evolution=Evolution(3, 4, 2, progress=False), metric='val_acc')
    evaluator = make_evaluator(make_loader(12, 3, 32), make_loader(4, 4, 32),
                               optimizer=torch.optim.SGD, learning_rate=0.01, max_steps=2,
                               gradient_clip_val=1.)
    before = {key: value.clone() for key, value in space.state_dict().items()}
    experiment = run_experiment(space, evaluator, strategy)
    assert any(not torch.equal(value, before[key]) for key, value in space.state_dict().items()
               if key in before)

    best = experiment.export_top_models(2, formatter='dict')
    assert [type(one) for one in best] == [ScoredSample] * 2 and best[0].score >= best[1].score
    assert all(leaf.contains(one) for one in best for leaf in space.simplify().values())
    networks = experiment.export_top_models(2, formatter='instance')
    x = torch.randn(4, 3, 32, 32)
    for sample, network in zip(best, networks):
        compare(strategy, sample, network, x)


@torch.no_grad()
def compare(strategy: SPOS, sample: dict, network: nn.Module, x: torch.Tensor) -> None:
    """Compare a network with the path of the super-net, in both modes of batch normalisation."""
    supernet = strategy.supernet.eval()
    strategy.oneshot_module.activate(sample)
    torch.testing.assert_close(network.eval()(x), supernet(x))
    with batch_statistics(supernet), batch_statistics(network):
        torch.testing.assert_close(network(x), supernet(x))
