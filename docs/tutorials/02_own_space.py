"""
A space and an evaluator of your own
====================================

You have a network with choices in it, and a way to train it. Both stay as they are: the search
needs a `model space <https://nni.readthedocs.io/en/stable/nas/construct_space.html>`_ and a
Lightning evaluator, both of NNI.
"""

# %%
# **The space.** One to four blocks, each of one of three layers, all of one of three widths.
# Choices have labels; an architecture is a dictionary, label to choice.
from pathlib import Path
from tempfile import mkdtemp

import nni
from nni.nas.nn import pytorch as nas
from torch import Tensor, nn


class ConvNet(nas.ModelSpace):
    def __init__(self):
        super().__init__()
        width = nni.choice('width', [8, 16, 24])
        self.stem = nas.MutableConv2d(3, width, 3, padding=1)
        self.blocks = nas.Repeat(lambda index: nn.Sequential(nn.ReLU(), nas.LayerChoice({
            'conv': nas.MutableConv2d(width, width, 3, padding=1), 'skip': nn.Identity(),
            'pool': nn.AvgPool2d(3, 1, 1)}, label=f'layer{index}')), (1, 4), label='depth')
        self.head = nas.MutableLinear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


# %%
# **The evaluator** is any Lightning module of NNI, with any loss, hooks and optimiser. The same
# module trains the super-net, and each architecture by itself, *stand-alone*. Only the number of
# epochs differs. Wrap a data set of your own with ``nni.trace``, so that trials on other machines
# can make it again; those of the package are wrapped.
from nni.nas.evaluator.pytorch import ClassificationModule, Lightning, Trainer

from nni_rankreg.data import Digits, image_loader


@nni.trace
class Reader(ClassificationModule):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        return nn.functional.cross_entropy(self(images), labels, label_smoothing=0.1)


def training(epochs):
    trainer = Trainer(max_epochs=epochs, logger=False, enable_checkpointing=False,
                      enable_progress_bar=False, enable_model_summary=False)
    return Lightning(Reader(num_classes=10), trainer,
                     image_loader(Digits('train'), 64, shuffle=True),
                     image_loader(Digits('validation'), 300))


# %%
# **The search** trains six architectures stand-alone, the *landmarks*. Then it trains the
# super-net, which has to keep the order of the landmarks, and at last the three best by the
# super-net's ranking and two at random. A result is in the archive the moment it is known: if
# ``archive`` names a fixed path, in place of the temporary one of this page, the same program
# goes on where it was interrupted.
from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig

from nni_rankreg.regularizer import LandmarkRegularizer
from nni_rankreg.strategy import SPOS, LandmarkSearch, Landmarks

search = LandmarkSearch(
    SPOS([LandmarkRegularizer(weight=10.)], metric='val_acc', seed=0),
    supernet_evaluator=training(epochs=15), iterations=1, landmarks=Landmarks(6, random=2), top=3,
    archive=Path(mkdtemp(), 'search.sqlite'), seed=0)
config = NasExperimentConfig('sequential', 'simplified', 'local')    # in this process, one by one
experiment = NasExperiment(ConvNet(), training(epochs=5), search, config)
experiment.run()

# %%
# In place of ``'sequential'``, ``'ts'`` makes each training a trial of NNI's training service,
# with the web UI, on this machine or on others.
#
# The architectures, best first, with their stand-alone accuracies:
for model in experiment.export_top_models(5):
    print(f'{model.metric:.4f}', model.sample)

# %%
# **How far to trust the ranking.** The super-net's predictions are compared with the results of
# the random architectures only. Two give a wide interval; a larger ``Landmarks(random=...)``
# narrows it.
print(search.reliability().table().to_string())

# %%
# The archive is a SQLite file, which any later search can use as ``known`` results.
search.archive.to_frame().head()
