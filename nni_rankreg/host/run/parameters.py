"""The parameters of a trial: the model that it executes, serialised."""

from __future__ import annotations

import os

import nni
from nni.nas.space import ExecutableModelSpace

__all__ = ['SUMMARY', 'dump_model']

SUMMARY = 'mutation_summary'
"""What the web UI shows of the parameters of a trial, instead of all of them."""


def dump_model(model: ExecutableModelSpace) -> str:
    """Serialise a model with the limit that NNI has for the parameters of a trial.

    Parameters
    ----------
    model
        About to be submitted.
    """
    return nni.dump(model, pickle_size_limit=int(os.getenv('PICKLE_SIZE_LIMIT', '65536')))
