"""A stand-alone training as a trial whose web UI shows the architecture and what was expected."""

from __future__ import annotations

import ast
import json
from copy import deepcopy
from typing import Any

from nni.nas.space import SimplifiedModelSpace

from ...plan import StandAlone
from ...sampler.choice import ChoiceSpace
from ..trial import end_with_manager, outside_trial, reporting_also, telling_its_end
from .distributed import hand_on_trial, is_first_process
from .parameters import SUMMARY

__all__ = ['StandAloneModelSpace']

_EXACT = 'exact_sample'  # as Python writes it, where JSON makes lists of tuples


class StandAloneModelSpace(SimplifiedModelSpace):
    """NNI's model of a trial, with a summary of it for the web UI: its stage and its choices.

    What is expected of the training is there, too, and among the metrics of the trial, so that the
    web UI plots it beside the result.

    Attributes
    ----------
    stage
        Of the search.
    expected
        Name -> number that was known before.
    """

    stage: str
    expected: dict[str, float]

    @classmethod
    def freeze_from(cls, space: SimplifiedModelSpace, job: StandAlone) -> StandAloneModelSpace:
        """Return the model of a job; `space` is that of the experiment."""
        sample = ChoiceSpace(space.mutables).canonical(job.sample)
        model = cls(space.model, space.mutables, space.evaluator).freeze(sample)
        model.stage, model.expected = job.stage, dict(job.expected)
        return model

    def execute(self) -> Any:
        """Train and evaluate; of the processes of a distributed training only the first reports."""
        end_with_manager()
        if getattr(getattr(self.evaluator, 'trainer', None), 'world_size', 1) > 1:
            hand_on_trial()
        told = reporting_also(self.expected) if is_first_process() else outside_trial()
        with telling_its_end(), told:
            return super().execute()

    def _dump(self) -> dict[str, Any]:
        sample = self.sample or {}
        exact = {} if json.loads(json.dumps(sample)) == sample else {_EXACT: repr(sample)}
        return {SUMMARY: {**deepcopy(sample), 'stage': self.stage, **self.expected},
                **super()._dump(), **exact}

    @classmethod
    def _load(cls, **attributes: Any) -> StandAloneModelSpace:
        model, summary = super()._load(**attributes), attributes[SUMMARY]
        if _EXACT in attributes:
            model.sample = ast.literal_eval(attributes[_EXACT])
        model.stage = summary['stage']
        model.expected = {name: value for name, value in summary.items()
                          if name != 'stage' and name not in (model.sample or {})}
        return model
