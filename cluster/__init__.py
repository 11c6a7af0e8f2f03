"""What carries: the block pipeline, the journal, snapshots, recovery and the transports that host the actors.

Everything that is not deterministic (arrival order, time, prices) is turned into data here, before an actor sees it.
This floor knows disk, clock and Ray; it imports from `actors` and `breakwater.v1`, never from `node`.
"""
