"""What runs a network: PyTorch, or ONNX Runtime if it is installed."""

from __future__ import annotations

import importlib
import importlib.util
import io
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..._util.error import one_line

__all__ = ['BACKENDS', 'Run', 'check_backend', 'check_example']

Run = Callable[[], Any]

_ONNX = ('onnx', 'onnxruntime')
_INSTALL = "pip install 'nni_rankreg[onnx]'"


def check_backend(backend: str, device: torch.device) -> None:
    """Raise ValueError if there is no such back-end here."""
    if backend not in BACKENDS:
        raise ValueError(f'Expected a back-end among {sorted(BACKENDS)}, got {backend!r}.')
    if backend == 'onnxruntime':
        missing = [name for name in _ONNX if importlib.util.find_spec(name) is None]
        if missing:
            raise ValueError(f'Expected {" and ".join(missing)} for the back-end onnxruntime, got '
                             f'none: {_INSTALL}')
        if device.type != 'cpu':
            raise ValueError('Expected the device cpu for the back-end onnxruntime, got '
                             f'{device}.')


def check_example(network: nn.Module, example: Sequence[Tensor]) -> None:
    """Raise ValueError if a network does not take an example.

    Parameters
    ----------
    network
        On the device of the example, for inference.
    example
        Its arguments.
    """
    try:
        with torch.inference_mode():
            network(*example)
    except Exception as error:  # whatever the layers of the user may raise
        shapes = ', '.join(str(tuple(one.shape)) for one in example)
        raise ValueError(f'Expected an example input that the networks of the space take, got one '
                         f'of shape {shapes}: {one_line(error)}') from error


def _torch(network: nn.Module, example: Sequence[Tensor], threads: int) -> Run:
    def run() -> None:
        with torch.inference_mode():
            network(*example)
    return run


def _onnxruntime(network: nn.Module, example: Sequence[Tensor], threads: int) -> Run:
    onnxruntime: Any = importlib.import_module('onnxruntime')
    file: Any = io.BytesIO()               # which the exporter of TorchScript writes into
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            torch.onnx.export(network, tuple(example), file, dynamo=False)
    except Exception as error:
        raise ValueError('Expected networks that PyTorch can export to ONNX, got: '
                         f'{one_line(error)}') from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(file.getvalue(), options,
                                           providers=['CPUExecutionProvider'])
    feeds = {one.name: value.numpy() for one, value in zip(session.get_inputs(), example)}
    return lambda: session.run(None, feeds)


BACKENDS: dict[str, Callable[[nn.Module, Sequence[Tensor], int], Run]] = {
    'torch': _torch, 'onnxruntime': _onnxruntime}
"""Name -> what makes a function that runs a network once on an example, by so many threads of ONNX
Runtime; those of PyTorch are the stopwatch's. ValueError if a network cannot be exported."""
