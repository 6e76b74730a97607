"""Hard negatives of queries: `negatives.py` mines them, `mined.py` is what it returns, the rest is what both are made of."""
