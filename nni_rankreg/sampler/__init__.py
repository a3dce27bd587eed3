"""Samplers of architectures and of pairs; each owns its random generator."""

from .distance import group_distance, hamming_distance
from .fair import FairSampler
from .landmark import LandmarkSampler
from .margin_pair import MarginPairs, MarginPairSampler
from .pair import PairSampler
from .path import PathSampler
from .pool import PoolSampler
from .sandwich import SandwichSampler
from .uniform import UniformSampler

__all__ = ['UniformSampler', 'LandmarkSampler', 'PairSampler', 'MarginPairSampler', 'MarginPairs',
           'PathSampler', 'FairSampler', 'SandwichSampler', 'PoolSampler', 'hamming_distance',
           'group_distance']
