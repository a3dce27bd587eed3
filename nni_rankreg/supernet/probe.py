"""What is measured of a super-net's ranking: its rank correlation with what is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ..metric import kendall_tau
from ..typing import Results, Scorer
from .path import PathModule
from .scorer import SuperNetScorer
from .scoring import Scoring

__all__ = ['Measurement', 'RankingProbe']


class Measurement(NamedTuple):
    """A ranking, measured.

    Parameters
    ----------
    metrics
        The rank correlation, the evaluator's own metrics of the validation, and ``default``, the
        number that NNI plots.
    measured
        ``scores`` and ``metrics``, in the user's sign, of the architectures that were compared;
        empty if nothing is known to compare with.
    """

    metrics: dict[str, float]
    measured: dict[str, list[float]]


class RankingProbe:
    """Measures how a super-net ranks architectures whose stand-alone performance is known.

    Parameters
    ----------
    truth
        Stand-alone results to measure against, higher is better. Without them the ranking is
        measured on the longest of `known`, which is optimistic and named so.
    known
        What the training has seen, higher is better: none of it is measured on if there is a truth.
    scoring
        How architectures are scored, and on how many the ranking is measured; None scores on all
        validation batches.
    metric
        What they are scored by: None is minus the validation loss.
    mode
        Of the user's metrics, ``'max'`` or ``'min'``.

    Attributes
    ----------
    name
        What the rank correlation is called.
    results
        What is measured on.

    Examples
    --------
    >>> truth = Results([{'op': 'conv'}, {'op': 'pool'}, {'op': 'none'}], [0.9, 0.5, 0.1])
    >>> RankingProbe(truth, [Results([{'op': 'conv'}], [0.9])]).results.samples
    [{'op': 'pool'}, {'op': 'none'}]
    """

    def __init__(self, truth: Results | None = None, known: Sequence[Results] = (), *,
                 scoring: Scoring | None = None, metric: str | None = None, mode: str = 'max'):
        self.scoring, self.metric, self.mode = scoring or Scoring(), metric, mode
        if truth is None:
            self.name = 'kendall_tau_landmarks'
            results = max(known, key=lambda one: len(one.samples), default=Results([], [], 'max'))
        else:
            self.name = 'kendall_tau'
            results = truth.without(sample for one in known for sample in one.samples)
        self.results = results.some(self.scoring.measured)

    def scorer(self, module: PathModule, *, progress: bool = False) -> SuperNetScorer:
        """Return a super-net as a `Scorer`."""
        return self.scoring.scorer(module, self.metric, self.mode, progress=progress)

    def measure(self, module: PathModule) -> Measurement:
        """Return the rank correlation of a super-net with what is known.

        Parameters
        ----------
        module
            The super-net, validated.

        Raises
        ------
        DivergedError
            If a score or the validation loss is not finite.
        """
        metrics = {name: module.ranks.mean(value).item()
                   for name, value in module.trainer.callback_metrics.items()
                   if name.startswith('val_')}
        loss = metrics.get('val_loss', 0.)
        if not math.isfinite(loss) and not module.skips_overflow:
            raise module.watch.error('validation losses', f'{loss}', module.when)
        if len(self.results.samples) < 2:
            return Measurement({**metrics, 'default': self._validation(metrics)}, {})
        scores = self.scorer(module)(self.results.samples).tolist()
        bad = sum(not math.isfinite(score) for score in scores)
        if bad:
            raise module.watch.error('scores', f'{bad} of {len(scores)} that are not', module.when)
        compared = self._compared(scores)
        return Measurement({**metrics, **compared.metrics, 'default': compared.metrics[self.name]},
                           compared.measured)

    def compare(self, scorer: Scorer) -> Measurement:
        """Return the rank correlation of any scores with what is known.

        Parameters
        ----------
        scorer
            Of a super-net, or of what it was averaged with.
        """
        return self._compared(scorer(self.results.samples).tolist())

    def _compared(self, scores: list[float]) -> Measurement:
        tau = kendall_tau(scores, self.results.metrics)
        tau = tau if math.isfinite(tau) else 0.  # constant scores order nothing
        return Measurement({self.name: tau}, {
            'scores': scores, 'metrics': self.results.in_mode(self.mode).metrics})

    def _validation(self, metrics: dict[str, float]) -> float:
        """Return the accuracy, or the loss in the user's sign, where there is no ranking."""
        first = {name.removesuffix('/dataloader_idx_0'): value for name, value in metrics.items()}
        loss = first.get('val_loss', math.nan)
        return loss if self.mode == 'min' else first.get('val_acc', -loss)
