"""Tests of node/load."""
