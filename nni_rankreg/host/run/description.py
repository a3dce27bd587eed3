"""What a job is, in words that are the same in every process: a search resumes by them."""

from __future__ import annotations

import base64
import hashlib
import inspect
import io
import re
from types import FunctionType
from typing import Any

import cloudpickle
import torch
from nni.nas.space import ExecutableModelSpace

from .parameters import dump_model

__all__ = ['describe_model']

_PICKLED = re.compile(r'"(bytes:|__nni_obj__": ")([\w+/=]+)"')
# In each pickle of a class or function that cannot be imported, and of a tensor.
_BY_VALUE = (b'cloudpickle', b'_rebuild_tensor')
_PLAIN = (bool, int, float, str, type(None))


def describe_model(model: ExecutableModelSpace) -> str:
    """Serialise a model for comparison only; parameters as of `dump_model`.

    NNI pickles classes and functions of a script by value, under an identity that is drawn anew in
    each process. They are named here, as importable ones are: no change of their code is noticed.
    Of a function, the numbers and texts that it takes from the function around it count, too; of a
    tensor, what it holds.
    """
    return _PICKLED.sub(_by_name, dump_model(model))


def _by_name(match: re.Match[str]) -> str:
    pickled = base64.b64decode(match[2])
    if not any(one in pickled for one in _BY_VALUE):
        return match[0]
    named = io.BytesIO()
    _NamePickler(named).dump(cloudpickle.loads(pickled))
    return f'"{match[1]}{hashlib.sha256(named.getvalue()).hexdigest()}"'


class _NamePickler(cloudpickle.Pickler):
    """Pickles the names of classes and functions, and hashes of tensors; cannot be read."""

    def persistent_id(self, obj: Any) -> tuple[str, ...] | None:
        if isinstance(obj, torch.Tensor):  # PyTorch pickles where its memory is
            content = obj.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
            return str(obj.dtype), str(obj.shape), hashlib.sha256(content).hexdigest()
        if not isinstance(obj, (type, FunctionType)):
            return None
        around = inspect.getclosurevars(obj).nonlocals if isinstance(obj, FunctionType) else {}
        plain = sorted((key, value) for key, value in around.items() if isinstance(value, _PLAIN))
        return obj.__module__, obj.__qualname__, repr(plain)
