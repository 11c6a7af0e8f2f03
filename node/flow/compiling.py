"""The kernels of the load, compiled and cached: a worker that starts does not wait for it."""

from __future__ import annotations

from typing import Final

import numpy as np

from breakwater.v1 import common_pb2
from node.flow.prices import STEP_S
from node.flow.settings import LEAST_ACCOUNTS, LoadSettings, Market, Part
from node.flow.stream import FlowStream

_RULEBOOKS: Final = (
    common_pb2.RULEBOOK_MARGIN_TRADE,
    common_pb2.RULEBOOK_TWILIGHT,
    common_pb2.RULEBOOK_PERENNIAL,
)


def compile_flow() -> None:
    """Runs each kind of flow for no time at all."""
    settings = LoadSettings(("",), "")
    market = Market(1, "", 1, 1, 1, 1)
    for rulebook in _RULEBOOKS:
        part = Part(settings, 0, "", rulebook, 6, (market,), tuple(range(1, LEAST_ACCOUNTS + 1)), "", STEP_S)
        FlowStream(part, np.full((1, 2), 1_000_000, dtype=np.int64)).compile()
