"""Rows of a training set that are also in what it is evaluated with: found, reviewed, removed, and counted."""
