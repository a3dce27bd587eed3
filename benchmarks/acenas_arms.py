"""Tables, weak labels and rivals of `acenas_tables`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import lightgbm
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from nni_rankreg.archive import Archive
from nni_rankreg.data.cifar10 import load_cifar10
from nni_rankreg.loss import LambdaRankLoss, MeanSquaredLoss, RankNetLoss
from nni_rankreg.metric import relevance
from nni_rankreg.plan import StandAlone
from nni_rankreg.predictor import (
    Graphs,
    NasBench101Encoder,
    NasBench201Encoder,
    NodeFeatures,
    Prediction,
    Ranker,
    standardize,
)
from nni_rankreg.predictor.graph import one_hot
from nni_rankreg.proxy import ProxyScorer
from nni_rankreg.search import Evolution
from nni_rankreg.space import NasBench201, decode_nasbench201
from nni_rankreg.strategy import AceNAS, CandidatePool, Rounds
from nni_rankreg.typing import Sample, sample_key

PROXIES = ('synflow', 'naswot')
TOP, WEAK = 10, 4000


def published(budget: int) -> Rounds:
    """Return the schedule of the paper."""
    return Rounds.as_published(budget)


def greedy(budget: int) -> Rounds:
    """Return ten rounds without random draws after the first."""
    tenth = max(2, budget // 10)
    return Rounds(tenth, tenth, share=1., spread=0., top=TOP)



@dataclass
class Table:
    """Architectures as graphs, what a search sees of them, what is reported, and weak labels.

    An architecture is named by its row, ``{'row': 7}``; the strategy does not mind.
    """

    graphs: Graphs
    metric: np.ndarray
    test: np.ndarray
    weak_rows: np.ndarray
    weak: dict[str, np.ndarray]
    node_features: NodeFeatures

    def __call__(self, samples: Sequence[Sample]) -> Graphs:
        return self.graphs.rows(torch.tensor([sample['row'] for sample in samples]))

    @property
    def samples(self) -> list[Sample]:
        return [{'row': row} for row in range(self.graphs.size)]


def nasbench201(data: Path, out: Path, metric: str, test: str, pretraining: str) -> Table:
    with np.load(data / 'nb201.npz', allow_pickle=False) as file:
        columns = {name: file[name] for name in file.files}
    samples = [decode_nasbench201(arch.decode()) for arch in columns['arch']]
    rows = np.arange(len(samples))
    size = {'flops': columns['flops_c10'], 'params': columns['params_c10']}
    weak: dict[str, np.ndarray] = {'none': {}, 'size': size}.get(
        pretraining, {'accuracy': columns['oneshot_acc_c10'], **size})
    if pretraining == 'proxies':
        rows = np.sort(np.random.default_rng(0).permutation(len(samples))[:WEAK])
        weak = {name: values[rows] for name, values in weak.items()}
        weak.update(proxy_labels(data, out, [samples[row] for row in rows]))
        # Where nothing connects input and output there is no synflow.
        finite = np.isfinite(np.stack(list(weak.values()))).all(axis=0)
        rows, weak = rows[finite], {name: values[finite] for name, values in weak.items()}
    encoder = NasBench201Encoder()
    return Table(encoder(samples), columns[metric], columns[test], rows, weak,
                 encoder.node_features)


def proxy_labels(data: Path, out: Path, samples: Sequence[Sample]) -> dict[str, np.ndarray]:
    """Return zero-cost proxies, kept in an archive: full-size networks, a batch of CIFAR-10."""
    batch = load_cifar10(data, 0, 32, 32)
    cache = Archive(out / 'proxies.sqlite')
    return {name: ProxyScorer(name, NasBench201(16, 5, 10), batch, cache=cache, progress=True)(
        samples).numpy() for name in PROXIES}


def nasbench101(data: Path, pretraining: str, *, uniform: bool) -> Table:
    """Return the cells; those drawn uniformly only if `uniform`, as the rest is no random part."""
    with np.load(data / 'nb101_weightsharing.npz', allow_pickle=False) as file:
        whole = file['run_space'] == b'full'
        runs = whole & (file['run_strategy'] == b'baseline_ft_bn')
        drawn = np.unique(file['run_arch_index'][whole])
        kept = drawn if uniform else np.arange(len(file['hash']))
        place = np.full(len(file['hash']), -1)
        place[kept] = np.arange(len(kept))
        rows = place[file['run_arch_index'][runs].ravel()]
        accuracy = file['run_proxy_val_acc'][runs].ravel()
        params = file['params'][kept]
        metric, test = (100 * file[f'final_{part}_accuracy'][kept].mean(axis=1)
                        for part in ('validation', 'test'))
        adjacency, ops = file['adj'][kept], file['ops'][kept]
    weak: dict[str, np.ndarray] = {'none': {}, 'size': {'params': params[rows]}}.get(
        pretraining, {'accuracy': accuracy, 'params': params[rows]})
    return Table(cells(adjacency, ops), metric, test, rows, weak,
                 NasBench101Encoder().node_features)


def cells(adjacency: np.ndarray, ops: np.ndarray) -> Graphs:
    """Return the graphs that `NasBench101Encoder` makes, without a detour through samples."""
    tags = np.select([ops == -1, ops == -2], [0, 1], ops + 2)
    mask = torch.from_numpy(ops != -9)
    features = one_hot(torch.from_numpy(tags).long().clamp(min=0), 5, mask)
    return Graphs(features[:, None], torch.from_numpy(adjacency).float()[:, None], mask[:, None],
                  torch.zeros(len(ops), 0))


def brp_loss(scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Return the loss of BRP-NAS: which of two is better, as soft as their metrics are close."""
    pairs = mask[:, :, None] & mask[:, None, :]
    differences = (values[:, :, None] - values[:, None, :] for values in (scores, targets))
    given, wanted = (values[pairs] for values in differences)
    return binary_cross_entropy_with_logits(given, wanted.sigmoid())


