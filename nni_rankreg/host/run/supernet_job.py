"""A super-net training in the form of a model, so that NNI's engines run it as a trial."""

from __future__ import annotations

import hashlib
import logging
import platform
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import nni
import pytorch_lightning as pl
import torch
from nni.nas.space import ExecutableModelSpace, ModelStatus

from ..._util.files import replaced_file
from ...plan import SuperNet
from ...search import UniformDraw
from ...supernet import TrainedSuperNet
from ...supernet.weak_label import weak_labels
from ...typing import Sample
from ..trial import end_with_manager, telling_its_end
from .description import describe_model
from .distributed import is_first_process
from .parameters import SUMMARY
from .results_file import read_results_file

__all__ = ['SuperNetModelSpace', 'save_weights']

_logger = logging.getLogger(__name__)

class SuperNetModelSpace(ExecutableModelSpace):
    """A super-net training that NNI's engines take like any model, so that it can be a trial.

    Parameters
    ----------
    space
        Recipe of the model space: what NNI's `trace` keeps of it.
    evaluator
        Trains the super-net.
    job
        What to train it with and what to return, or what returns that when a trial asks for it.
    results_file
        Where the results of the job are, as of `ResultsFile`.
    summarise
        Whether to write a summary for the web UI.
    """

    def __init__(self, space: Any, evaluator: Any, job: SuperNet | Callable[[], SuperNet],
                 results_file: str, summarise: bool = False):
        super().__init__(ModelStatus.Frozen)
        self.space, self.evaluator, self._job = space, evaluator, job
        self.results_file = results_file
        self.sample, self.summarise = None, summarise

    @cached_property
    def job(self) -> SuperNet:
        """What to train it with and what to return."""
        return self._job() if callable(self._job) else self._job

    def execute(self) -> None:
        """Train and search the super-net, and report its best architectures as final result."""
        end_with_manager()
        with telling_its_end():
            self._execute()

    def _execute(self) -> None:
        job = self.job
        if job.save is not None:
            _check_folder(Path(job.save).parent)
        pl.seed_everything(job.oneshot.seed, workers=True, verbose=False)
        space = self.space.trace_copy().get()
        warmed_up = job.weights is not None and Path(job.weights).exists()
        if job.weights is not None and not warmed_up:
            _logger.warning('Weights %s are not on this machine; the super-net starts anew.',
                            job.weights)
        trained = job.oneshot.train(space, self.evaluator, job.results,
                                    weights=job.weights if warmed_up else None,
                                    name=self._name, accept=job.accept)
        if not is_first_process():
            return
        if job.save is not None:
            save_weights(trained.supernet, job.save)
        best = trained.best(job.top, job.results.samples) if job.top else []
        metrics = trained.metrics()
        nni.report_final_result({**metrics, 'outcome': {
            'best': [dict(one) for one in best], 'scores': [one.score for one in best],
            'metrics': metrics, 'history': trained.history, 'weights': job.save,
            'measured': trained.measured, 'weak': self._weak_labels(trained, best)}})

    @property
    def _name(self) -> str:
        """Names the job; two that differ in anything, their results for example, by other names."""
        same = copy(self)
        same.summarise = False
        digest = hashlib.sha256(describe_model(same).encode()).hexdigest()[:12]
        return f'{self.job.title.replace(" ", "-")}-{digest}'

    def _weak_labels(self, trained: TrainedSuperNet,
                     best: Sequence[Sample]) -> dict[str, list[float]]:
        if self.job.weak is None:
            return {}
        space = self.space.trace_copy().get()
        scorer = trained.scorer(progress=True)
        return weak_labels(scorer, space, [*self.job.weak.samples(space), *best])

    def _dump(self) -> dict[str, Any]:
        weak = {} if self.job.weak is None else {'weak': vars(self.job.weak)}
        accept = {} if self.job.accept is None else {'accept': self.job.accept}
        summary = {SUMMARY: {'stage': self.job.title}} if self.summarise else {}
        return {**summary, 'symbol': self.space.trace_symbol, 'args': self.space.trace_args,
                'kwargs': self.space.trace_kwargs, 'evaluator': self.evaluator,
                'oneshot': self.job.oneshot, 'title': self.job.title,
                'results': self.results_file,
                'top': self.job.top, 'weights': self.job.weights, 'save': self.job.save,
                **weak, **accept}

    @classmethod
    def _load(cls, **state: Any) -> SuperNetModelSpace:
        space = nni.common.serializer.SerializableObject(
            state['symbol'], state['args'], state['kwargs'])
        # Not read here: NNI loads the parameters once more in the tuner when the trial has ended.
        return cls(space, state['evaluator'], partial(_job_of, state), state['results'],
                   SUMMARY in state)


def _job_of(state: Mapping[str, Any]) -> SuperNet:
    """Return the job of a trial, with the results in its file."""
    weak = UniformDraw(**state['weak']) if 'weak' in state else None
    return SuperNet(state['oneshot'], read_results_file(state['results']), state['top'],
                    state['weights'], state['save'], state['title'], weak, state.get('accept'))


def _check_folder(folder: Path) -> None:
    """Tell at once, not after the training, that a machine does not see where weights are kept."""
    if not folder.is_dir():
        raise FileNotFoundError(
            f'Expected the folder {folder} of the weights on {platform.node()}, got none. Let it '
            'be on a file system that all machines mount at the same place, and give it to the '
            'search as work_dir.')


def save_weights(supernet: torch.nn.Module, path: str) -> None:
    """Write the weights so that the file is either complete or not there."""
    with replaced_file(path) as part:
        torch.save(supernet.state_dict(), part)
