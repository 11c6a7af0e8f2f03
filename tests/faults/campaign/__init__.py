"""The parts of the campaign: each injects one kind of fault into real processes and answers a Report."""
