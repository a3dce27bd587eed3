"""Data of the tasks."""

from .depth import DepthImages
from .folder import FolderImages
from .image import Digits, ImageTensors, image_loader

__all__ = ['ImageTensors', 'Digits', 'FolderImages', 'DepthImages', 'image_loader']
