"""Committed blocks on their way to readers: from a height on, every block once, in order."""
