"""Pairs before a reviewer's eyes: a page of HTML to vote on, and the votes that come back."""

from hardmine.review.page import write_page
from hardmine.review.votes import Reviews, fingerprint, load_reviews

__all__ = ["Reviews", "fingerprint", "load_reviews", "write_page"]
