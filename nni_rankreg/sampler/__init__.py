"""Samplers of architectures and of pairs; each owns its random generator."""

from .choice import hamming_distance
from .landmark import LandmarkSampler
from .pair import MarginPairSampler, PairSampler, group_distance
from .path import FairSampler, PathSampler, SandwichSampler
from .pool import PoolSampler
from .uniform import UniformSampler

__all__ = ['UniformSampler', 'LandmarkSampler', 'PairSampler', 'MarginPairSampler', 'PathSampler',
           'FairSampler', 'SandwichSampler', 'PoolSampler', 'hamming_distance', 'group_distance']
