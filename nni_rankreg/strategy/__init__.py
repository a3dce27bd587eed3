"""Search strategies for NNI's experiments."""

from .darts import DARTS
from .fairnas import FairNAS
from .gdas import GDAS
from .landmark_search import LandmarkSearch
from .nao import NAO
from .spos import SPOS

__all__ = ['DARTS', 'FairNAS', 'GDAS', 'LandmarkSearch', 'NAO', 'SPOS']
