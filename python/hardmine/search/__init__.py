"""The nearest rows among those that are allowed, and the distances of pairs."""
