"""`breakwater bench`: what the node does in numbers, each beside a bare peer measured in the same run."""
