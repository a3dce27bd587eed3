"""Search strategies for NNI's experiments."""

from .acenas import AceNAS
from .acenas_recipe import CandidatePool, Rounds, WeakLabelling
from .darts import DARTS
from .fairnas import FairNAS
from .gdas import GDAS
from .landmark_recipe import Landmarks
from .landmark_search import LandmarkSearch
from .nao import NAO
from .spos import SPOS

__all__ = ['AceNAS', 'CandidatePool', 'DARTS', 'FairNAS', 'GDAS', 'LandmarkSearch', 'Landmarks',
           'NAO', 'Rounds', 'SPOS', 'WeakLabelling']
