"""Packed codes, hash centers, and the coding theory they come from."""
