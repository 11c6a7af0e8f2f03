"""Everybody who takes part in a replay of a Spin venue: makers, takers, subaccounts, who backs the fund."""
