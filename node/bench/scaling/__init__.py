"""How throughput and latency change with what a node is made of: sweeps, a model fitted to them, the page it prints."""
