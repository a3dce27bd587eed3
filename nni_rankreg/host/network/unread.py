"""Choices of a space itself, which no module of a super-net reads."""

from __future__ import annotations

from nni.mutable import LabeledMutable
from nni.nas.nn.pytorch import ModelSpace, MutableModule

__all__ = ['check_choices']


def check_choices(space: ModelSpace) -> None:
    """Refuse choices that belong to no module, such as one that `forward` of the space reads.

    NNI's super-nets leave them as they are: what `forward` reads is the mutable, not a choice.

    Raises
    ------
    ValueError
        If there is one.
    """
    read = {label for module in space.modules()
            if isinstance(module, MutableModule) and module is not space
            for label in module.simplify()}
    unread = [label for label, one in space.simplify().items()
              if label not in read and isinstance(one, LabeledMutable)]
    if unread:
        raise ValueError('Expected each choice of a super-net in the arguments of a module, got '
                         f'{", ".join(map(repr, unread))} of the space itself, which nothing '
                         'would execute. Use LayerChoice, InputChoice, Repeat or a Mutable module.')
