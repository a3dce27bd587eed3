"""What tutorials look like on a page: without the log and the warnings of others."""

from __future__ import annotations

import logging
import warnings
from typing import Any

__all__ = ['quiet']


def quiet(gallery_conf: dict[str, Any], path: str) -> None:
    """Let NNI and Lightning say errors only; called before each tutorial."""
    warnings.simplefilter('ignore')
    for name in ('nni', 'pytorch_lightning', 'lightning'):
        logging.getLogger(name).setLevel(logging.ERROR)
