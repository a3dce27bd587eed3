"""Training by two processes, against the same training by one, and against a plain loop.

This file is also the script that Lightning's DDP starts twice.
"""

from __future__ import annotations

import functools
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from nni.nas.evaluator.pytorch import ClassificationModule, DataLoader, Lightning, Trainer
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from torch import nn
from torch.utils.data import DistributedSampler, Subset, TensorDataset

from nni_rankreg.data import HeldOut
from nni_rankreg.host.run.distributed import prepare_distributed
from nni_rankreg.predictor import NAOController
from nni_rankreg.regularizer import EqualCostControl, LandmarkRegularizer, RankingDistillation
from nni_rankreg.sampler import FairSampler, MarginPairSampler, UniformSampler
from nni_rankreg.schedule import Schedule
from nni_rankreg.search import Evolution
from nni_rankreg.strategy import DARTS, GDAS, NAO, SPOS
from nni_rankreg.typing import Results

pytestmark = pytest.mark.slow
EPOCHS, STEPS, BATCH, RATE, WEIGHT = 2, 3, 8, 0.3, 5.
PATIENCE = 600  # seconds; both take ten on an idle machine
ALWAYS = Schedule('constant', warmup=0)


class Space(ModelSpace):
    """27 networks without batch normalisation, whose statistics depend on the batch."""

    def __init__(self):
        super().__init__()
        for name in 'abc':
            setattr(self, name, LayerChoice([
                nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.Tanh()),
                nn.Sequential(nn.Linear(4, 4), nn.ReLU())], label=name))
        self.head = nn.Linear(4, 3)

    def forward(self, inputs):
        return self.head(self.c(self.b(self.a(inputs))))


class Module(ClassificationModule):
    """Leaves the accuracy of an epoch to Lightning, as its documentation advises."""

    def validation_step(self, batch, batch_idx):
        inputs, labels = batch
        outputs = self(inputs)
        self.metrics['acc'].update(outputs, labels)
        self.log('val_acc', self.metrics['acc'])
        self.log('val_loss', self.criterion(outputs, labels))


def make_space():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Space()


def data(seed, count=STEPS * BATCH):
    generator = torch.Generator().manual_seed(seed)
    return TensorDataset(torch.randn(count, 4, generator=generator),
                         torch.randint(3, (count,), generator=generator))


