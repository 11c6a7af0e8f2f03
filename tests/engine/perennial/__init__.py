"""Perennial venues of the naive engine, one phase after the other."""
