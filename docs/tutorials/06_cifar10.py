"""
CIFAR-10, or other small images
===============================

A search for cells of NAS-Bench-201 on images of 32 by 32 pixels, read from the files of CIFAR-10.
"""

# %%
# **The files.** Your folder holds ``cifar-10-batches-py``, as torchvision unpacks it, or
# ``cifar10/`` with montages, each of 2,000 images. This page needs no download: it writes a montage
# of made-up images, stripes whose direction is the class. For real images add a last line to this
# cell: ``data = Path('folder')``, the folder that holds ``cifar-10-batches-py``.
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
from PIL import Image

data, random = Path(mkdtemp()), np.random.default_rng(0)
labels = random.integers(10, size=2000)
phase, period, brightness = random.uniform(1, 2, (3, 2000, 1, 1))
y, x = np.mgrid[:32, :32]
angle = labels[:, None, None] * np.pi / 10
wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) / (3 * period) + 6 * phase)
grey = 128 + 50 * brightness * wave + random.normal(0, 60, wave.shape)
tiles = grey[..., None] * random.uniform(0.5, 1, (2000, 1, 1, 3))
montage = tiles.clip(0, 255).astype(np.uint8).reshape(40, 50, 32, 32, 3)
montage = montage.transpose(0, 2, 1, 3, 4).reshape(40 * 32, 50 * 32, 3)
(data / 'cifar10').mkdir()
Image.fromarray(montage).save(data / 'cifar10' / 'train_00.webp', lossless=True, method=0)
np.save(data / 'cifar10' / 'train_y.npy', labels)

import matplotlib.pyplot as plt

figure, axis = plt.subplots(figsize=(7, 2.2), layout='constrained')
axis.imshow(montage[:3 * 32, :10 * 32])
axis.set_axis_off()
plt.show()

# %%
# **The loaders** cut and augment whole batches in memory. This page takes images of 16 by 16
# pixels; ``pixels=32`` keeps all. Of the real files take 45,000 images to train, and 5,000 to
# compare architectures: ``images(0, 45000, padding=4)`` and ``images(45000, 5000)``.
import nni

from nni_rankreg.data import ImageTensors, image_loader
from nni_rankreg.data.cifar10 import load_cifar10


@nni.trace
def images(start, count, padding=0):
    return ImageTensors(*load_cifar10(data, start, count, pixels=16), padding=padding)


train = image_loader(images(0, 800, padding=2), 64, shuffle=True)
validation = image_loader(images(1000, 500), 500)

# %%
# **The search** trains six cells *stand-alone*, each with weights of its own: the *landmarks*.
# Then it trains the *super-net*, which contains all cells and has to keep the order of the
# landmarks. At last it trains the two best cells by the super-net's ranking, and two at random,
# which tell how good the ranking is. The paper trains 10 landmarks in each of 3 iterations, and
# super-nets for 400 epochs.
from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig

from nni_rankreg.evaluator import Classification
from nni_rankreg.regularizer import LandmarkRegularizer
from nni_rankreg.search import Evolution
from nni_rankreg.space import NasBench201, encode_nasbench201
from nni_rankreg.strategy import SPOS, LandmarkSearch, Landmarks


def training(epochs):
    return Classification(train, validation, num_classes=10, learning_rate=0.05, max_epochs=epochs,
                          enable_progress_bar=False)


search = LandmarkSearch(
    SPOS([LandmarkRegularizer(weight=10., pairs=4)], metric='val_acc', seed=0,
         evolution=Evolution(20, 40, 5, progress=False)),
    training(epochs=6), iterations=1, landmarks=Landmarks(6, random=2), top=2,
    archive=Path(mkdtemp(), 'search.sqlite'), seed=0)
space = NasBench201(stem_out_channels=8, num_modules_per_stack=1)
experiment = NasExperiment(space, training(epochs=2), search,
                           NasExperimentConfig('sequential', 'simplified', 'local'))
experiment.run()
for model in experiment.export_top_models(4):
    print(f'{model.metric:.3f}', encode_nasbench201(model.sample))

# %%
# ``examples/cifar10_search.py`` trains the best cells longer, and has all options on a command
# line. :doc:`/results/index` has what was measured on the real CIFAR-10.
