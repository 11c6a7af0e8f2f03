"""A gateway: a process of its own that speaks the whole API and passes every call on to the node that sequences."""
