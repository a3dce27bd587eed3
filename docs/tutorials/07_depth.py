"""
Depth from one image: a loss as the metric
==========================================

The networks of this page see from a photo how far away things are. The space, the loss and the
recipe are those of the paper on landmarks. The metric is a loss, so less is better.
"""

# %%
# **The data** are images with the depth of each pixel, in one file or in folders; see
# `DepthImages`. This page makes up rooms: boxes stand on a floor, and a nearer box is larger and
# lower in the image. In a file of your own, a depth of 0 mm says that the pixel has no
# measurement.
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

random = np.random.default_rng(0)


def room():
    depth = np.repeat(8000 / (1 + np.arange(64) / 10), 64).reshape(64, 64)
    colour = 90 + 60 * np.repeat(np.arange(64) / 64, 64 * 3).reshape(64, 64, 3)
    for foot in np.sort(random.integers(15, 63, size=3)):       # the farthest first
        left, size = random.integers(0, 50), foot // 3 + 4
        box = slice(foot - min(size, foot), foot), slice(left, left + size)
        depth[box], colour[box] = depth[foot, 0], random.integers(40, 255, size=3)
    return colour + random.normal(0, 8, colour.shape), depth


folder = Path(mkdtemp())
arrays = {}
for split, count in (('train', 96), ('val', 32)):
    colours, depths = map(np.stack, zip(*(room() for _ in range(count))))
    arrays[f'{split}_rgb'] = colours.clip(0, 255).astype(np.uint8)
    arrays[f'{split}_depth_mm'] = depths.astype(np.uint16)
np.savez(folder / 'rgbd.npz', **arrays)

# %%
# **The search** chooses among 3,125 decoders, which merge the features of a backbone. It trains
# three decoders *stand-alone* as *landmarks*, then a *super-net* that has to keep their order,
# then the best decoder by the super-net's ranking and one at random. ``mode='min'`` stands at
# both places where a metric comes in. For photos take ``DepthDecoder(..., weights='DEFAULT')``,
# trained weights of the backbone, and the 300 epochs of the paper.
from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig

from nni_rankreg.data import DepthImages, image_loader
from nni_rankreg.evaluator import DepthEvaluator
from nni_rankreg.regularizer import LandmarkRegularizer
from nni_rankreg.search import Evolution
from nni_rankreg.space import DepthDecoder, encode_depth
from nni_rankreg.strategy import SPOS, LandmarkSearch, Landmarks

train, val = (DepthImages(folder / 'rgbd.npz', split, size=(64, 64)) for split in ('train', 'val'))


def training(epochs):
    return DepthEvaluator(image_loader(train, 8, shuffle=True), image_loader(val, 32),
                          learning_rate=1e-3, backbone_learning_rate=1e-3, max_epochs=epochs,
                          enable_progress_bar=False)


search = LandmarkSearch(
    SPOS([LandmarkRegularizer(weight=10.)], mode='min', seed=0,
         evolution=Evolution(10, 20, 5, progress=False)),
    training(epochs=3), mode='min', iterations=1, landmarks=Landmarks(3, random=1), top=1,
    archive=folder / 'search.sqlite', seed=0)
space = DepthDecoder(backbone='shufflenet_v2_x0_5', channels=16, non_negative=False)
experiment = NasExperiment(space, training(epochs=2), search,
                           NasExperimentConfig('sequential', 'simplified', 'local'))
experiment.run()
for model in experiment.export_top_models(3):
    print(f'{model.metric:.4f}', encode_depth(model.sample))

# %%
# **What the best decoder sees**, after ten epochs. Near is bright. The depths of such networks
# have no unit, so each predicted map is fitted to the true map first.
import matplotlib.pyplot as plt

from nni_rankreg.report import depth_maps

network = space.freeze(search.archive.best(1).samples[0])
training(epochs=10).evaluate(network)
inputs, truth = val.__getitems__(range(3))
depth_maps(folder / 'maps.png', arrays['val_rgb'][:3], truth,
           {'predicted': network.eval()(inputs).detach()})
figure, axis = plt.subplots(figsize=(6, 5), layout='constrained')
axis.imshow(plt.imread(folder / 'maps.png'))
axis.set_axis_off()
plt.show()
