"""Liquidation bots: their tables, their minds, the client around them."""
