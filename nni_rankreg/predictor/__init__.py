"""What learns the performance of architectures, from structure, evidence and results.

An encoder turns samples into `Graphs`, tensors padded to one number of nodes, so that all
architectures pass a layer in one product of matrices. Each fit starts from the pretrained weights,
so that it depends on its results and the seed only, which a resumed search relies on.
"""

from .average import RankAverage, Remembered
from .chain import Block, ChainEncoder
from .choice import ChoiceEncoder
from .description import Description
from .encoder import default_encoder
from .ensemble import Ensemble
from .evidence import Evidence, EvidenceEncoder
from .gaussian_process import GaussianProcess
from .graph import GraphEncoder, Graphs, NodeFeatures, StructuredEncoder
from .held_out import held_out_ranking
from .nao import NAOController
from .nasbench import NasBench101Encoder, NasBench201Encoder
from .nds import NDSEncoder
from .network import DGCNN
from .prediction import Prediction, Predictor
from .ranker import Ranker
from .reliability import (
    RankCorrelation,
    Reliability,
    read_reliability,
    record_predictions,
    reliability_rounds,
)
from .sequence import TokenCodec
from .structure import structure_features, structure_names
from .target import normal_scores, normal_scores_among, standardize
from .teacher import LearnedTeacher
from .training import Training
from .trees import Trees
from .weak import WeakLabels, read_weak

__all__ = [
    'Block', 'ChainEncoder', 'ChoiceEncoder', 'default_encoder', 'Description', 'DGCNN',
    'Ensemble', 'Evidence', 'EvidenceEncoder', 'GaussianProcess', 'GraphEncoder', 'Graphs',
    'held_out_ranking', 'LearnedTeacher', 'NAOController', 'NasBench101Encoder',
    'NasBench201Encoder', 'NDSEncoder', 'NodeFeatures', 'normal_scores', 'normal_scores_among',
    'Prediction', 'Predictor', 'RankAverage', 'Remembered', 'RankCorrelation', 'Ranker',
    'read_reliability', 'read_weak', 'record_predictions', 'Reliability',
    'reliability_rounds', 'standardize',
    'structure_features', 'structure_names', 'StructuredEncoder', 'TokenCodec', 'Training',
    'Trees', 'WeakLabels',
]
