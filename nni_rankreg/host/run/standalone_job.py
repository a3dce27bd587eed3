"""A stand-alone training as a trial whose architecture can be read in the web UI."""

from __future__ import annotations

import ast
import json
from contextlib import nullcontext
from copy import deepcopy
from typing import Any

from nni.nas.space import SimplifiedModelSpace

from ...plan import StandAlone
from ...sampler.choice import ChoiceSpace
from ..trial import outside_trial
from .distributed import hand_on_trial, is_first_process
from .parameters import SUMMARY

__all__ = ['StandAloneModelSpace']

_EXACT = 'exact_sample'  # as Python writes it, where JSON makes lists of tuples


class StandAloneModelSpace(SimplifiedModelSpace):
    """NNI's model of a trial, with a summary of it for the web UI: its stage and its choices.

    Attributes
    ----------
    stage
        Of the search.
    """

    stage: str

    @classmethod
    def freeze_from(cls, space: SimplifiedModelSpace, job: StandAlone) -> StandAloneModelSpace:
        """Return the model of a job; `space` is that of the experiment."""
        sample = ChoiceSpace(space.mutables).canonical(job.sample)
        model = cls(space.model, space.mutables, space.evaluator).freeze(sample)
        model.stage = job.stage
        return model

    def execute(self) -> Any:
        """Train and evaluate; of the processes of a distributed training only the first reports."""
        if getattr(getattr(self.evaluator, 'trainer', None), 'world_size', 1) > 1:
            hand_on_trial()
        with nullcontext() if is_first_process() else outside_trial():
            return super().execute()

    def _dump(self) -> dict[str, Any]:
        sample = self.sample or {}
        exact = {} if json.loads(json.dumps(sample)) == sample else {_EXACT: repr(sample)}
        return {SUMMARY: {'stage': self.stage, **deepcopy(sample)}, **super()._dump(), **exact}

    @classmethod
    def _load(cls, **attributes: Any) -> StandAloneModelSpace:
        model = super()._load(**attributes)
        if _EXACT in attributes:
            model.sample = ast.literal_eval(attributes[_EXACT])
        model.stage = attributes[SUMMARY]['stage']
        return model
