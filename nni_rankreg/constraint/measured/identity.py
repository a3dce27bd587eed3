"""What a latency belongs to: a space, and a machine."""

from __future__ import annotations

import hashlib
import json
import platform
from pathlib import Path

import torch
from nni.mutable import LabeledMutable, Mutable
from nni.nas.nn.pytorch import ModelSpace
from torch import nn

from ..._util.error import brief
from ...config.recipe import signature_of

__all__ = ['fingerprint', 'machine', 'space_facts']


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
    content = [type(space).__name__, {label: repr(leaf) for label, leaf in _leaves(space).items()},
               [[name, *one.shape] for name, one in space.named_parameters()]]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def space_facts(space: ModelSpace) -> dict[str, str]:
    """Return what people tell spaces apart by: arguments and choices, each as JSON, name -> text.

    Examples
    --------
    >>> from nni_rankreg.space import NasBench201
    >>> space_facts(NasBench201(4, 1))['arguments']
    '{"stem_out_channels": "4", "num_modules_per_stack": "1", "num_labels": "10", "none": "True"}'
    """
    bound = signature_of(space.trace_symbol).bind(*space.trace_args, **space.trace_kwargs)
    bound.apply_defaults()
    choices = {label: brief(getattr(leaf, 'values', leaf)) for label, leaf
               in _leaves(space).items()}
    return {'arguments': json.dumps({name: brief(one) for name, one in bound.arguments.items()}),
            'choices': json.dumps(choices)}


def _leaves(space: nn.Module) -> dict[str, LabeledMutable]:
    return space.simplify() if isinstance(space, Mutable) else {}


def machine(device: torch.device) -> str:
    """Return what computes: the model of the processor, or of the GPU."""
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    cpuinfo = Path('/proc/cpuinfo')
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return f'{models[0] if models else platform.processor() or "processor"}, {platform.machine()}'
