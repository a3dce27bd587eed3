"""What tutorials look like on a page: without the log and the warnings of others."""

from __future__ import annotations

import functools
import io
import logging
import warnings
from typing import Any

from tqdm.std import tqdm

__all__ = ['quiet']

tqdm.__init__ = functools.partialmethod(tqdm.__init__, file=io.StringIO())
"""Progress bars go nowhere: a page would show each of their states below the other."""


def quiet(gallery_conf: dict[str, Any], path: str) -> None:
    """Let NNI and Lightning say errors only; called before each tutorial."""
    warnings.simplefilter('ignore')
    for name in ('nni', 'pytorch_lightning', 'lightning'):
        logging.getLogger(name).setLevel(logging.ERROR)
