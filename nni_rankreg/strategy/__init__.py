"""Search strategies for NNI's experiments."""

from .acenas import AceNAS
from .darts import DARTS
from .fairnas import FairNAS
from .gdas import GDAS
from .landmark_search import LandmarkSearch
from .nao import NAO
from .spos import SPOS

__all__ = ['AceNAS', 'DARTS', 'FairNAS', 'GDAS', 'LandmarkSearch', 'NAO', 'SPOS']
