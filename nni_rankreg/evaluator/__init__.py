"""Ready evaluators."""

from .classification import (
    ACENAS_SUPERNET,
    IMAGENET_LINEAR,
    Classification,
    SGDClassificationModule,
)
from .depth import DepthEvaluator, DepthModule

__all__ = ['Classification', 'SGDClassificationModule', 'ACENAS_SUPERNET', 'IMAGENET_LINEAR',
           'DepthEvaluator', 'DepthModule']
