"""One-shot architecture search in NNI with a super-net that ranks architectures better."""

__version__ = '0.2.0'
