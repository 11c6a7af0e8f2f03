"""Deployment files: what they say is looked at as far as that goes without the machines they are for."""
