"""The command, and the demonstration that it runs."""
