"""Functional twins: architectures that compute the same, and so need one training only."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nni.nas.hub import pytorch as hub
from nni.nas.hub.pytorch.nasnet import NDS
from nni.nas.nn.pytorch import MutableModule

from ..typing import Results, Sample, Space, sample_key
from .depth import DepthDecoder, canonical_depth
from .nasbench101 import NasBench101, canonical_nasbench101
from .nasbench201 import NasBench201, canonical_nasbench201
from .nds import canonical_nds
from .proxyless import ProxylessNAS, canonical_proxyless
from .usage import UsedChoices

__all__ = ['CanonicalForm', 'canonical_form', 'results_by_form']

CanonicalForm = Callable[[Sample], str]
"""A text for each architecture; those with the same text are functional twins."""


def canonical_form(space: Space) -> CanonicalForm:
    """Return what tells the functions apart that the architectures of a space compute.

    Two architectures with the same text are twins: in networks of their own the same layers are
    applied to the same things, whatever they are called. Those of one function may have different
    texts. In a super-net twins may have different weights.

    NAS-Bench-101, NAS-Bench-201, the NDS spaces (both NNI's and ours), `ProxylessNAS` and
    `DepthDecoder` have rules of their own. In any other model space the choices that an
    architecture does not use are left out: those of layers beyond the depth of a `Repeat`, and
    those inside layers that a `LayerChoice` does not choose. Of a space in its simplified form
    nothing is known, and each architecture is its own.

    Parameters
    ----------
    space
        An NNI space, or the dict that its ``simplify()`` returns.

    .. note:: For NAS-Bench-201 the texts are the benchmark's own. Some stand for several functions;
       `nni_rankreg.space.nasbench201.canonical` says which.

    Examples
    --------
    >>> form = canonical_form(NasBench201(4, 1))
    >>> cell = {label: 'none' for label in NasBench201(4, 1).simplify()} | {'cell/0_3': 'conv_3x3'}
    >>> form(cell) == form({**cell, 'cell/0_1': 'conv_1x1'})     # node 1 leads nowhere
    True
    """
    if isinstance(space, (NasBench201, hub.NasBench201)):
        return canonical_nasbench201
    if isinstance(space, (NasBench101, hub.NasBench101)):
        return canonical_nasbench101
    if isinstance(space, NDS):
        return partial(canonical_nds, nodes=space.num_nodes_per_cell, merge=space.merge_op,
                       drop_path=space.drop_path_prob > 0)
    if isinstance(space, ProxylessNAS):
        return partial(canonical_proxyless, blocks=space.counts)
    if isinstance(space, DepthDecoder):
        return canonical_depth
    return UsedChoices(space) if isinstance(space, MutableModule) else sample_key


def results_by_form(results: Results, form: CanonicalForm) -> dict[str, float]:
    """Return what is known of each function: the metric of the first result of its twins.

    Parameters
    ----------
    results
        Architectures with their metrics.
    form
        Of the space, as of `canonical_form`.

    Examples
    --------
    >>> results = Results([{'op': 'conv', 'dead': 0}, {'op': 'conv', 'dead': 1}], [0.9, 0.8])
    >>> results_by_form(results, form=lambda sample: sample['op'])
    {'conv': 0.9}
    """
    known: dict[str, float] = {}
    for sample, metric in results.pairs():
        known.setdefault(form(sample), metric)
    return known
