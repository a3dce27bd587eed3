"""Which proxies rank the ResNet48 space? Challenge codes with their ImageNet accuracies.

Two truths of ``resnet48_track1.npz`` (CVPR 2022 NAS challenge, track 1), and they are not equal:

* ``stand-alone``: 30 codes trained on their own, accuracy on 2,500 images, standard error 0.9
  points at a spread of 1.2: no proxy can reach a tau near 1, and intervals are wide;
* ``super-net``: 44,051 codes with the weights of another team's super-net, on about 2,112 images;
  its tau with the 30 is 0.52. A high value may mean that a proxy shares the super-net's bias.

params, macs and depth are exact, for 224 pixels, on all codes. The other proxies are computed at
initial weights on ``--pixels`` (64) and on images of CIFAR-10 scaled up, as ImageNet is not here:
neither the resolution nor the images are those of the truth. They cover the 30 codes and
``--count`` others. Scores are kept in an archive, so that an interrupted benchmark continues.

    python benchmarks/resnet48_proxies.py --data ../shared/data
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jsonargparse import CLI
from quiet import quiet
from stored import read, stored

from nni_rankreg.archive import Archive
from nni_rankreg.data.cifar10 import load_cifar10
from nni_rankreg.metric import bootstrap_interval, kendall_tau, spearman
from nni_rankreg.proxy import ProxyScorer
from nni_rankreg.report import markdown_table
from nni_rankreg.space import ResNet48, decode_resnet48
from nni_rankreg.typing import Sample

FILE = 'resnet48_proxies.json'
NAMES = ['synflow', 'naswot', 'zen', 'snip', 'grad_norm', 'l2_norm']


def depth(sample: Sample) -> int:
    return sum(choice for label, choice in sample.items() if label.endswith('depth'))


def correlations(scores: np.ndarray, stand_alone: np.ndarray, supernet: np.ndarray
                 ) -> dict[str, list[float]]:
    """Return both rank correlations of a proxy; the first 30 scores are of the 30 codes."""
    supernet = supernet[:len(scores)]
    known = np.isfinite(supernet) & np.isfinite(scores)
    return {truth: [len(left), kendall_tau(left, right),
                    *bootstrap_interval(kendall_tau, left, right, resamples=100),
                    spearman(left, right)]
            for truth, left, right in (('stand-alone', scores[:30], stand_alone),
                                       ('super-net', scores[known], supernet[known]))}


def report(file: Path) -> str:
    """Return the results in a file, as Markdown."""
    rows = [[name, *(cell for count, tau, low, high, rho in truths.values() for cell in (
        count, f'{tau:+.3f} ({low:+.3f} .. {high:+.3f})', f'{rho:+.3f}'))]
        for name, truths in read(file).items()]
    return markdown_table(['proxy', *(title for truth in ('stand-alone', 'super-net')
                                      for title in ('codes', f'tau-b, {truth}', 'Spearman'))], rows)


def main(data: Path, out: Path = Path('benchmarks/results'), names: list[str] = NAMES,
         cache: Path = Path('runs/resnet48_proxies'), count: int = 70, pixels: int = 64,
         batch_size: int = 16, seed: int = 0) -> None:
    """Measure what is missing and print the results.

    Parameters
    ----------
    data
        folder with resnet48_track1.npz and cifar10/
    out
        folder of the results
    names
        proxies that need a network
    cache
        folder of the archive of scores
    count
        codes besides the 30 on which these are computed
    pixels
        side of the images of these
    batch_size
        images of these
    seed
        of the initial weights, of the images and of the choice of codes
    """
    torch.set_num_threads(1)
    with np.load(data / 'resnet48_track1.npz', allow_pickle=False) as table:
        codes, supernet = table['arch'].tolist(), table['supernet_acc'].astype(float)
        indices, stand_alone = table['gt30_index'], table['gt30_acc'].astype(float)
    others = np.setdiff1d(np.arange(len(codes)), indices)
    order = np.concatenate([indices, np.random.default_rng(seed).permutation(others)])
    samples, supernet = [decode_resnet48(codes[index].decode()) for index in order], supernet[order]
    space = ResNet48()
    costs = np.array([[*space.cost(sample), depth(sample)] for sample in samples], dtype=float)
    for name, scores in zip(('params', 'multiply-accumulates', 'depth'), costs.T):
        stored(out / FILE, name, lambda: correlations(scores, stand_alone, supernet))
    images, labels = load_cifar10(data, 32 * seed, batch_size, 32)
    images = torch.nn.functional.interpolate(images, size=pixels, mode='bilinear')
    archive = Archive(cache / 'scores.sqlite')
    for name in names:
        scorer = ProxyScorer(name, space, (images, labels), seed=seed, cache=archive, progress=True)
        stored(out / FILE, name, lambda: correlations(
            scorer(samples[:30 + count]).numpy(), stand_alone, supernet))
    print(f'{pixels} pixels, batch of {batch_size}, seed {seed}')
    print(report(out / FILE), flush=True)


if __name__ == '__main__':
    quiet()
    CLI(main, as_positional=False)
