"""Losses that compare the order of predicted scores with the true order, and of depth maps."""

from .depth import ScaleShiftInvariantLoss
from .listwise import LambdaRankLoss, MeanSquaredLoss, RankNetLoss
from .pairwise import PairwiseRankingLoss

__all__ = ['PairwiseRankingLoss', 'LambdaRankLoss', 'RankNetLoss', 'MeanSquaredLoss',
           'ScaleShiftInvariantLoss']
