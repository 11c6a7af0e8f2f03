"""Requests of venues whose liquidations are left to bots, from plain numbers and words; sizes and amounts are text."""

from __future__ import annotations

from typing import Final

from breakwater.v1 import accounts_pb2, liquidation_pb2, versions_pb2
from node.client.requests import new_key

SPIN_VENUE: Final = 3
PERENNIAL_VENUE: Final = 4


def open_subaccount(venue: int, owner: int, key: bytes | None) -> accounts_pb2.OpenSubaccountRequest:
    """A further account of the owner of `owner`."""
    return accounts_pb2.OpenSubaccountRequest(request_key=new_key(key), venue=venue, owner=owner)


def transfer(
    venue: int, account: int, to_account: int, amount_atoms: int, key: bytes | None
) -> accounts_pb2.TransferRequest:
    """Collateral from one account to another of the same owner."""
    return accounts_pb2.TransferRequest(
        request_key=new_key(key), venue=venue, account=account, to_account=to_account, amount_atoms=amount_atoms
    )


def change_position(
    venue: int,
    account: int,
    market: int,
    maker: str | None,
    long: str | None,
    short: str | None,
    collateral: str | None,
    key: bytes | None,
) -> versions_pb2.ChangePositionRequest:
    """New sizes, and collateral in (above zero) or out; None keeps what there is, "all" takes all collateral out."""
    return versions_pb2.ChangePositionRequest(
        request_key=new_key(key),
        venue=venue,
        account=account,
        market=market,
        maker=maker or "",
        long=long or "",
        short=short or "",
        collateral=collateral or "",
    )


def repay_shortfall(
    venue: int, account: int, market: int, debtor: int, amount_atoms: int, key: bytes | None
) -> versions_pb2.RepayShortfallRequest:
    """What `debtor` owes a market, paid by `account`."""
    return versions_pb2.RepayShortfallRequest(
        request_key=new_key(key),
        venue=venue,
        account=account,
        market=market,
        debtor=debtor,
        amount_atoms=amount_atoms,
    )


def liquidate(
    venue: int, account: int, target: int, market: int, size: str | None, reward: str | None, key: bytes | None
) -> liquidation_pb2.LiquidateRequest:
    """A takeover of `size` (Spin), or a close for `reward` (Perennial; None asks for all that may be asked for)."""
    return liquidation_pb2.LiquidateRequest(
        request_key=new_key(key),
        venue=venue,
        account=account,
        target=target,
        market=market,
        size=size or "",
        reward=reward or "",
    )
