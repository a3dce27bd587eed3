"""The benchmark databases that NNI converts, for users who have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import nni
import torch
from torch import Tensor

from ..typing import Sample, sample_key
from .evaluator import LookupEvaluator
from .tabular import UnknownArchitectureError

__all__ = ['DatabaseEvaluator']

Row = Mapping[str, Any]

_FAMILIES = ('DARTS', 'ENAS', 'PNAS', 'Amoeba', 'NASNet')


@nni.trace
class DatabaseEvaluator(LookupEvaluator):
    """Evaluates architectures by NNI's database of a benchmark; a `Scorer`, too.

    ``nni.nas.benchmark.download_benchmark`` fetches the databases, into the folder of the
    environment variable NASBENCHMARK_DIR. NNI 3.0 reads them with peewee below version 4 only.

    Parameters
    ----------
    name
        ``nasbench101``, ``nasbench201``, or ``nds``, for the spaces of `nni_rankreg.space`; those
        of NNI's hub with the same labels do as well.
    dataset
        Of nasbench201 and nds, as the database names it; None is ``cifar100`` and ``cifar10``.
    epochs
        Of the trainings; None is 108 for nasbench101, 200 for nasbench201, any for nds.
    metric
        Column of the database, higher is better; None is ``valid_acc``, or ``best_test_acc`` of
        nds, which has no validation accuracy. Accuracies are in percent.
    proposer
        Of nds: the family of cells, ``DARTS``, ``ENAS``, ``PNAS``, ``Amoeba`` or ``NASNet``.
    generator
        Of nds: ``random``, or ``fix_w_d`` for networks of one width and depth.
    delay
        Seconds that each evaluation waits, in place of a training.

    Raises
    ------
    ValueError
        If the name is unknown, or a family is missing; on evaluating, `UnknownArchitectureError`
        if the database lacks the architecture.
    """

    def __init__(self, name: str, *, dataset: str | None = None, epochs: int | None = None,
                 metric: str | None = None, proposer: str | None = None,
                 generator: str = 'random', delay: float = 0.):
        super().__init__(delay)
        if name not in _QUERIES:
            raise ValueError(f'Expected the name of a benchmark, one of {", ".join(_QUERIES)}, got '
                             f'{name!r}.')
        if proposer not in (_FAMILIES if name == 'nds' else [None]):
            raise ValueError(f'Expected a proposer for nds, one of {", ".join(_FAMILIES)}, and '
                             f'none for other benchmarks, got {proposer!r} for {name}.')
        self.name, self.dataset, self.epochs = name, dataset, epochs
        self.metric = metric or ('best_test_acc' if name == 'nds' else 'valid_acc')
        self.proposer, self.generator = proposer, generator

    def lookup(self, sample: Sample) -> float:
        """Return the mean metric of all trainings of an architecture."""
        rows = list(_QUERIES[self.name](self, sample))
        if not rows:
            raise UnknownArchitectureError(
                f'Expected an architecture that the database {self.name} holds, got '
                f'{sample_key(sample)}.')
        if self.metric not in rows[0]:
            raise ValueError(f'Expected a metric of {self.name}, one of {sorted(rows[0])}, got '
                             f'{self.metric!r}.')
        return sum(row[self.metric] for row in rows) / len(rows)

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        """Return the metrics of N architectures, shape (N,), float64."""
        return torch.tensor(list(map(self.lookup, samples)), dtype=torch.float64)


def _nasbench101(self: DatabaseEvaluator, sample: Sample) -> Iterable[Row]:
    from nni.nas.benchmark.nasbench101 import query_nb101_trial_stats

    from ..space import encode_nasbench101

    if 'cell/num_nodes' in sample:             # as NNI's hub labels it
        cell = {label.removeprefix('cell/'): choice for label, choice in sample.items()}
        inner = range(1, sample['cell/num_nodes'] - 1)
        architecture = {label: cell[label] for label in (
            *(f'op{i}' for i in inner), *(f'input{i}' for i in (*inner, len(inner) + 1)))}
    else:
        matrix, ops = encode_nasbench101(sample)
        architecture = {f'op{i}': name for i, name in enumerate(ops[1:-1], 1)}
        architecture |= {f'input{i}': [k for k in range(i) if matrix[k][i]]
                         for i in range(1, len(ops))}
    return query_nb101_trial_stats(architecture, self.epochs or 108)


def _nasbench201(self: DatabaseEvaluator, sample: Sample) -> Iterable[Row]:
    from nni.nas.benchmark.nasbench201 import query_nb201_trial_stats

    architecture = {label.removeprefix('cell/'): choice for label, choice in sample.items()}
    return query_nb201_trial_stats(architecture, self.epochs or 200, self.dataset or 'cifar100')


def _nds(self: DatabaseEvaluator, sample: Sample) -> Iterator[Row]:
    from nni.nas.benchmark.nds import query_nds_trial_stats

    from .. import space

    name = 'AmoebaNet' if self.proposer == 'Amoeba' else str(self.proposer)
    genotype = space.encode_nds(sample, getattr(space, name))
    cells: dict[str, Any] = {}
    for cell in ('normal', 'reduce'):
        for index, (operation, source) in enumerate(getattr(genotype, cell)):
            place = f'{index // 2}_{{}}_{"xy"[index % 2]}'
            cells[f'{cell}_{place.format("op")}'] = operation
            cells[f'{cell}_{place.format("input")}'] = source
        cells[f'{cell}_concat'] = list(getattr(genotype, f'{cell}_concat'))
    for row in query_nds_trial_stats('nas_cell', str(self.proposer).lower(), self.generator, None,
                                     cells, self.dataset or 'cifar10', self.epochs):
        size = row['config']['model_spec']
        if all(sample.get(name, size[name]) == size[name] for name in ('width', 'depth')):
            yield row


_QUERIES: dict[str, Callable[[DatabaseEvaluator, Sample], Iterable[Row]]] = {
    'nasbench101': _nasbench101, 'nasbench201': _nasbench201, 'nds': _nds}
