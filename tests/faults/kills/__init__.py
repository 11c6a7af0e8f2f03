"""The kill campaign: every kind of process of a node on Ray, killed at every phase of a block and at random."""
