"""Zero-cost proxies: scores of architectures at their initial weights, without any training.

They are functions ``(network, batch) -> float`` that leave the network as they find it: batch
normalisation by the statistics of the batch, everything else in evaluation mode, gradients by
``autograd.grad``, other parameters (synflow, Zen) by ``functional_call``. A score that is not
finite is NaN in the tensor, NULL in the archive, and told by a warning. All of them are in
`PROXIES`, by name.
"""

from .network import NetworkFactory
from .registry import PROXIES, Proxy, find_proxy, proxy_names
from .scorer import ProxyScorer
from .state import ProxyError

__all__ = ['ProxyScorer', 'Proxy', 'ProxyError', 'PROXIES', 'NetworkFactory', 'find_proxy',
           'proxy_names']
