"""The command line `breakwater`: one file a group of commands, heavy imports only where they are used."""
