"""The load generator of `breakwater load`: seeded order flow as a venue sees it, sent in an open loop, and measured."""
