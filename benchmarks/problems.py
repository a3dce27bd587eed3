"""Tables to search, each with the evidence that is known of its architectures.

* ``c100``, ``c10``: NAS-Bench-201, 15,625 cells, NATS-Bench's 200-epoch test accuracy, mean over
  seeds; evidence are published scores of synflow, naswot and jacov (704 cells have none and get the
  median), FLOPs and parameters. ``c100-half``, ``c10-half``: the 7,984 cells with at most the
  median of parameters, where size tells little.
* ``nb101``: 151,644 cells of NAS-Bench-101, validation accuracy; parameters.
* ``darts``: 1,000 random cells of DARTS, CIFAR-10 validation accuracy of one training; the five
  proxies, which we compute on a network of 5 cells and 8 channels.
* ``digits``: the 300 cells of NAS-Bench-201 of the shipped table, mean of three trainings; the same
  proxies, on the network of the table and images of its training set.
* ``resnet48``: 44,051 codes, ImageNet accuracy by another team's super-net, which is no stand-alone
  training; parameters, multiply-accumulates and depth.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import acenas_arms as arms
import numpy as np
import torch
from resnet48_proxies import depth

from nni_rankreg.ablation.evidence import median_if_missing
from nni_rankreg.archive import Archive
from nni_rankreg.data import Digits
from nni_rankreg.data.cifar10 import load_cifar10
from nni_rankreg.evaluator.digits import digits_space
from nni_rankreg.predictor import Description, Evidence, default_encoder
from nni_rankreg.predictor.evidence import PROXIES
from nni_rankreg.space import (
    DARTSSpace,
    Genotype,
    ResNet48,
    canonical_form,
    decode_nds,
    decode_resnet48,
)
from nni_rankreg.table.digits import digits as digits_table
from nni_rankreg.typing import Sample, Scorer, Space

SCORES = Path('runs/problems/scores.sqlite')   # of the proxies that we compute


class Known(NamedTuple):
    """What a file tells of architectures: what each computes, and the scores of the evidence."""

    table: arms.Table
    forms: np.ndarray
    scores: dict[str, np.ndarray]


class Problem(NamedTuple):
    """A table to search."""

    table: arms.Table
    candidates: list[Sample]
    evidence: Evidence
    description: Description
    operations: Description


@cache
def problem(experiment: str, data: Path) -> Problem:
    """Return the table of an experiment, of functional twins the first."""
    name, _, half = experiment.partition('-')
    table, forms, scores = KNOWN[name](data)
    kept = np.arange(len(forms))
    if half:
        kept = np.flatnonzero(scores['params'] <= np.median(scores['params']))
    _, first = np.unique(forms[kept], return_index=True)
    candidates = [{'row': int(row)} for row in np.sort(kept[first])]
    evidence = Evidence({}, scorers={name: column(values) for name, values in scores.items()},
                        reference=candidates)
    reference = [candidates[row] for row in
                 np.random.default_rng(0).permutation(len(candidates))[:1000]]
    return Problem(table, candidates, evidence,
                   Description({}, evidence=evidence, encoder=table, reference=reference),
                   Description({}, encoder=arms.Flat(table), reference=reference))


def column(values: np.ndarray) -> Scorer:
    return lambda samples: torch.from_numpy(
        values[[sample['row'] for sample in samples]].astype(np.float64))


def nasbench201(data: Path, dataset: str) -> Known:
    metric = f'test_{dataset}_200'
    with (np.load(data / 'nb201.npz', allow_pickle=False) as cells,
          np.load(data / 'zc_nb201_cifar10_full.npz', allow_pickle=False) as proxies):
        scores = {**{name: median_if_missing(proxies[name])
                     for name in ('synflow', 'naswot', 'jacov')},
                  'flops': cells['flops_c10'], 'params': cells['params_c10']}
        return Known(arms.nasbench201(data, Path(), metric, metric, 'none'), cells['canonical'],
                     scores)


def nasbench101(data: Path) -> Known:
    with np.load(data / 'nb101_weightsharing.npz', allow_pickle=False) as file:
        return Known(arms.nasbench101(data, 'none', uniform=False), file['hash'],
                     {'params': file['params']})


def darts(data: Path) -> Known:
    space = DARTSSpace(8, 5, 'cifar')
    with np.load(data / 'darts_swap1000.npz', allow_pickle=False) as file:
        names = [name.decode() for name in file['ops'].tolist()]
        cells = [tuple((names[operation], source) for operation, source in cell)
                 for cell in file['normal'].tolist()]     # the reduction cells are the same
        accuracy = file['val_acc'].astype(np.float64)
    nodes = (2, 3, 4, 5)
    samples = [decode_nds(Genotype(cell, nodes, cell, nodes), DARTSSpace) for cell in cells]
    return computed(space, samples, accuracy, load_cifar10(data, 0, 32, 32))


def digits(data: Path) -> Known:
    table, images = digits_table(), Digits('train')
    return computed(digits_space(), table.samples, np.array(table.metrics),
                    (images.images[:64], images.labels[:64]))


def resnet48(data: Path) -> Known:
    space = ResNet48()
    with np.load(data / 'resnet48_track1.npz', allow_pickle=False) as file:
        known = np.isfinite(file['supernet_acc'])
        codes = file['arch'][known]
        accuracy = file['supernet_acc'][known].astype(np.float64)
    samples = [decode_resnet48(code.decode()) for code in codes.tolist()]
    costs = np.array([[*space.cost(sample), depth(sample)] for sample in samples], dtype=float)
    return Known(of_space(space, samples, accuracy), codes,
                 dict(zip(('params', 'multiply-accumulates', 'depth'), costs.T)))


def computed(space: Space, samples: list[Sample], metric: np.ndarray,
             batch: tuple[torch.Tensor, torch.Tensor]) -> Known:
    """Return a table whose evidence are the default proxies, computed on a batch."""
    SCORES.parent.mkdir(parents=True, exist_ok=True)
    evidence = Evidence(space, batch, PROXIES, reference=samples, cache=Archive(SCORES))
    form = canonical_form(space)
    return Known(of_space(space, samples, metric), np.array([form(sample) for sample in samples]),
                 dict(zip(PROXIES, evidence.ranks(samples).numpy().T)))


def of_space(space: Space, samples: list[Sample], metric: np.ndarray) -> arms.Table:
    """Return the table of architectures of an NNI space, without weak labels."""
    encoder = default_encoder(space)
    return arms.Table(encoder(samples), metric, metric, np.arange(0), {}, encoder.node_features)


KNOWN = {'c100': lambda data: nasbench201(data, 'c100'),
         'c10': lambda data: nasbench201(data, 'c10'),
         'nb101': nasbench101, 'darts': darts, 'digits': digits, 'resnet48': resnet48}
