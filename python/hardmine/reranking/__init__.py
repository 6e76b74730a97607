"""Neighbours looked at again: expanded queries, k-reciprocal neighbours, diffusion."""
