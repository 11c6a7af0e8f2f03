"""How the registry reads a frame: checks of batches and rows, routing, changes of parameters."""
