"""Who trades in a simulated world, and who looks over the node's shoulder: the workload and the auditor."""
