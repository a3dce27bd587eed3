"""Ready evaluators."""

from .classification import (
    ACENAS_SUPERNET,
    IMAGENET_LINEAR,
    Classification,
    SGDClassificationModule,
)
from .depth import DepthEvaluator, DepthModule
from .device import BFloat16, check_device, on_device
from .learning_rate import LearningRateSchedule
from .speed import Speed

__all__ = ['Classification', 'SGDClassificationModule', 'LearningRateSchedule', 'Speed',
           'ACENAS_SUPERNET', 'IMAGENET_LINEAR', 'DepthEvaluator', 'DepthModule', 'BFloat16',
           'check_device', 'on_device']
