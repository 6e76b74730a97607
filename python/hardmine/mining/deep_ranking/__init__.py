"""Deep Ranking (Wang et al. 2014): triplets sampled by relevance, and how triplets judge an embedding."""
