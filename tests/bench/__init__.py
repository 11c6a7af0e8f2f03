"""Tests of the bench: its table, and the pieces that need no server."""
