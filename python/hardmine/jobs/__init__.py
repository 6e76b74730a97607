"""Jobs that survive: long calls that keep what they have finished, so that the same call goes on where it was ended."""
