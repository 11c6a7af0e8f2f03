"""The documentation against the code: printed tables, names, commands, links."""
