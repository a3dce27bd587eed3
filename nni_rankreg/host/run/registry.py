"""NNI's list of algorithms of an environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nni
from nni.runtime.config import get_config_file
from nni.tools.package_utils import (
    AlgoMeta,
    get_algo_meta,
    register_algo_meta,
    unregister_algo_meta,
)

__all__ = ['algorithm_path', 'register_algorithms', 'unregister_algorithms']

_FILE = 'registered_algorithms.yml'


def algorithm_path(name: str) -> str | None:
    """Return the import path of an algorithm on NNI's list, None if there is no such name."""
    known = get_algo_meta(name)
    return None if known is None else known.class_name


def register_algorithms(algorithms: Sequence[Mapping[str, Any]]) -> Path:
    """Register algorithms with NNI, once more or for the first time; return NNI's file.

    Parameters
    ----------
    algorithms
        As in the file of ``nnictl algo register``.

    Raises
    ------
    ValueError
        If a name belongs to an algorithm of NNI or of another package.
    """
    for one in algorithms:
        known = get_algo_meta(one['builtinName'])
        if known is not None and known.class_name != one['className']:
            raise ValueError(f'Expected a free name, got {one["builtinName"]}, which is '
                             f'{known.class_name}: nnictl algo unregister --name {known.name}')
    for one in algorithms:
        register_algo_meta(AlgoMeta.load({**one, 'nniVersion': nni.__version__}))
    return Path(get_config_file(_FILE))


def unregister_algorithms(algorithms: Sequence[Mapping[str, Any]]) -> Path:
    """Take the algorithms off NNI's list, whichever of them are on it; return NNI's file."""
    for one in algorithms:
        known = get_algo_meta(one['builtinName'])
        if known is not None and known.class_name == one['className']:
            unregister_algo_meta(known.name)
    return Path(get_config_file(_FILE))
