"""One-shot architecture search in NNI with a super-net that ranks architectures correctly."""

__version__ = '0.1.0'
