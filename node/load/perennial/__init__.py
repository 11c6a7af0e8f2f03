"""Everybody who takes part in a replay of a Perennial venue: makers of the market, longs and shorts, the custodian."""
