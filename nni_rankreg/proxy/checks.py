"""What a proxy needs of a network, its data and its labels; an error of one line where it lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .state import ProxyError

__all__ = ['Loss', 'class_loss', 'differentiable', 'explained', 'loss_value', 'one_tensor']

Loss = Callable[[Any, Any], Tensor]
"""From what the network returns and the labels to a scalar."""

_IGNORED = -100  # label that the cross-entropy leaves out


def class_loss(outputs: Any, labels: Tensor) -> Tensor:
    """Return the cross-entropy of outputs (N, C, ...) and class indices (N, ...), at least 2 C.

    Raises
    ------
    ProxyError
        If labels are no class indices of the outputs: targets of a regression, one-hot or soft
        labels, a single logit. Such a task has another loss.

    Examples
    --------
    >>> class_loss(torch.zeros(2, 4), torch.tensor([3, 0])).item() == torch.tensor(4.).log().item()
    True
    """
    logits = one_tensor(outputs)
    classes = logits.shape[1] if logits.ndim > 1 else 0
    if (classes < 2 or labels.is_floating_point() or labels.is_complex()
            or labels.shape != logits.shape[:1] + logits.shape[2:]):
        raise ProxyError('Expected outputs (N, C, ...) of at least 2 classes and class indices '
                         f'(N, ...) for the cross-entropy, got outputs {_kind(logits)} and labels '
                         f'{_kind(labels)}: give the loss of the task as the option loss.')
    indices = labels.long()
    counted = indices[indices != _IGNORED]
    if len(counted) and not 0 <= counted.min() <= counted.max() < classes:
        raise ProxyError(f'Expected class indices below {classes}, the number of outputs, got '
                         f'{counted.min()} to {counted.max()}.')
    return F.cross_entropy(logits, indices)


def loss_value(loss: Loss, outputs: Any, labels: Tensor) -> Tensor:
    """Return the loss, a scalar with a gradient.

    Raises
    ------
    ProxyError
        If `loss` does not take the outputs and labels, or returns something else.
    """
    try:
        value = loss(outputs, labels)
    except ProxyError:
        raise
    except Exception as error:
        raise ProxyError(f'Expected outputs and labels that the loss takes, got outputs '
                         f'{_kind(outputs)} and labels {_kind(labels)}: {_line(error)}') from error
    if not isinstance(value, Tensor) or value.numel() != 1 or not value.requires_grad:
        raise ProxyError('Expected a loss that is a scalar and has a gradient, got '
                         f'{_kind(value)}.')
    return value


def one_tensor(outputs: Any) -> Tensor:
    """Return the outputs of a network.

    Raises
    ------
    ProxyError
        If they are a dict, a tuple or anything but one tensor.
    """
    if isinstance(outputs, Tensor):
        return outputs
    raise ProxyError(f'Expected a network that returns one tensor, got {_kind(outputs)}: let the '
                     'model space return what is to be scored alone.')


def differentiable(images: Tensor) -> Tensor:
    """Return the images.

    Raises
    ------
    ProxyError
        If they are integers, such as tokens, which cannot be moved by a little.
    """
    if images.is_floating_point():
        return images
    raise ProxyError('Expected images of a floating-point type, got '
                     f'{images.dtype}: a proxy that varies its inputs is not defined for tokens; '
                     'pixels are to be converted as in training.')


@contextmanager
def explained(network: nn.Module, images: Tensor) -> Iterator[None]:
    """Tell in one line that a network fails on data of another type than its weights.

    It may take them all the same (tokens, pixels that it scales by itself), so the network decides.

    Raises
    ------
    ProxyError
        If it fails on them.
    """
    try:
        yield
    except (RuntimeError, IndexError, TypeError) as error:
        dtype = next((one.dtype for one in network.parameters() if one.is_floating_point()),
                     torch.get_default_dtype())
        if images.dtype == dtype:
            raise
        raise ProxyError(f'Expected data of {dtype} as the weights, converted as in training, or '
                         f'another for which the proxy is defined on {type(network).__name__}, got '
                         f'{images.dtype}: {_line(error)}') from error


def _kind(value: Any) -> str:
    """Describe a value by its type and shape."""
    if isinstance(value, Tensor):
        return f'{tuple(value.shape)} of {value.dtype}'
    if isinstance(value, dict):
        return f'a {type(value).__name__} of {list(value)}'
    if isinstance(value, (tuple, list)):
        return f'a {type(value).__name__} of {len(value)}'
    return f'a {type(value).__name__}'


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [''])[0] or type(error).__name__
