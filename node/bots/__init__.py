"""Liquidation bots: ordinary clients that watch a venue and liquidate whom its rules give up (SP-12, PE-07)."""
