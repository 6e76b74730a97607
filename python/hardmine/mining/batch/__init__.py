"""Triplets and pairs within a batch: `triplets.py` and `pairs.py` mine them, the rest is what both are made of."""
