"""Search strategies for NNI's experiments."""

from .landmark_search import LandmarkSearch
from .spos import SPOS

__all__ = ['LandmarkSearch', 'SPOS']
