"""What all one-shot strategies share: data, regularisers, measurement, the best architectures."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from nni.nas.evaluator.pytorch import LightningModule
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.space import RawFormatModelSpace
from nni.nas.strategy import RandomOneShot

from .._util.finite import check_finite
from .._util.torch_file import read_torch_file
from ..constraint import NamedCost, all_of
from ..data import HeldOut, Loaders
from ..host.network.convolution import AnyConv2d
from ..host.network.normalization import AnyBatchNorm2d
from ..host.network.repeat import check_repeat
from ..host.network.unread import check_choices
from ..host.run.distributed import prepare_distributed
from ..predictor import LearnedTeacher, RankAverage, Remembered
from ..regularizer import Regularizer, TermContext
from ..regularizer.known import known_results
from ..sampler import UniformSampler
from ..search import Evolution, ParetoFront, ScoredSample
from ..space import canonical_form
from ..supernet import (
    RankingProbe,
    Scoring,
    SuperNetModule,
    SuperNetScorer,
    TrainedSuperNet,
)
from ..supernet.checkpoint import keep_checkpoints
from ..supernet.evaluator import check_evaluator, supernet_evaluator
from ..supernet.quiet import outputs_loss
from ..table import ResultsSource, read_results
from ..typing import Accept, Constraints, Results, Scorer, metric_sign, sample_key
from .argument import as_evidence
from .truth import check_held_out, most_results, read_truth, truth_and_seen

__all__ = ['SuperNetStrategy']

_logger = logging.getLogger(__name__)

_REFERENCE = 200  # random architectures among which scores and evidence are ranked


class SuperNetStrategy(RandomOneShot):
    """Trains a super-net with ranking regularisers and lists its best architectures in order.

    A strategy is a recipe: `train` keeps nothing in it, so that it can be used again. Only an
    experiment of NNI leaves its training in the strategy, as `trained`. Of functional twins, which
    compute the same, the best is listed; all of a `ParetoFront` are, as twins cost differently.
    Subclasses implement `make_module`, which makes what trains, and `search`, which lists the best
    architectures.

    Parameters
    ----------
    regularizers
        Ranking terms of the training loss.
    truth
        Stand-alone results against which the ranking is measured after each validation epoch, for
        example a table. Landmarks and other known architectures are left out. A number above 0 and
        below 1 holds out that share of the landmarks from the regularisers, and measures on the
        landmarks held out: an honest number where nothing else has been trained. None measures on
        the landmarks that are trained, which is optimistic; the number is named so.
    metric
        Score of an architecture: None for minus the validation loss, or the name of a metric that
        the evaluator logs in validation, for example ``val_acc``.
    mode
        ``'max'``, or ``'min'`` if lower is better of `metric` and of the metrics of `truth`, such
        as losses. Of scores higher is better in any case.
    scoring
        How architectures are scored: on how many batches, in how many processes, with which
        statistics. None scores on all validation batches.
    evidence
        What the final scores are averaged with, by rank: scorers, such as an `Evidence`, or a
        `LearnedTeacher`. The teacher learns from the results that the training knows, with the
        super-net as evidence. The rank correlation of the average is measured, too. None for
        nothing.
    evolution
        Search over the trained super-net: an `Evolution`, or a `ParetoFront` for the architectures
        that no other beats in score and costs. None is that of the algorithm.
    held_out
        Where the batches of the regularisers, and of a learned architecture, come from. If such
        batches are needed, None holds out a random half of the training data; otherwise all
        training data train the super-net.
    checkpoint_folder
        Folder of ``last.ckpt``, the whole state at the end of the last epoch. If this file is there
        when a training starts, the training continues from it, with the same result as without an
        interruption. None keeps nothing.
    filter
        Which architectures are trained, scored and returned: one constraint, such as a
        `LatencyConstraint`, or several; None accepts all. Other classes call this ``accept``;
        ``filter`` is the name of NNI's `RandomOneShot`.
    seed
        Of the drawn architectures and of the split.
    same_paths
        In a distributed training (``strategy='ddp'`` of the evaluator's trainer): with True all
        processes train the same architectures in a step, like one process with all their batches;
        with False each process draws architectures of its own.
    cuda_graphs
        Whether the passes of landmarks on one GPU are recorded as CUDA graphs, see
        `RecordedLosses`; each landmark then keeps the memory of its pass.
    **kwargs
        As of NNI's `OneShotStrategy`, for example ``mutation_hooks``.

    Attributes
    ----------
    trained
        The super-net of the experiment that runs, or has run, this strategy; None before.

    Raises
    ------
    TypeError
        If `evidence` is neither a scorer nor a `LearnedTeacher`.
    ValueError
        If the mode is unknown, or a share as `truth` is out of range.

    .. note:: Training and scoring use batch statistics; the running statistics of a super-net mix
       those of all architectures.
    """

    def __init__(self, regularizers: Sequence[Regularizer] = (), *,  # noqa: PLR0913
                 truth: ResultsSource | float | None = None, metric: str | None = None,
                 mode: str = 'max', scoring: Scoring | None = None,
                 evidence: Scorer | LearnedTeacher | list[Scorer | LearnedTeacher] | None = None,
                 evolution: Evolution | ParetoFront | None = None,
                 held_out: HeldOut | None = None,
                 checkpoint_folder: str | Path | None = None,
                 filter: Constraints | dict[str, Any] = None, seed: int = 0,
                 same_paths: bool = True, cuda_graphs: bool = False, **kwargs: Any):
        super().__init__(filter=all_of(filter), **kwargs)
        metric_sign(mode)  # refuses another
        if isinstance(truth, (int, float)) and not 0 < truth < 1:
            raise ValueError('Expected a share of the landmarks above 0 and below 1 as truth, got '
                             f'{truth}.')
        self.regularizers, self.truth = list(regularizers), truth
        self.metric, self.mode = metric, mode
        self.scoring, self.held_out = scoring or Scoring(), held_out or HeldOut()
        self.evidence = as_evidence(evidence)
        self.evolution = evolution
        self.checkpoint_folder, self.seed = checkpoint_folder, seed
        self.same_paths, self.cuda_graphs = same_paths, cuda_graphs
        self.trained: TrainedSuperNet | None = None

    def default_mutation_hooks(self) -> list[Any]:
        """Return what turns modules into those of a super-net; NNI calls this."""
        return [check_repeat, AnyConv2d.mutate, AnyBatchNorm2d.mutate,
                *super().default_mutation_hooks()]

    def make_module(self, training_module: LightningModule, supernet: ModelSpace,
                    context: TermContext, **options: Any) -> SuperNetModule:
        """Return the Lightning module that trains the super-net.

        Parameters
        ----------
        training_module
            The evaluator's.
        supernet
            What has become of the space.
        context
            What is known before the training.
        **options
            Arguments of `SuperNetModule`.
        """
        raise NotImplementedError

    def search(self, module: SuperNetModule, scorer: Scorer) -> list[ScoredSample]:
        """Return different architectures that the filter accepts with their scores, best first.

        It is the search of the algorithm, which `evolution` replaces.

        Parameters
        ----------
        module
            The trained super-net.
        scorer
            Its scores, averaged with evidence if there is any.
        """
        raise NotImplementedError

    @property
    def costs(self) -> Sequence[NamedCost]:
        """The costs of the front that is searched for, none without."""
        return self.evolution.costs if isinstance(self.evolution, ParetoFront) else ()

    @property
    def holds_out(self) -> bool:
        """Whether training needs held-out data."""
        return bool(self.regularizers)

    @property
    def needs_results(self) -> bool:
        """Whether training needs results of a search, as what learns from some is given none."""
        return (any(one.needs_results for one in self.regularizers)
                or (self._is_taught and not self._has_landmarks))

    @property
    def _is_taught(self) -> bool:
        """Whether evidence learns from results."""
        return any(isinstance(one, LearnedTeacher) for one in self.evidence)

    @property
    def _has_landmarks(self) -> bool:
        """Whether a regulariser is given results."""
        return any(one.landmarks is not None for one in self.regularizers)

    def train(self, space: Any, evaluator: Any, results: Results | None = None, *,
              weights: str | None = None, name: str | None = None,
              accept: Constraints = None) -> TrainedSuperNet:
        """Train a super-net in this process, without an experiment.

        Parameters
        ----------
        space, evaluator
            As of `NasExperiment`; the space is turned into the super-net.
        results
            Stand-alone results of a search, for the regularisers.
        weights
            File of super-net weights to start from; regularisers then begin without a warm-up.
        name
            Of the folder in `checkpoint_folder` that this training keeps its checkpoint in.
        accept
            Constraints of a search, which hold beside the filter.

        Raises
        ------
        ValueError
            If filter and constraints accept none of 10,000 random architectures, or there are too
            few results to learn from, or to hold out.
        """
        trained = self._prepare(RawFormatModelSpace(space, evaluator), results, weights, name,
                                accept)
        trained.model.execute()
        return trained

    def check(self, space: Any, evaluator: Any, accept: Constraints = None,
              results: int | None = None) -> None:
        """Refuse what cannot train a super-net of a space, before a search trains anything.

        Parameters
        ----------
        space, evaluator, accept
            As of `train`; space and evaluator are left as they are.
        results
            Number of results that the search will have at most when the training begins; None is
            not known.

        Raises
        ------
        TypeError, ValueError
            If evaluator or space cannot be used, truth or landmarks do not fit the space, no
            architecture of the space is accepted, or the results will be too few.
        """
        check_evaluator(evaluator)
        check_choices(space)
        for module in space.modules():
            check_repeat(module)
        read_truth(self.truth, self.mode, space)
        for one in self.regularizers:
            one.check(TermContext(space, self.filter))
        self._accepted(space, accept)
        if results is not None:
            self._check_number(results)

    def list_models(self, sort: bool = True,
                    limit: int | None = 1) -> Iterator[RawFormatModelSpace]:
        """Yield the best architectures in order; each carries its score and the weights.

        Parameters
        ----------
        sort
            Must be true.
        limit
            Number of models; None yields all functions that the search has met.
        """
        if not sort:
            _logger.warning('%s lists models by score only; sort=False has no effect.',
                            type(self).__name__)
        if self.trained is None:
            raise RuntimeError('Expected a strategy that has been run by an experiment, got one '
                               'that has not. `train` returns what it has trained.')
        yield from self.trained.models(limit)

    def _initialize(self, model_space: Any, engine: Any) -> RawFormatModelSpace:
        """Prepare the training of an experiment; NNI calls this."""
        if not isinstance(model_space, RawFormatModelSpace):
            raise TypeError("Expected the model format 'raw' of one-shot strategies, got a "
                            f'{type(model_space).__name__}.')
        if not isinstance(engine, SequentialExecutionEngine):
            raise TypeError("Expected NNI's sequential execution engine for a one-shot strategy, "
                            f'got {type(engine).__name__}.')
        self.trained = self._prepare(model_space)
        self._mutated_model_space = self.trained.model
        return self._mutated_model_space

    def _prepare(self, model_space: RawFormatModelSpace, results: Results | None = None,
                 weights: str | None = None, name: str | None = None,
                 accept: Constraints = None) -> TrainedSuperNet:
        """Return the super-net with its evaluator, ready to be trained."""
        space, evaluator = model_space.model_space, model_space.evaluator
        check_evaluator(evaluator)
        check_choices(space)
        known = Results([], [], 'max') if results is None else read_results(results, 'max', space)
        context = TermContext(space, self._accepted(space, accept), known, weights is not None,
                              partial(outputs_loss, evaluator.module),
                              self.truth if isinstance(self.truth, float) else 0.)
        terms = [one.term(context) for one in self.regularizers]
        learnt = most_results([known_results(None, context).seen, *(one.results for one in terms)])
        self._check_learnt(len(learnt.samples))
        loaders = Loaders(self.held_out if self.holds_out else None, seed=self.seed,
                          **prepare_distributed(evaluator.trainer))
        sampler = UniformSampler(space, self.seed, accept=context.accept)
        form = sample_key if self.costs else canonical_form(space)
        supernet = self.mutate_model(space)  # in place: all others have looked at the space
        module = self.make_module(
            evaluator.module, supernet, context, terms=terms, loaders=loaders,
            probe=RankingProbe(*truth_and_seen(self.truth, self.mode, context, terms),
                               scoring=self.scoring, metric=self.metric, mode=self.mode),
            accept=context.accept, form=form, seed=self.seed,
            same_paths=self.same_paths, cuda_graphs=self.cuda_graphs)
        evaluator = supernet_evaluator(evaluator, module, loaders)
        if self.checkpoint_folder is not None:
            keep_checkpoints(evaluator, Path(self.checkpoint_folder, name or ''))
        if weights is not None:
            supernet.load_state_dict(read_torch_file(weights, 'the weights of a super-net'))
            check_finite(supernet.named_parameters(), weights)
        return TrainedSuperNet(
            model_space, supernet, evaluator, module, partial(self._search, module),
            None if not self.evidence else lambda scorer: self._with_evidence(
                scorer, sampler, context, learnt))

    def _check_number(self, results: int) -> None:
        """Refuse fewer results of a search than regularisers, evidence and truth need."""
        share = self.truth if isinstance(self.truth, float) else 0.
        held_out = int(results * share)
        if any(one.needs_results for one in self.regularizers) and results - held_out < 2:
            raise ValueError('Expected at least 2 landmarks for the regularisers before the '
                             f'super-net is trained, got {results - held_out}. Raise the landmarks '
                             'of the search, in AceNAS by Rounds(landmarks=10), or give some.')
        if not self._has_landmarks:
            self._check_learnt(results)
            if share:
                check_held_out(share, held_out)

    def _check_learnt(self, results: int) -> None:
        if self._is_taught and results < 2:
            raise ValueError('Expected at least 2 results for the LearnedTeacher of evidence to '
                             f'learn from, got {results}. Give results to `train`, landmarks to a '
                             'regulariser, or more landmarks to the search.')

    def _accepted(self, space: Any, accept: Constraints) -> Accept | None:
        """Return what accepts architectures, once it has accepted one of the space."""
        every = all_of([one for one in (self.filter, all_of(accept)) if one is not None])
        if every is not None:
            UniformSampler(space, self.seed, accept=every).sample()
        return every

    def _search(self, module: SuperNetModule, scorer: Scorer) -> list[ScoredSample]:
        if self.evolution is None:
            return self.search(module, scorer)
        return self.evolution.search(scorer, module.model, accept=module.accept)

    def _with_evidence(self, scorer: SuperNetScorer, sampler: UniformSampler,
                       context: TermContext, learnt: Results) -> Scorer:
        """Return the scores of a trained super-net, averaged by rank with what else is known.

        For what learns from results, the super-net is evidence, too.
        """
        supernet = Remembered(scorer)
        others = [one.over(context.space, scorer.batches[0], context.accept,
                           {'supernet': supernet}).fit(learnt.samples, learnt.metrics)
                  if isinstance(one, LearnedTeacher) else one for one in self.evidence]
        return RankAverage([supernet, *others], sampler.up_to(_REFERENCE))
