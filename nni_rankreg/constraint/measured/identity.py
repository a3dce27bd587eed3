"""What a latency belongs to: a space, and a machine."""

from __future__ import annotations

import hashlib
import json
import platform
from pathlib import Path

import torch
from nni.mutable import Mutable
from torch import nn

__all__ = ['fingerprint', 'machine']


def fingerprint(space: nn.Module) -> str:
    """Return a text that spaces have in common if they have the same networks.

    It is made of the name of the class, the labels with their choices, and the shapes of all
    parameters; neither of the module in which the class is, nor of weights.

    Examples
    --------
    >>> from nni_rankreg.space import NasBench201
    >>> fingerprint(NasBench201(4, 1)) == fingerprint(NasBench201(4, 1, 10))
    True
    >>> fingerprint(NasBench201(4, 1)) == fingerprint(NasBench201(8, 1))
    False
    """
    leaves = space.simplify() if isinstance(space, Mutable) else {}
    content = [type(space).__name__, {label: repr(leaf) for label, leaf in leaves.items()},
               [[name, *one.shape] for name, one in space.named_parameters()]]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def machine(device: torch.device) -> str:
    """Return what computes: the model of the processor, or of the GPU."""
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    cpuinfo = Path('/proc/cpuinfo')
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return f'{models[0] if models else platform.processor() or "processor"}, {platform.machine()}'
