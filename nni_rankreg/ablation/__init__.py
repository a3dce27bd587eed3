"""Ablations: what trains a super-net, compared arm by arm by its ranking of a real table."""
