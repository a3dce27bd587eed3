"""The log of a command: ours is shown, warnings of the host are not."""

from __future__ import annotations

import logging
import sys
import warnings

__all__ = ['quiet_host']


def quiet_host() -> None:
    """Show our log; silence warnings of the host that a user can do nothing about."""
    warnings.filterwarnings('ignore', module='nni|pytorch_lightning|lightning|torch')
    for name in ('pytorch_lightning', 'lightning.pytorch', 'lightning.fabric'):
        logging.getLogger(name).setLevel(logging.ERROR)
    logger = logging.getLogger('nni_rankreg')
    logger.setLevel(logging.INFO)
    logger.propagate = False
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter('%(asctime)s %(message)s', '%H:%M:%S'))
        logger.addHandler(handler)
