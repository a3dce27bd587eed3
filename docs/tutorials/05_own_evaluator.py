"""
An evaluator of your own: any loss, any metric
==============================================

A training is a Lightning module of NNI; its loss, its optimiser and its metric are yours. The
networks of this page remove noise from small images. The target is an image; the metric is an
error, so less is better.
"""

# %%
# **The training.** ``self(images)`` calls the network: the *super-net*, which contains all
# architectures, or one architecture that is trained *stand-alone*. A value that
# ``validation_step`` logs can be the score of a super-net. ``nni.report_final_result`` gives the
# result of a stand-alone training. ``nni.trace`` lets trials in other processes make a data set
# again.
import nni
import torch
from nni.nas.evaluator.pytorch import DataLoader, Lightning, LightningModule, Trainer
from torch import nn
from torch.utils.data import TensorDataset

from nni_rankreg.data import Digits


@nni.trace
def noisy_digits(split):
    clean = Digits(split).images[:, :1]
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return TensorDataset(clean + 0.6 * noise, clean)


@nni.trace
class Denoising(LightningModule):
    def forward(self, images):
        return self.model(images)

    def training_step(self, batch, batch_idx):
        noisy, clean = batch
        return nn.functional.smooth_l1_loss(self(noisy), clean)

    def validation_step(self, batch, batch_idx):
        noisy, clean = batch
        self.log('val_error', nn.functional.l1_loss(self(noisy), clean))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 0.005)

    def on_fit_end(self):
        nni.report_final_result(self.trainer.callback_metrics['val_error'].item())


def training(epochs):
    trainer = Trainer(max_epochs=epochs, logger=False, enable_checkpointing=False,
                      enable_progress_bar=False)
    return Lightning(Denoising(), trainer, DataLoader(noisy_digits('train'), 64, shuffle=True),
                     DataLoader(noisy_digits('validation'), 300))


# %%
# **The space**: three layers, each with one of four kernels, and one of two activations.
from nni.nas.nn import pytorch as nas


class Denoiser(nas.ModelSpace):
    def __init__(self):
        super().__init__()
        one, two, three = (nas.LayerChoice({
            f'{size}x{size}': nn.Conv2d(12, 12, size, padding=size // 2)
            for size in (1, 3, 5, 7)}, label=f'layer{index}') for index in range(3))
        act = nas.LayerChoice({'relu': nn.ReLU(), 'tanh': nn.Tanh()}, label='activation')
        self.layers = nn.Sequential(nn.Conv2d(1, 12, 1), one, act, two, act, three, act,
                                    nn.Conv2d(12, 1, 1))

    def forward(self, images):
        return images + self.layers(images)


# %%
# **The search** has ``mode='min'`` twice: for the super-net's score, and for the results.
from pathlib import Path
from tempfile import mkdtemp

from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig

from nni_rankreg.regularizer import LandmarkRegularizer
from nni_rankreg.strategy import SPOS, LandmarkSearch, Landmarks

search = LandmarkSearch(
    SPOS([LandmarkRegularizer(weight=10., pairs=4)], metric='val_error', mode='min', seed=0),
    training(epochs=15), mode='min', iterations=1, landmarks=Landmarks(5, random=2), top=2,
    archive=Path(mkdtemp(), 'search.sqlite'), seed=0)
experiment = NasExperiment(Denoiser(), training(epochs=4), search,
                           NasExperimentConfig('sequential', 'simplified', 'local'))
experiment.run()
for model in experiment.export_top_models(3):
    print(f'{model.metric:.4f}', model.sample)

# %%
# **What the best network does**: noisy images, what it makes of them, images without noise.
import matplotlib.pyplot as plt

network = Denoiser().freeze(search.archive.best(1).samples[0])
training(epochs=15).evaluate(network)
noisy, clean = noisy_digits('validation')[:10]
figure, axes = plt.subplots(3, figsize=(8, 3), layout='constrained')
for axis, images in zip(axes, (noisy, network(noisy).detach(), clean)):
    axis.imshow(torch.cat(list(images[:, 0]), 1), cmap='gray', vmin=clean.min(), vmax=clean.max())
    axis.set_axis_off()
plt.show()
