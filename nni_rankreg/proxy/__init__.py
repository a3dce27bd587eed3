"""Zero-cost proxies: scores of architectures at their initial weights, without any training.

They are functions ``(network, batch) -> float`` that leave the network as they find it: batch
normalisation by the statistics of the batch, everything else in evaluation mode, gradients by
``autograd.grad``, other parameters (synflow, Zen) by ``functional_call``. A score that is not
finite is NaN in the tensor, NULL in the archive, and told by a warning.
"""

from .activation import naswot, zen
from .gradient import fisher, grad_norm, grasp, plain, snip, synflow
from .jacobian import epe_nas, jacov
from .network import NetworkFactory
from .registry import Proxy, find_proxy, proxy_names
from .scorer import ProxyScorer
from .state import ProxyError
from .static import flops, l2_norm, params

__all__ = [
    'ProxyScorer', 'Proxy', 'ProxyError', 'NetworkFactory', 'find_proxy', 'proxy_names', 'flops',
    'params', 'snip', 'grad_norm', 'grasp', 'synflow', 'fisher', 'jacov', 'naswot', 'zen',
    'l2_norm', 'epe_nas', 'plain',
]
