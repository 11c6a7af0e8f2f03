"""Ticks, lots and USDC atoms as people read them. What `--json` prints stays in whole numbers."""

from typing import TYPE_CHECKING

from node.cli.output import Refusal

if TYPE_CHECKING:
    from breakwater.v1 import parameters_pb2
    from node.client import Client

_E9 = 10**9
_USDC_ATOMS = 10**6


def market_of(client: "Client", venue: int, market: int) -> "parameters_pb2.MarketParameters":
    """Parameters of a market; raises Refusal where the venue has none by that number."""
    for parameters in client.list_markets(venue):
        if parameters.market == market:
            return parameters
    raise Refusal(f"venue {venue} has no market {market}")


def price(ticks: int, market: "parameters_pb2.MarketParameters") -> str:
    """A price in the quote currency, exact; `-` where there is none."""
    return _decimal(ticks, market.tick_size_e9) if ticks else "-"


def size(lots: int, market: "parameters_pb2.MarketParameters") -> str:
    """A size in the base unit, exact."""
    from node.lots import lot_size_e9

    return _decimal(lots, lot_size_e9(market))


def usdc(atoms: int) -> str:
    """Atoms as USDC with all six decimals and grouped thousands, exact."""
    sign = "-" if atoms < 0 else ""
    whole, rest = divmod(abs(atoms), _USDC_ATOMS)
    return f"{sign}{whole:,}.{rest:06d}"


def _decimal(steps: int, step_e9: int) -> str:
    """Steps times their size with the decimals the step has."""
    decimals = len(f"{step_e9 % _E9:09d}".rstrip("0")) if step_e9 % _E9 else 0
    sign = "-" if steps < 0 else ""
    whole, rest = divmod(abs(steps) * step_e9, _E9)
    return f"{sign}{whole:,}" + (f".{rest:09d}"[: 1 + decimals] if decimals else "")
