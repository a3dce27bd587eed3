"""Searches as algorithms for ``nnictl create``: ``tuner: {name: LandmarkSearch, ...}``.

Registered by ``nni-rankreg register``, or used as they are by ``className: nni_rankreg.tuner....``
"""

from __future__ import annotations

from .host.run.tuner import PlanTuner

__all__ = ['PlanTuner', 'LandmarkSearch', 'AceNAS']


class LandmarkSearch(PlanTuner):
    """`nni_rankreg.strategy.LandmarkSearch`, described by a search file; see `PlanTuner`."""

    strategy = 'LandmarkSearch'


class AceNAS(PlanTuner):
    """`nni_rankreg.strategy.AceNAS`, described by a search file; see `PlanTuner`."""

    strategy = 'AceNAS'
