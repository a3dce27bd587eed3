"""Scores of architectures, against a loop over NNI's frozen networks."""

from __future__ import annotations

import os
import signal

import pytest
import torch
import torch.nn.functional as F
from nni.nas.evaluator.pytorch import ClassificationModule
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from nni.nas.strategy import RandomOneShot
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from nni_rankreg.batch_norm import batch_statistics
from nni_rankreg.evaluator import SGDClassificationModule
from nni_rankreg.host.network.subnet import extract
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.supernet import SuperNetModule, SuperNetScorer


@pytest.fixture
def module(make_supernet):
    """Return the module of a super-net whose running statistics fit no architecture."""
    supernet = make_supernet()
    for norm in supernet.modules():
        if isinstance(norm, _BatchNorm):
            norm.running_mean += 3
    module = SuperNetModule(ClassificationModule(num_classes=10))
    module.set_model(supernet)
    return module


@pytest.fixture
def samples(module):
    return UniformSampler(module.model, seed=5).distinct(6)


def naive(networks, batches, measure):
    """Return the mean of a measure over the images of all batches, for each network."""
    with torch.no_grad():
        return torch.tensor([sum(measure(network(x), y).item() * len(y) for x, y in batches)
                             / sum(len(y) for _, y in batches) for network in networks])


def minus_loss(logits, labels):
    return -F.cross_entropy(logits, labels)


def accuracy(logits, labels):
    return (logits.argmax(1) == labels).float().mean()


@pytest.mark.slow
@pytest.mark.parametrize('metric, measure', [(None, minus_loss), ('val_acc', accuracy)])
def test_scores_are_those_of_frozen_networks(metric, measure, module, samples, make_batches):
    batches = make_batches([8, 8, 5])
    scores = SuperNetScorer(module, batches, metric=metric)(samples)
    expected = naive([module.model.freeze(sample).train() for sample in samples], batches, measure)
    torch.testing.assert_close(scores.float(), expected)
    assert scores.shape == (6,) and len(set(scores.tolist())) > 1


@pytest.mark.parametrize('metric, sign', [('val_loss', -1), (None, 1)])
def test_a_metric_to_minimise(metric, sign, module, samples, make_batches):
    """The score is higher is better; minus the loss is so already."""
    lowest, highest = (SuperNetScorer(module, make_batches(), metric=metric, mode=mode)(samples)
                       for mode in ('min', 'max'))
    assert torch.equal(lowest, sign * highest)
    torch.testing.assert_close(lowest, SuperNetScorer(module, make_batches())(samples))


@pytest.mark.parametrize('metric, measure', [(None, minus_loss), ('val_acc', accuracy)])
@pytest.mark.parametrize('name', ['NasBench201', 'ProxylessNAS'])
def test_calibrated_scores(metric, measure, name, make_supernet, make_batches):
    module = SuperNetModule(ClassificationModule(num_classes=10))
    module.set_model(make_supernet(name))
    samples = UniformSampler(module.model, seed=5).distinct(4)
    batches, calibration = make_batches([8, 5], 32), make_batches([8, 6, 8], 32, seed=1)
    scores = SuperNetScorer(module, batches, metric=metric, calibration=calibration)(samples)
    networks = [extract(module.model, sample) for sample in samples]
    for network in networks:
        for norm in network.modules():
            if isinstance(norm, _BatchNorm):
                norm.momentum = None  # torch's own cumulative average
                norm.reset_running_stats()
        with torch.no_grad():
            for x, _ in calibration:
                network.train()(x)
        network.eval()
    torch.testing.assert_close(scores.float(), naive(networks, batches, measure),
                               rtol=1e-4, atol=1e-4)


def test_the_evaluator_defines_the_loss(module, samples, make_batches):
    other = SuperNetModule(SGDClassificationModule(10))
    other.set_model(module.model)
    torch.testing.assert_close(SuperNetScorer(other, make_batches())(samples),
                               SuperNetScorer(module, make_batches())(samples))


