"""Carries what a mind wants to the node, one ordinary call each, and brings back an outcome, refusals included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import grpc

from actors.units import E9, LONG
from breakwater.v1 import answers_pb2, common_pb2, parameters_pb2, refusals_pb2
from node.bots.intents import WHOLE_REWARD, Intent, Liquidate, Unwind
from node.client import AsyncClient, RefusedError
from node.lots import lot_size_e9

_PREFIX: Final = "REFUSAL_"


class Errands:
    """The calls of one account on one venue."""

    def __init__(self, client: AsyncClient, venue: int, account: int) -> None:
        """`learn_terms` before the first call."""
        self._client, self._venue, self._account = client, venue, account
        self._markets: dict[int, parameters_pb2.MarketParameters] = {}
        self._atom_e9 = 1

    def learn_terms(
        self, venue: parameters_pb2.VenueParameters, markets: Sequence[parameters_pb2.MarketParameters]
    ) -> None:
        """How large lots, ticks and atoms are."""
        self._markets = {market.market: market for market in markets}
        self._atom_e9 = E9 // 10**venue.asset_decimals

    async def carry(self, intent: Intent) -> answers_pb2.CommandOutcome:
        """What came of it. A refusal has height 0, an answer that was lost status 0 too."""
        try:
            if isinstance(intent, Liquidate):
                return await self._liquidate(intent)
            return await self._unwind(intent)
        except RefusedError as error:
            return answers_pb2.CommandOutcome(
                status=common_pb2.OUTCOME_STATUS_REFUSED,
                refusal=refusal_number(error.refusal),  # type: ignore[arg-type]  # enums are numbers
                required=error.required,
                actual=error.actual,
            )
        except grpc.aio.AioRpcError:
            return answers_pb2.CommandOutcome()

    async def _liquidate(self, intent: Liquidate) -> answers_pb2.CommandOutcome:
        lot_e9 = lot_size_e9(self._markets[intent.market])
        size = decimal_text(intent.lots, lot_e9) if intent.lots else None
        asked = None if intent.reward_atoms == WHOLE_REWARD else decimal_text(intent.reward_atoms, self._atom_e9)
        return await self._client.liquidate(self._account, intent.target, size, intent.market, self._venue, asked)

    async def _unwind(self, intent: Unwind) -> answers_pb2.CommandOutcome:
        market = self._markets[intent.market]
        return await self._client.place_order(
            self._account,
            "long" if intent.side == LONG else "short",
            decimal_text(intent.lots, lot_size_e9(market)),
            decimal_text(intent.limit_ticks, market.tick_size_e9) if intent.limit_ticks else None,
            intent.market,
            time_in_force="ioc",
            reduce_only=True,
            venue=self._venue,
        )


def refusal_number(name: str) -> int:
    """The number of a refusal's name without its prefix; UNSPECIFIED for one this client does not know."""
    full = _PREFIX + name
    if full not in refusals_pb2.Refusal.keys():  # noqa: SIM118  # an enum, not a dict
        return refusals_pb2.REFUSAL_UNSPECIFIED
    return refusals_pb2.Refusal.Value(full)


def decimal_text(steps: int, step_e9: int) -> str:
    """Whole steps of a size in 1e-9 as the shortest decimal text, which the door reads back exactly."""
    whole, rest_e9 = divmod(steps * step_e9, E9)
    return f"{whole}.{rest_e9:09d}".rstrip("0").removesuffix(".")
