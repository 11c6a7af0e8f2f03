"""Seeded swarms: whole histories drawn from one number."""
