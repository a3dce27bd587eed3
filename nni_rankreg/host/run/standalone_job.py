"""A stand-alone training as a trial whose architecture can be read in the web UI."""

from __future__ import annotations

from contextlib import nullcontext
from copy import deepcopy
from typing import Any

from nni.nas.space import SimplifiedModelSpace

from ...plan import StandAlone
from ..trial import outside_trial
from .distributed import hand_on_trial, is_first_process
from .parameters import SUMMARY

__all__ = ['StandAloneModelSpace']


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
        model = cls(space.model, space.mutables, space.evaluator).freeze(dict(job.sample))
        model.stage = job.stage
        return model

    def execute(self) -> Any:
        """Train and evaluate; of the processes of a distributed training only the first reports."""
        if getattr(getattr(self.evaluator, 'trainer', None), 'world_size', 1) > 1:
            hand_on_trial()
        with nullcontext() if is_first_process() else outside_trial():
            return super().execute()

    def _dump(self) -> dict[str, Any]:
        return {SUMMARY: {'stage': self.stage, **deepcopy(self.sample or {})}, **super()._dump()}

    @classmethod
    def _load(cls, **attributes: Any) -> StandAloneModelSpace:
        model = super()._load(**attributes)
        model.stage = attributes[SUMMARY]['stage']
        return model
