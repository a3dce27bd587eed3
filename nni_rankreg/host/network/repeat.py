"""What NNI's super-nets cannot repeat."""

from __future__ import annotations

from typing import Any

from nni.nas.nn.pytorch import Repeat

__all__ = ['check_repeat']


def check_repeat(module: Any, *_: Any) -> None:
    """Refuse a `Repeat` that may repeat nothing; a mutation hook, which changes no module.

    Raises
    ------
    ValueError
        If its least depth is 0: NNI's super-net has no output for it.
    """
    if isinstance(module, Repeat) and module.min_depth == 0:
        labels = ', '.join(map(repr, module.simplify()))
        raise ValueError('Expected a Repeat of at least one block in a super-net, got depth 0 of '
                         f'{labels}. Let it begin at 1, with a block that may be '
                         'LayerChoice([..., nn.Identity()]).')
