"""Near-duplicates: clusters of them, what to keep of each, and how well a distance tells them from other pairs."""
