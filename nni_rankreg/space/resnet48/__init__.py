"""The widths and depths of ResNet-48."""

from .code import decode_resnet48, encode_resnet48, width_distance
from .space import ResNet48

__all__ = ['ResNet48', 'encode_resnet48', 'decode_resnet48', 'width_distance']