def loader(processes):
    """Return the training data; Lightning divides and shuffles it like this among several."""
    order = DistributedSampler(data(0), 1, 0) if processes == 1 else None
    return DataLoader(data(0), batch_size=BATCH // processes, sampler=order)


def held_out(rank, processes):
    """Return the part of a process; Lightning divides the other loaders."""
    part = Subset(data(2), range(rank, STEPS * BATCH, processes))
    return DataLoader(part, batch_size=BATCH // processes)


SAMPLES = UniformSampler(make_space(), seed=1).distinct(27)
TRUTH = Results(SAMPLES, [((7 * index) % 27) / 27 for index in range(27)])
LANDMARKS = Results(SAMPLES[:6], TRUTH.metrics[:6])
SMALL = Evolution(4, 12, 2, progress=False)


def landmarks():
    return LandmarkRegularizer(LANDMARKS, weight=WEIGHT, pairs=3, schedule=ALWAYS)


def order(samples):
    return torch.tensor([TRUTH.metrics[SAMPLES.index(dict(one))] for one in samples])


def distillation():
    """Return a term whose third teacher depends on its batch, and is outvoted."""
    return RankingDistillation([order, order, 'grad_norm'], MarginPairSampler('hamming', 1),
                               schedule=ALWAYS)


CASES = {
    'landmarks': lambda loader: SPOS([landmarks()], evolution=SMALL, held_out=HeldOut(loader)),
    'fair, distilled': lambda loader: SPOS(
        [distillation(), EqualCostControl(2, schedule=ALWAYS)], sampler=FairSampler,
        evolution=SMALL, metric='val_acc', held_out=HeldOut(loader)),
    'NAO': lambda loader: NAO(pool=4, proposals=4, warmup=1, refit_every=1,
                              controller=functools.partial(NAOController, steps=20)),
    'GDAS': lambda loader: GDAS([landmarks()], arc_learning_rate=0.1, held_out=HeldOut(loader)),
    'DARTS': lambda loader: DARTS(arc_learning_rate=0.1, held_out=HeldOut(loader)),
    'own paths': lambda loader: SPOS(evolution=SMALL, same_paths=False),
    'own paths, split': lambda loader: SPOS([landmarks()], evolution=SMALL, same_paths=False),
}


def train(name, processes, *, epochs=EPOCHS, **settings):
    """Train by so many processes; return what this one has in the end."""
    rank = int(os.environ.get('LOCAL_RANK', '0'))
    strategy = CASES[name](held_out(rank, processes))
    strategy.truth = TRUTH
    vars(strategy).update(settings)
    trainer = Trainer(
        accelerator='cpu', devices=processes, strategy='ddp' if processes > 1 else 'auto',
        max_epochs=epochs, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0)
    evaluator = Lightning(
        Module(optimizer=torch.optim.SGD, learning_rate=RATE, num_classes=3), trainer,
        loader(processes), DataLoader(data(1), batch_size=BATCH // processes))
    trained = strategy.train(make_space(), evaluator)
    module = trained.module
    return {'weights': module.state_dict(), 'history': module.history, 'rank': rank,
            'best': [dict(one) for one in trained.best(9)],
            'scores': [one.score for one in trained.best(9)],
            'held_out': getattr(getattr(module.loaders.ranking, 'dataset', None), 'indices', []),
            'teacher': [one.state_dict().get('batch') for one in module.terms]}


def main(folder):
    """Train all cases, one also in two parts; leave the results of this process in a folder."""
    logging.getLogger('pytorch_lightning').setLevel(logging.ERROR)
    torch.set_num_threads(1)
    results = {name: train(name, 2) for name in CASES}
    for epochs in (1, EPOCHS):
        results['resumed'] = train('own paths, split', 2, epochs=epochs,
                                   checkpoint_folder=folder / 'checkpoint')
    torch.save(results, folder / f'{os.environ["LOCAL_RANK"]}.pt')


if __name__ == '__main__':
    main(Path(sys.argv[1]))


@pytest.fixture(scope='module')
def both(tmp_path_factory):
    """Return the results of two processes."""
    folder = tmp_path_factory.mktemp('ddp')
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': '',
                   'PL_GLOBAL_SEED': '0'}       # that of `loader`, whatever other tests have set
    with open(folder / 'output', 'w') as output:
        script = subprocess.Popen([sys.executable, '-W', 'ignore', __file__, str(folder)],
                                  cwd=folder, env=environment, stdout=output, stderr=output,
                                  start_new_session=True)
    try:
        status = script.wait(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(script.pid, signal.SIGKILL)                # both of them
        status = script.wait()
    assert status == 0, (folder / 'output').read_text()[-3000:]
    return [torch.load(folder / f'{rank}.pt', weights_only=False) for rank in range(2)]


def assert_equal(weights, others, **tolerance):
    assert weights.keys() == others.keys()
    for name in weights:
        torch.testing.assert_close(weights[name], others[name], msg=name, **tolerance)


@pytest.mark.parametrize('name', [*CASES, 'resumed'])
def test_processes_agree(both, name):
    """On the weights, to the last bit, on each measured ranking, and on the best."""
    first, second = (results[name] for results in both)
    assert (first['rank'], second['rank']) == (0, 1)
    assert_equal(first['weights'], second['weights'], rtol=0, atol=0)
    assert all('kendall_tau' in epoch for epoch in first['history'])
    for key, count in (('history', EPOCHS), ('best', 9), ('scores', 9)):
        assert first[key] == second[key] and len(first[key]) >= min(count, 4), key
    torch.testing.assert_close(first['teacher'], second['teacher'], rtol=0, atol=0)


def test_interrupted_training_goes_on(both):
    for results in both:
        assert_equal(results['resumed']['weights'], results['own paths, split']['weights'],
                     rtol=0, atol=0)


@pytest.mark.parametrize('name', [name for name in CASES if 'own paths' not in name])
def test_same_paths_are_one_process_with_all_batches(both, name):
    one, two = train(name, 1), both[0][name]
    assert_equal(one['weights'], two['weights'], rtol=1e-4, atol=1e-5)
    assert one['best'] == two['best']
    assert one['scores'] == pytest.approx(two['scores'], rel=1e-4)
    for epoch, other in zip(one['history'], two['history']):
        assert epoch == pytest.approx(other, rel=1e-4)


def test_own_paths_against_a_plain_loop(both):
    """Two architectures in each step and in each validation batch, every one with its half."""
    space, (images, labels) = make_space(), data(0).tensors
    sampler = UniformSampler(space, seed=0)
    optimizer = torch.optim.SGD(space.parameters(), RATE)
    for epoch in range(EPOCHS):
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(epoch))
        for batch in order.split(BATCH):
            losses = []
            for rank in range(2):
                sample, outputs = sampler.sample(), images[batch[rank::2]]
                for label in 'abc':
                    outputs = getattr(space, label)[sample[label]](outputs)
                losses.append(F.cross_entropy(space.head(outputs), labels[batch[rank::2]]))
            optimizer.zero_grad()
            torch.stack(losses).mean().backward()
            optimizer.step()
        for _ in range(2 * STEPS):                           # of the validation
            sampler.sample()
    weights = both[0]['own paths']['weights']
    expected = [value for _, value in sorted(space.state_dict().items())]
    for value, (_, other) in zip(expected, sorted(weights.items())):
        torch.testing.assert_close(value, other, rtol=1e-4, atol=1e-5)


def test_halves_of_the_data(both):
    parts = [results['own paths, split']['held_out'] for results in both]
    assert [len(part) for part in parts] == [STEPS * BATCH // 4] * 2
    assert not set(parts[0]) & set(parts[1])


@pytest.mark.parametrize('strategy', ['ddp_spawn', 'ddp_fork', 'fsdp'])
def test_other_distributed_trainings_are_refused(strategy):
    if strategy == 'fsdp':
        trainer = pl.Trainer(accelerator='cpu', logger=False)
        trainer._accelerator_connector.strategy = FakeStrategy()
    else:
        trainer = pl.Trainer(accelerator='cpu', devices=2, strategy=strategy, logger=False)
    with pytest.raises(ValueError, match="Expected a trainer with strategy='ddp' in a script"):
        prepare_distributed(trainer)


class FakeStrategy:
    """Divides the weights; the real one needs accelerators."""

    world_size, global_rank = 2, 0


def test_a_single_process_is_left_alone():
    trainer = pl.Trainer(accelerator='cpu', logger=False)
    assert prepare_distributed(trainer) == {'rank': 0, 'processes': 1}
