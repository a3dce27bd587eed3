"""The mobile space of ProxylessNAS, AceNAS and TuNAS."""

from .canonical import canonical_proxyless
from .code import (
           OPERATIONS,
           SKIP,
           block_positions,
           check_stages,
           decode_proxyless,
           encode_proxyless,
)
from .space import ProxylessNAS

__all__ = ['ProxylessNAS', 'encode_proxyless', 'decode_proxyless', 'canonical_proxyless',
           'OPERATIONS', 'SKIP', 'block_positions', 'check_stages']
