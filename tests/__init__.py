"""Tests of Breakwater; the folders mirror `actors`, `cluster` and `node`."""