def test_order_and_repetition_do_not_matter(module, samples, make_batches):
    scorer = SuperNetScorer(module, make_batches())
    scores = scorer(samples)
    assert torch.equal(scorer(samples[::-1]), scores.flip(0))
    assert torch.equal(scorer([samples[2]] * 2), scores[[2, 2]])
    assert scorer([]).shape == (0,)


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('calibrated', [True, False])
def test_nothing_but_calibrated_statistics_is_changed(training, calibrated, module, samples,
                                                      make_batches):
    module.train(training)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    batches = make_batches()
    SuperNetScorer(module, batches, calibration=batches if calibrated else ())(samples)
    changed = {key.split('.')[-1] for key, value in module.state_dict().items()
               if not torch.equal(value, before[key])}
    assert changed == ({'running_mean', 'running_var', 'num_batches_tracked'} if calibrated
                       else set())
    assert {one.training for one in module.modules()} == {training}
    assert all(parameter.grad is None for parameter in module.parameters())


def test_iterators_are_taken_once(module, samples, make_batches):
    scorer = SuperNetScorer(module, iter(make_batches()), calibration=iter(make_batches()))
    assert torch.equal(scorer(samples), scorer(samples))


def test_batches_of_other_kinds(module, samples):
    """The number of images is that of the first tensor, wherever it is."""
    class Module(ClassificationModule):
        def training_step(self, batch, batch_idx):
            return self.criterion(self(batch['input'][0]), batch['label'])

    own = SuperNetModule(Module(num_classes=10))
    own.set_model(module.model)
    torch.manual_seed(0)
    pairs = [(torch.randn(size, 3, 8, 8), torch.randint(10, (size,))) for size in (7, 3)]
    batches = [{'input': [x], 'label': y} for x, y in pairs]
    torch.testing.assert_close(SuperNetScorer(own, batches)(samples),
                               SuperNetScorer(module, pairs)(samples))


def test_no_batches(module):
    with pytest.raises(ValueError, match='Expected at least one validation batch .*got none'):
        SuperNetScorer(module, [])


def test_unknown_metric(module, samples, make_batches):
    scorer = SuperNetScorer(module, make_batches(), metric='val_f1')
    with pytest.raises(ValueError, match=r"one of \['val_acc', 'val_loss'\], got 'val_f1'"):
        scorer(samples)
    assert {one.training for one in module.modules()} == {True}


@pytest.mark.slow
@pytest.mark.parametrize('name', [
    'NasBench201', 'NasBench101', 'own DARTSSpace', 'own ENAS of any size', 'own ProxylessNAS',
    'own ResNet48', 'ShuffleNet', 'AutoFormer'])
