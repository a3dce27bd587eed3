"""No chatter of the host in the output of a benchmark."""

from __future__ import annotations

import logging
import warnings

__all__ = ['quiet']


def quiet() -> None:
    """Silence warnings, and what Lightning logs at each training; in processes each for itself."""
    warnings.filterwarnings('ignore')
    for name in ('pytorch_lightning', 'lightning.pytorch'):
        logging.getLogger(name).setLevel(logging.ERROR)
