"""How well codes retrieve what is relevant."""
