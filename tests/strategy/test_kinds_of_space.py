"""The kinds of space that NNI's own one-shot tests have, under our strategies.

NNI's are `simple`, `simple_value_choice`, `value_choice`, `repeat`, `cell` and
`multihead_attention`; the training data are drawn with replacement, as there.
"""

from __future__ import annotations

import zlib

import pytest
import torch
import torch.nn.functional as F
from nni.mutable import Categorical
from nni.nas.evaluator.pytorch import (
    Classification,
    DataLoader,
    Lightning,
    LightningModule,
    Trainer,
)
from nni.nas.nn.pytorch import (
    Cell,
    InputChoice,
    LayerChoice,
    ModelSpace,
    MutableBatchNorm2d,
    MutableConv2d,
    MutableLinear,
    MutableMultiheadAttention,
    ParametrizedModule,
    Repeat,
)
from torch import nn
from torch.utils.data import RandomSampler, TensorDataset

from nni_rankreg.host.network.subnet import extract
from nni_rankreg.regularizer import LandmarkRegularizer, RankingDistillation
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.schedule import Schedule
from nni_rankreg.strategy import DARTS, GDAS, SPOS
from nni_rankreg.typing import Results, sample_key

ALWAYS = Schedule('constant', warmup=0)

QUIET = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False,
             enable_model_summary=False, num_sanity_val_steps=0, accelerator='cpu')


class Simple(ModelSpace):
    """Layers, an input, and the width of a hidden layer."""

    def __init__(self, width=16):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3)
        self.second = LayerChoice([nn.Conv2d(4, 8, 3), nn.Sequential(
            nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 8, 1))], label='second')
        self.dropout = LayerChoice([nn.Dropout(rate) for rate in (.1, .3)], label='dropout')
        self.hidden = MutableLinear(8 * 5 * 5, width)
        self.logits = MutableLinear(width, 10)
        self.again = MutableLinear(10, 10)
        self.which = InputChoice(2, 1, label='which')

    def forward(self, x):
        x = F.max_pool2d(self.second(F.relu(self.first(x))), 2)
        x = F.relu(self.hidden(self.dropout(x).flatten(1)))
        x = self.logits(x)
        return F.log_softmax(self.which([x, self.again(x)]), 1)


