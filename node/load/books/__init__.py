"""Who trades on order books, whatever the rulebook: makers, takers, whales, what they know and how they order."""
