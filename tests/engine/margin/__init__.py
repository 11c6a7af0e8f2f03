"""Margin Trade in the naive engine: docs/margin-trade.md phase by phase, on plain dicts, lists and Python ints."""
