"""What learns the performance of architectures: a ranker of graphs, a controller of tokens.

An encoder turns samples into `Graphs`, tensors padded to one number of nodes, so that all
architectures pass a layer in one product of matrices. Each fit starts from the pretrained weights,
so that it depends on its results and the seed only, which a resumed search relies on.
"""

from .chain import Block, ChainEncoder
from .choice import ChoiceEncoder
from .encoder import default_encoder
from .graph import GraphEncoder, Graphs, NodeFeatures, StructuredEncoder
from .held_out import held_out_ranking
from .nao import NAOController
from .nasbench import NasBench101Encoder, NasBench201Encoder
from .nds import NDSEncoder
from .network import DGCNN
from .ranker import Ranker
from .sequence import TokenCodec
from .structure import structure_features, structure_names
from .target import standardize
from .training import Training
from .trees import Trees
from .weak import WeakLabels, read_weak

__all__ = ['Ranker', 'Trees', 'Training', 'DGCNN', 'Graphs', 'GraphEncoder', 'default_encoder',
           'standardize', 'NasBench101Encoder', 'NasBench201Encoder', 'NDSEncoder', 'Block',
           'ChainEncoder', 'ChoiceEncoder', 'WeakLabels', 'read_weak', 'held_out_ranking',
           'NAOController', 'TokenCodec', 'NodeFeatures', 'StructuredEncoder',
           'structure_features', 'structure_names']
