"""What this process needs before it starts an experiment."""

from __future__ import annotations

from .manager import install_manager
from .resume import install_resume

__all__ = ['prepare_nni']


def prepare_nni() -> None:
    """Have NNI start and resume experiments as this package needs them, from now on.

    Whoever is about to start one calls it: strategies of several stages when they are made, as NNI
    makes manager and engine before it calls them; `local_experiment` and `RetiariiExperiment`. A
    script with a `NasExperiment` of a strategy of NNI calls it itself. Once more does nothing.

    Examples
    --------
    >>> prepare_nni()
    """
    install_manager()
    install_resume()
