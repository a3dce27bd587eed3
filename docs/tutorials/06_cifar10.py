"""
CIFAR-10, or other small images
===============================

A search for cells of NAS-Bench-201 on images of 32 by 32 pixels, read from the files of CIFAR-10.
"""

# %%
# **The files.** Your folder holds ``cifar-10-batches-py``, as torchvision unpacks it, or
# ``cifar10/`` with montages, each of 2,000 images. This page is built without a download: it writes
# such a montage of made-up images, stripes whose direction is the class. For the real ones put
# ``data = Path('folder')`` in place of this cell; the rest stays.
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

# %%
# **The loaders** cut and augment whole batches in memory. Half the pixels are enough for this page;
# 32 are all. With the real files take 45,000 images to train and 5,000 to compare architectures.
import nni

from nni_rankreg.data import ImageTensors, image_loader
from nni_rankreg.data.cifar10 import load_cifar10


@nni.trace
def images(start, count, padding=0):
    return ImageTensors(*load_cifar10(data, start, count, pixels=16), padding=padding)


train = image_loader(images(0, 800, padding=2), 64, shuffle=True)
validation = image_loader(images(1000, 500), 500)

import matplotlib.pyplot as plt

figure, axis = plt.subplots(figsize=(7, 2.2), layout='constrained')
axis.imshow(montage[:3 * 32, :10 * 32])
axis.set_axis_off()
plt.show()

# %%
# **The search** trains eight cells stand-alone, two of them drawn at random to tell how good the
# ranking is; then a super-net, with the order of the others; then the two best by its ranking.
# The paper trains 10 landmarks in each of 3 iterations, and super-nets for 400 epochs.
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
# Longer trainings of the best, and all options on a command line, are in
# ``examples/cifar10_search.py``. What was measured on the real CIFAR-10 is on the page of results.
