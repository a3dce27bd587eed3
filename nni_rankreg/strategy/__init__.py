"""Search strategies for NNI's experiments."""

from .acenas import AceNAS
from .fairnas import FairNAS
from .landmark_search import LandmarkSearch
from .spos import SPOS

__all__ = ['AceNAS', 'FairNAS', 'LandmarkSearch', 'SPOS']
