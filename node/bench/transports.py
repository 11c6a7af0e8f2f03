"""What a node's actors may be reached by, as far as this build has it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

# In the order they are measured.
TRANSPORTS: Final = ("inline", *(("lane",) if find_spec("cluster.transport.lane") else ()), "ray")
