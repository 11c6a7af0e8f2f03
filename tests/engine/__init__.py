"""The naive engine: docs/block.md phase by phase on plain dicts. What every fused, sharded stream must equal."""
