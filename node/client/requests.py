"""Requests from plain numbers and words, for both clients. Amounts are atoms, prices and leverage decimal text."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Final, Literal, cast

from breakwater.v1 import (
    accounts_pb2,
    answers_pb2,
    commands_pb2,
    common_pb2,
    liquidation_pb2,
    liquidity_pb2,
    oracle_pb2,
    trading_pb2,
)

SideWord = Literal["long", "short"]
DEFAULT_VENUE: Final = 1
DEFAULT_MARKET: Final = 1
SIDES: Final = {"long": common_pb2.SIDE_LONG, "short": common_pb2.SIDE_SHORT}

# Market, publisher, price in ticks, time of publication in ms.
TickRow = tuple[int, int, int, int]


def new_key(key: bytes | None = None, expires_ms: int = 0) -> answers_pb2.RequestKey:
    """The caller's request key, or a new one: with a key a request may be sent again without being done twice."""
    return answers_pb2.RequestKey(key=key or uuid.uuid4().bytes, expires_ms=expires_ms)


def open_account(venue: int, count: int, key: bytes | None) -> accounts_pb2.OpenAccountRequest:
    """Opens `count` accounts in a row."""
    return accounts_pb2.OpenAccountRequest(request_key=new_key(key), venue=venue, count=count)


def deposit(venue: int, account: int, amount_atoms: int, key: bytes | None) -> accounts_pb2.DepositRequest:
    """The custodian's credit."""
    return accounts_pb2.DepositRequest(
        request_key=new_key(key), venue=venue, account=account, amount_atoms=amount_atoms
    )


def faucet(venue: int, account: int, amount_atoms: int, key: bytes | None) -> accounts_pb2.FaucetRequest:
    """Credit in dev mode."""
    return accounts_pb2.FaucetRequest(request_key=new_key(key), venue=venue, account=account, amount_atoms=amount_atoms)


def withdraw(venue: int, account: int, amount_atoms: int, key: bytes | None) -> accounts_pb2.WithdrawRequest:
    """A withdrawal from free."""
    return accounts_pb2.WithdrawRequest(
        request_key=new_key(key), venue=venue, account=account, amount_atoms=amount_atoms
    )


def decide_withdrawal(
    venue: int, account: int, withdrawal: int, confirm: bool, key: bytes | None
) -> accounts_pb2.DecideWithdrawalRequest:
    """The custodian's word on a withdrawal."""
    return accounts_pb2.DecideWithdrawalRequest(
        request_key=new_key(key), venue=venue, account=account, withdrawal=withdrawal, confirm=confirm
    )


def open_position(
    venue: int,
    account: int,
    market: int,
    side: SideWord,
    margin_atoms: int,
    leverage: str,
    limit_price: str | None,
    key: bytes | None,
) -> trading_pb2.OpenPositionRequest:
    """A market open, or a limit where a price is given."""
    return trading_pb2.OpenPositionRequest(
        request_key=new_key(key),
        venue=venue,
        account=account,
        market=market,
        side=SIDES[side],
        kind=common_pb2.ORDER_KIND_MARKET if limit_price is None else common_pb2.ORDER_KIND_LIMIT,
        margin_atoms=margin_atoms,
        leverage=leverage,
        limit_price=limit_price or "",
    )


def close_position(
    venue: int, account: int, position: int, limit_price: str | None, key: bytes | None
) -> trading_pb2.ClosePositionRequest:
    """A close at the mark, or at a level where a price is given."""
    return trading_pb2.ClosePositionRequest(
        request_key=new_key(key), venue=venue, account=account, position=position, limit_price=limit_price or ""
    )


def stop_loss(venue: int, account: int, position: int, price: str, key: bytes | None) -> trading_pb2.SetStopLossRequest:
    """Sets or replaces a stop loss."""
    return trading_pb2.SetStopLossRequest(
        request_key=new_key(key), venue=venue, account=account, position=position, price=price
    )


def take_profit(
    venue: int, account: int, position: int, price: str, key: bytes | None
) -> trading_pb2.SetTakeProfitRequest:
    """Sets or replaces a take profit."""
    return trading_pb2.SetTakeProfitRequest(
        request_key=new_key(key), venue=venue, account=account, position=position, price=price
    )


def cancel(venue: int, account: int, order: int, kind: int, key: bytes | None) -> trading_pb2.CancelOrderRequest:
    """Cancels an order (kind 0), a level of a position, or everything (order 0)."""
    return trading_pb2.CancelOrderRequest(
        request_key=new_key(key), venue=venue, account=account, order=order, kind=cast(common_pb2.OrderKind, kind)
    )


def cancel_all_after(venue: int, account: int, after_ms: int, key: bytes | None) -> trading_pb2.CancelAllAfterRequest:
    """Arms the dead man's switch; 0 disarms."""
    return trading_pb2.CancelAllAfterRequest(request_key=new_key(key), venue=venue, account=account, after_ms=after_ms)


def batch(batch: commands_pb2.CommandBatch) -> trading_pb2.SubmitBatchRequest:
    """A batch with a key of its own where it has none."""
    request = trading_pb2.SubmitBatchRequest(batch=batch)
    if not request.batch.request_key:
        request.batch.request_key = uuid.uuid4().bytes
    return request


def publish(venue: int, ticks: Iterable[TickRow], key: bytes | None) -> oracle_pb2.PublishTicksRequest:
    """One batch of prices."""
    return oracle_pb2.PublishTicksRequest(request_key=new_key(key), venue=venue, ticks=tick_columns(ticks))


def tick_columns(ticks: Iterable[TickRow]) -> commands_pb2.Ticks:
    """Prices as columns."""
    rows = list(ticks)
    return commands_pb2.Ticks(
        market=[row[0] for row in rows],
        publisher=[row[1] for row in rows],
        price_ticks=[row[2] for row in rows],
        published_ms=[row[3] for row in rows],
    )


def deposit_liquidity(
    venue: int, account: int, amount_atoms: int, key: bytes | None
) -> liquidity_pb2.DepositLiquidityRequest:
    """Atoms into the pool."""
    return liquidity_pb2.DepositLiquidityRequest(
        request_key=new_key(key), venue=venue, account=account, amount_atoms=amount_atoms
    )


def withdraw_liquidity(
    venue: int, account: int, micro_shares: int, key: bytes | None
) -> liquidity_pb2.WithdrawLiquidityRequest:
    """Shares out of the pool."""
    return liquidity_pb2.WithdrawLiquidityRequest(
        request_key=new_key(key), venue=venue, account=account, micro_shares=micro_shares
    )


def estimate(
    venue: int, market: int, side: SideWord, margin_atoms: int, leverage: str, entry_price: str | None
) -> liquidation_pb2.EstimateLiquidationPriceRequest:
    """Where a position would be liquidated."""
    return liquidation_pb2.EstimateLiquidationPriceRequest(
        venue=venue,
        market=market,
        side=SIDES[side],
        margin_atoms=margin_atoms,
        leverage=leverage,
        entry_price=entry_price or "",
    )