class Convolutions(ModelSpace):
    """Channels and kernels with batch normalisation, layers, perhaps a depth."""

    def __init__(self, depth=None):
        super().__init__()
        channels = Categorical([4, 8], label='channels')
        kernel = Categorical([3, 5], label='kernel')
        self.first = MutableConv2d(1, channels, kernel, padding=kernel // 2)
        self.norm = MutableBatchNorm2d(channels)
        self.second = MutableConv2d(channels, 8, 3)
        self.dropout = LayerChoice([nn.Dropout(rate) for rate in (.1, .3)], label='dropout')
        self.logits = MutableLinear(8, 10)
        self.again = nn.Identity() if depth is None else Repeat(
            lambda _: nn.Sequential(nn.ReLU(), MutableLinear(10, 10)), depth)

    def forward(self, x):
        x = F.relu(self.norm(self.first(x)))
        return self.again(self.logits(self.dropout(F.relu(self.second(x)).mean((2, 3)))))


def in_channels(index, source):
    """Return the channels of a source of a cell, None in the place of any."""
    if source is None or source > 0:
        return 4
    return 6 if index == 0 else 3 * 4


class Cells(ModelSpace):
    """Cells of loose ends, one to three of them."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 5, stride=3)
        self.cells = Repeat(lambda index: Cell({
            'small': lambda _, __, source: nn.Conv2d(in_channels(index, source), 4, 1),
            'large': lambda _, __, source: nn.Conv2d(in_channels(index, source), 4, 3, padding=1),
        }, 3, merge_op='loose_end', label='cell'), Categorical([1, 3], label='depth'))
        self.logits = nn.Linear(3 * 4, 10)

    def forward(self, x):
        return self.logits(self.cells(self.stem(x)).mean((2, 3)))


class Attention(ModelSpace):
    """The width of an attention and of the layers around it."""

    def __init__(self):
        super().__init__()
        width = Categorical([8, 16], label='width')
        self.before = MutableLinear(6, width)
        self.attention = MutableMultiheadAttention(width, Categorical([2, 4], label='heads'))
        self.after = MutableLinear(width, 1)

    def forward(self, batch):
        query, key, value = map(self.before, batch)
        return self.after(self.attention(query, key, value, need_weights=False)[0])[..., 0]


class Regression(LightningModule):
    """Of sequences of three inputs."""

    def training_step(self, batch, index):
        *inputs, target = batch
        return F.mse_loss(self.model(inputs), target)

    def validation_step(self, batch, index):
        self.log('val_loss', self.training_step(batch, index))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)


KINDS = {
    'simple': Simple,
    'simple value choice': lambda: Simple(Categorical([8, 16, 32], label='width')),
    'value choice': Convolutions,
    'repeat': lambda: Convolutions(Categorical([1, 3], label='depth')),
    'cell': Cells, 'attention': Attention}
STRATEGIES = {
    'SPOS': SPOS, 'GDAS': lambda: GDAS(candidates=2),
    'DARTS': lambda: DARTS(candidates=2),
    'DARTS of second order': lambda: DARTS(candidates=2, unrolled=True, gradient_clip_val=5.)}


def loaders(tensors):
    data = TensorDataset(*tensors)
    return (DataLoader(data, 4, sampler=RandomSampler(data, replacement=True, num_samples=16)),
            DataLoader(data, 8))


def evaluator(kind):
    torch.manual_seed(0)
    if kind == 'attention':
        train, validation = loaders([*torch.randn(3, 8, 5, 6), torch.randn(8, 5)])
        return Lightning(Regression(), Trainer(max_epochs=1, **QUIET), train_dataloaders=train,
                         val_dataloaders=validation)
    train, validation = loaders([torch.randn(8, 1, 14, 14), torch.randint(10, (8,))])
    return Classification(train_dataloaders=train, val_dataloaders=validation, num_classes=10,
                          max_epochs=1, **QUIET)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('name', STRATEGIES)
def test_a_search(name, kind):
    """It trains the architecture, and exports networks of the space."""
    space = KINDS[kind]()
    simple = space.simplify()
    trained = STRATEGIES[name]().train(space, evaluator(kind))
    sample, (model,) = trained.best()[0], trained.models(1)
    assert sample.keys() == simple.keys() and KINDS[kind]().contains(sample)
    network, batch = model.executable_model(), next(iter(trained.module.loaders.validation))
    output = network(batch[:-1] if kind == 'attention' else batch[0])
    assert output.shape == ((8, 5) if kind == 'attention' else (8, 10))
    if name != 'SPOS':
        architecture = trained.module.architecture
        moved = architecture.logits.detach() - type(architecture)(KINDS[kind]()).logits.detach()
        assert (moved[architecture.used] != 0).any() and moved.isfinite().all()


class Rate(ParametrizedModule):
    """A module of the user's own, of which NNI does not know what a choice means."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate


class Own(ModelSpace):
    """A space of one such choice."""

    def __init__(self):
        super().__init__()
        self.rate = Rate(rate=Categorical([.1, .2], label='rate'))


@pytest.mark.parametrize('name', STRATEGIES)
def test_a_choice_of_a_module_of_the_users_is_refused(name):
    """As NNI's strategies do."""
    with pytest.raises(TypeError, match='Rate.*not supported.*mutation_hooks'):
        STRATEGIES[name]().train(Own(), evaluator('simple'))


def teacher(samples):
    """Return a number of each architecture that means nothing."""
    return torch.tensor([float(zlib.crc32(sample_key(one).encode())) for one in samples])


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('strategy', [GDAS, DARTS])
def test_regularizers(strategy, kind):
    """A landmark's loss is that of its path, under DARTS that of the mixture leaning to it."""
    space = KINDS[kind]()
    landmarks = UniformSampler(space, seed=1).distinct(3)
    terms = [LandmarkRegularizer(Results(landmarks, [.3, .1, .2]), schedule=ALWAYS),
             RankingDistillation(teacher, schedule=ALWAYS)]
    trained = strategy(terms, candidates=1, filter=lambda sample: sample != landmarks[0]).train(
        space, evaluator(kind))
    module = trained.module
    assert module.ranking_loss.isfinite() and trained.best()[0] != landmarks[0]
    batch = next(iter(module.loaders.training))
    torch.manual_seed(0)
    loss = module.subnet_loss(landmarks[0], batch)
    if strategy is GDAS:
        network = extract(module.model, landmarks[0]).train()
    else:
        network = module.model
        module.mixer(module.architecture.leaning(landmarks[0], 0.01))
    torch.manual_seed(0)
    *inputs, target = batch
    output = network(inputs if kind == 'attention' else inputs[0])
    expected = (F.mse_loss if kind == 'attention' else F.cross_entropy)(output, target)
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize('strategy', [GDAS, DARTS])
def test_an_experiment(strategy, run_experiment):
    """Under NNI's sequential engine, with NNI's arguments."""
    experiment = run_experiment(Convolutions(), evaluator('value choice'), strategy(
        arc_learning_rate=.01, gradient_clip_val=5., candidates=3))
    best = experiment.export_top_models(3, formatter='dict')
    assert len({sample_key(one) for one in best}) == 3
    network, = experiment.export_top_models(1, formatter='instance')
    assert network.first.kernel_size == (best[0]['kernel'],) * 2
    assert network.norm.num_features == network.first.out_channels == best[0]['channels']
