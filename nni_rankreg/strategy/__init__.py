"""Search strategies for NNI's experiments."""

from .fairnas import FairNAS
from .landmark_search import LandmarkSearch
from .nao import NAO
from .spos import SPOS

__all__ = ['FairNAS', 'LandmarkSearch', 'NAO', 'SPOS']
