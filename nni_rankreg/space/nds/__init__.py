"""The cell spaces of DARTS, ENAS, PNAS, AmoebaNet and NASNet as in the NDS benchmark."""

from .canonical import canonical_nds
from .code import Genotype, decode_nds, encode_nds
from .space import ENAS, PNAS, AmoebaNet, DARTSSpace, NASNet, NDSSpace

__all__ = ['NDSSpace', 'DARTSSpace', 'ENAS', 'PNAS', 'AmoebaNet', 'NASNet', 'Genotype',
           'encode_nds', 'decode_nds', 'canonical_nds']
