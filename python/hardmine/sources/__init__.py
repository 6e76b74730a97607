"""Rows from anywhere: what is read block by block, each block once, and never held whole."""
