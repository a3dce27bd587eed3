"""The trial API of NNI inside a super-net's training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import nni

__all__ = ['outside_trial']


@contextmanager
def outside_trial() -> Iterator[None]:
    """Make NNI's evaluators believe that no trial is running, so that they report nothing.

    They ask ``nni.get_current_parameter() is not None`` before they report.

    Examples
    --------
    >>> with outside_trial():
    ...     print(nni.get_current_parameter())
    None
    """
    parameters = nni.trial._params
    nni.trial._params = None
    try:
        yield
    finally:
        nni.trial._params = parameters