def test_scores_are_those_of_the_plain_loop(name, make_supernet, make_batches):
    """Also in spaces of widths and depths, and where a network takes the memory for granted."""
    module = SuperNetModule(ClassificationModule(num_classes=10))
    module.set_model(make_supernet(name).double())  # few pixels of few images vary little
    samples = UniformSampler(module.model, seed=5).distinct(5)
    batches = [(x.double(), y) for x, y in make_batches([6, 4], 32)]
    expected = {None: [], 'val_acc': []}
    with torch.no_grad(), batch_statistics(module):
        for sample in samples:
            module.activate(sample)
            outputs = [(module.model(x), y) for x, y in batches]
            for metric, measure in ((None, minus_loss), ('val_acc', accuracy)):
                first, second = (measure(*one) for one in outputs)
                expected[metric].append((6 * first + 4 * second) / 10)
    for metric, values in expected.items():
        scores = SuperNetScorer(module, batches, metric=metric)(samples)
        torch.testing.assert_close(scores, torch.stack(values).double(), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize('calibrated', [True, False])
def test_several_processes_give_the_same_scores(calibrated, module, make_batches):
    samples = UniformSampler(module.model, seed=5).distinct(17)
    batches = make_batches([8, 5])
    options = {'calibration': batches if calibrated else ()}
    expected = SuperNetScorer(module, batches, **options)(samples)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    scores = SuperNetScorer(module, batches, processes=2, **options)(samples)
    assert torch.equal(scores, expected)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


@pytest.mark.parametrize('count, expected', [(1, 1), (15, 1), (16, 2), (24, 3), (80, 4)])
def test_few_architectures_are_not_worth_a_process(count, expected, module, samples, make_batches,
                                                   monkeypatch):
    asked = []
    monkeypatch.setattr('nni_rankreg.supernet.scorer.fork_map',
                        lambda compute, items, processes, progress:
                        asked.append(processes) or [(0., 1.)] * len(items))
    SuperNetScorer(module, make_batches(), processes=4)(samples[:1] * count)
    assert asked == [expected]


def test_a_killed_process_is_an_error(module, samples, make_batches, monkeypatch):
    monkeypatch.setattr('nni_rankreg.supernet.scorer.sized_loss',
                        lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(RuntimeError, match='got one that was killed'):
        SuperNetScorer(module, make_batches(), processes=2)(samples * 4)


def test_the_stem_is_computed_once_for_each_batch(module, samples, make_batches):
    shapes = []
    module.model.stem[0].register_forward_hook(lambda layer, inputs, output: shapes.append(
        len(inputs[0])))
    batches = make_batches([7, 3])
    SuperNetScorer(module, batches)(samples)
    assert shapes == [7, 3]
    SuperNetScorer(module, batches, shared_memory=0)(samples)
    assert shapes == [7, 3] + [7] * 6 + [3] * 6
    del shapes[:]
    SuperNetScorer(module, batches, calibration=batches)(samples[:2])
    assert shapes == [7, 3, 7, 3] * 2


class Viewing(ModelSpace):
    """Takes it for granted that the pixels of a channel lie side by side in memory."""

    def __init__(self):
        super().__init__()
        self.layer = LayerChoice([nn.Conv2d(3, 2, 3, padding=1), nn.Conv2d(3, 2, 1)], label='x')
        self.classifier = nn.Linear(128, 10)
        self.seen = []

    def forward(self, x):
        self.seen.append(x.is_contiguous())
        return self.classifier(self.layer(x).view(len(x), -1))


def test_channels_come_last_where_the_network_allows_it(make_batches):
    module = SuperNetModule(ClassificationModule(num_classes=10))
    module.set_model(RandomOneShot().mutate_model(Viewing()))
    batches = make_batches([7, 3])
    scorer = SuperNetScorer(module, batches)
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x, _ in scorer.batches)
    assert all(x.is_contiguous() for x, _ in batches)
    scores = scorer([{'x': 0}, {'x': 1}])
    assert module.model.seen == [False] + [True] * 4
    networks = [lambda x, layer=layer: module.model.classifier(layer(x).flatten(1))
                for layer in module.model.layer]
    torch.testing.assert_close(scores.float(), naive(networks, batches, minus_loss))


def test_other_errors_of_the_network_are_raised(module, samples):
    with pytest.raises(RuntimeError, match='channels'):
        SuperNetScorer(module, [(torch.zeros(2, 5, 8, 8), torch.zeros(2).long())])(samples)


def test_scores_in_the_inference_mode_of_a_validation(module, samples, make_batches):
    expected = SuperNetScorer(module, make_batches())(samples)
    with torch.inference_mode():
        scores = SuperNetScorer(module, make_batches())(samples)
        again = SuperNetScorer(module, make_batches(), calibration=make_batches())(samples)
    assert torch.equal(scores, expected) and not scores.is_inference()
    assert again.isfinite().all()


def test_nothing_is_left_in_modules_and_batches(module, samples, make_batches):
    batches = make_batches()
    scorer = SuperNetScorer(module, batches)
    scorer(samples)
    assert not [one for one in module.modules() if 'forward' in vars(one)]
    assert not [tensor for batch in [*batches, *scorer.batches] for tensor in batch if vars(tensor)]
