"""The log of a command, and what others say in each run that a user can do nothing about."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ['quiet_host', 'quiet_lightning']

_RANK_ZERO = ('pytorch_lightning.utilities.rank_zero', 'lightning.pytorch.utilities.rank_zero')


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Leave out what Lightning advertises, and a warning of PyTorch about its code.

    Everything else is logged as ever, and afterwards that, too.

    Examples
    --------
    >>> logger = logging.getLogger(_RANK_ZERO[0])
    >>> with quiet_lightning():
    ...     logger.filter(logging.makeLogRecord({'msg': 'Tip: try litlogger'}))
    False
    """
    loggers = [logging.getLogger(name) for name in _RANK_ZERO]
    for logger in loggers:
        logger.addFilter(_is_no_tip)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', r'`isinstance\(treespec, LeafSpec\)`')
            yield
    finally:
        for logger in loggers:
            logger.removeFilter(_is_no_tip)


def _is_no_tip(record: logging.LogRecord) -> bool:
    return 'Tip: ' not in record.getMessage()


def quiet_host() -> None:
    """Show our log; silence warnings of the host that a user can do nothing about.

    These are all that NNI's own code raises, and some of Lightning's; not what ours raises.
    """
    warnings.filterwarnings('ignore', module=r'nni\.')
    warnings.filterwarnings('ignore', '.*(many workers|log_every_n_steps|LeafSpec)',
                            module='pytorch_lightning|lightning')
    for name in ('pytorch_lightning', 'lightning.pytorch', 'lightning.fabric', *_RANK_ZERO,
                 'torch.utils.cpp_extension'):
        logging.getLogger(name).setLevel(logging.ERROR)
    logger = logging.getLogger('nni_rankreg')
    logger.setLevel(logging.INFO)
    logger.propagate = False
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter('%(asctime)s %(message)s', '%H:%M:%S'))
        logger.addHandler(handler)
