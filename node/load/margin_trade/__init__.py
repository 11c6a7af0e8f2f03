"""Everybody who takes part in a replay of a Margin Trade venue: makers, takers, whales, the vault's LPs."""
