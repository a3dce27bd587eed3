"""The parameters of a trial: the model that it executes, serialised."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import nni
from nni.nas.space import ExecutableModelSpace

__all__ = ['SUMMARY', 'content', 'dump_model', 'model_content']

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


def content(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the parameters of a trial, as plain JSON, make it compute: not its stage.

    Examples
    --------
    >>> content({SUMMARY: {'stage': 'best 1', 'x': '0'}, 'sample': {'x': '0'}})
    {'sample': {'x': '0'}}
    """
    return {name: value for name, value in parameters.items() if name != SUMMARY}


def model_content(model: ExecutableModelSpace) -> dict[str, Any]:
    """Return the content of a model that is about to be submitted."""
    return content(json.loads(dump_model(model)))