class Method(NamedTuple):
    """A search by the predictor: attributes of the ranker, and rounds of the strategy."""

    ranker: dict[str, Any] = {}
    rounds: Callable[[int], Rounds] = published


METHODS = {
    'LambdaRank': Method(),
    'greedy': Method(rounds=greedy),
    'relevance to 20': Method(dict(target=relevance)),
    'published': Method(dict(loss=LambdaRankLoss(positions='published'), target=relevance)),
    'RankNet': Method(dict(loss=RankNetLoss(), target=standardize)),
    'MSE': Method(dict(loss=MeanSquaredLoss(), target=standardize)),
    'BRP': Method(dict(loss=brp_loss, target=lambda metric: metric))}


class LightGBM:
    """LambdaRank on boosted trees over the adjacency and the operations; as a `Ranker`."""

    def __init__(self, table: Table, seed: int):
        self.table = table
        self.model = lightgbm.LGBMRanker(
            n_estimators=100, min_child_samples=2, num_leaves=8, label_gain=[
                2. ** gain - 1 for gain in range(21)], random_state=seed, n_jobs=1, verbose=-1)

    def _features(self, samples: Sequence[Sample]) -> np.ndarray:
        graphs = self.table(samples)
        return torch.cat([graphs.features.flatten(1), graphs.edges.flatten(1)], dim=1).numpy()

    def fit(self, samples: Sequence[Sample], metric: Sequence[float]) -> LightGBM:
        labels = relevance(metric).round().astype(int)
        self.model.fit(self._features(samples), labels, group=[len(samples)])
        return self

    def predict(self, samples: Sequence[Sample]) -> Prediction:
        mean = torch.from_numpy(self.model.predict(self._features(samples)))
        return Prediction(mean, torch.zeros_like(mean))


def acenas(table: Table, ranker: Callable[[Any], Any], budget: int, seed: int,
           rounds: Callable[[int], Rounds]) -> list[int]:
    """Return the rows that the strategy trains, in order."""
    trained: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        plan = AceNAS(rounds=rounds(budget), budget=budget,
                      candidates=CandidatePool(table.samples), weak=None,
                      predictor=lambda space, evidence: ranker(space),
                      archive=Path(folder) / 'results.sqlite', seed=seed).plan({})
        outcomes: Any = None
        while True:
            try:
                jobs = plan.send(outcomes)
            except StopIteration:
                return trained
            rows = [job.sample['row'] for job in jobs if isinstance(job, StandAlone)]
            trained += rows
            outcomes = table.metric[rows].tolist()


def evolution(data: Path, table: Table, budget: int, seed: int) -> list[int]:
    """Return the rows that regularised evolution trains (NAS-Bench-201), in order."""
    with np.load(data / 'nb201.npz', allow_pickle=False) as file:
        rows = {sample_key(decode_nasbench201(arch.decode())): row
                for row, arch in enumerate(file['arch'])}
    trained: list[int] = []

    def score(samples: Sequence[Sample]) -> Tensor:
        found = [rows[sample_key(sample)] for sample in samples]
        trained.extend(found)
        return torch.tensor(table.metric[found])

    Evolution(20, 20 * (budget + TOP), 5, batch=1, seed=seed, progress=False).search(
        score, NasBench201(4, 1).simplify())
    return trained[:budget + TOP]


def drawn(table: Table, budget: int, seed: int) -> list[int]:
    """Return random rows."""
    return np.random.default_rng([seed, 3]).permutation(len(table.metric))[:budget + TOP].tolist()


def pretrained(table: Table, seed: int) -> Ranker:
    """Return a ranker pretrained on the weak labels of random architectures."""
    ranker = Ranker({}, encoder=table, seed=seed, progress=False)
    if table.weak:
        chosen = np.random.default_rng([seed, 1]).permutation(len(table.weak_rows))[:WEAK]
        ranker.pretrain(table.graphs.rows(torch.from_numpy(table.weak_rows[chosen])),
                        {name: values[chosen] for name, values in table.weak.items()})
    return ranker


class Flat:
    """An encoder without structure: the operations of a cell, place by place."""

    def __init__(self, table: Table):
        self.table = table
        self.node_features = NodeFeatures(table.node_features.names)

    def __call__(self, samples: Sequence[Sample]) -> Graphs:
        return self.table(samples)
