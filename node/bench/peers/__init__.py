"""Engines a Python user could pick instead, each in an environment of its own, on the flow our book gets."""
