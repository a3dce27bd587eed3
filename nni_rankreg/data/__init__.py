"""Data of the tasks."""

from .depth import DepthImages
from .folder import FolderImages
from .image import Digits, ImageTensors, image_loader
from .loaders import HeldOut, Loaders

__all__ = ['ImageTensors', 'Digits', 'FolderImages', 'DepthImages', 'image_loader',
           'HeldOut', 'Loaders']
