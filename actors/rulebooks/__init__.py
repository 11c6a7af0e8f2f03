"""The rules of each venue as pure functions. Rulebooks never import each other; each cites its own rule tags."""
