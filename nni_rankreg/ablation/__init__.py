"""Benchmarks of rankings: what trains a super-net, compared arm by arm on a real table."""
