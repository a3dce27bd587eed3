"""Surgery on NNI's networks: exact architectures, mixtures, shared beginnings, sub-networks."""
