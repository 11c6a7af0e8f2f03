"""One table: which roles may call what, and which bodies of a batch they may send.

Print it with `python -m node.guards.roles`. A call missing here is refused to everybody.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a key is for. A key may have several."""

    TRADER = "trader"
    LP = "lp"
    LIQUIDATOR = "liquidator"
    MARKET_OPERATOR = "market_operator"
    ORACLE_PUBLISHER = "oracle_publisher"
    CUSTODIAN = "custodian"
    ADMIN = "admin"
    AUDITOR = "auditor"


Roles = frozenset[Role]


def _roles(*roles: Role) -> Roles:
    return frozenset(roles)


EVERYBODY: Final = frozenset(Role)
_OWNERS = _roles(Role.TRADER, Role.LP, Role.LIQUIDATOR)
_READERS = _OWNERS | {Role.CUSTODIAN, Role.MARKET_OPERATOR, Role.ADMIN, Role.AUDITOR}
_OPERATORS = _roles(Role.MARKET_OPERATOR, Role.ADMIN)
_TRADER = _roles(Role.TRADER)
_LP = _roles(Role.LP)
# Makers of a Perennial market are its liquidity providers, takers its traders; one call serves both.
_MAKERS_AND_TAKERS = _TRADER | _LP
_LIQUIDATOR = _roles(Role.LIQUIDATOR)
_CUSTODIAN = _roles(Role.CUSTODIAN)
_PUBLISHER = _roles(Role.ORACLE_PUBLISHER)
_ADMIN = _roles(Role.ADMIN)
_WATCHERS = _OPERATORS | _LIQUIDATOR | {Role.AUDITOR}

# Service -> call -> roles. Calls that name an account also need the key to be bound to it.
CALLS: Final[dict[str, dict[str, Roles]]] = {
    "AccountService": {
        "OpenAccount": _OWNERS,
        "OpenSubaccount": _OWNERS,
        "Transfer": _OWNERS,
        "Deposit": _CUSTODIAN,
        "Withdraw": _OWNERS,
        "DecideWithdrawal": _CUSTODIAN,
        "StreamReleases": _CUSTODIAN | {Role.AUDITOR},
        "Faucet": _OWNERS,
        "GetAccount": _READERS,
        "GetMargin": _READERS,
        "ListPositions": _READERS,
        "StreamAccount": _READERS,
        "GetOutcome": EVERYBODY,
    },
    "TradingService": {
        "OpenPosition": _TRADER,
        "ClosePosition": _TRADER,
        "SetStopLoss": _TRADER,
        "SetTakeProfit": _TRADER,
        "CancelOrder": _TRADER,
        "CancelAllAfter": _TRADER,
        "SubmitBatch": EVERYBODY - {Role.AUDITOR},
    },
    "OrderService": {
        "PlaceOrder": _TRADER,
        "AmendOrder": _TRADER,
        "CancelOrders": _TRADER,
        "SetLeverage": _TRADER,
        "StreamOrders": _TRADER,
        "ListOrders": _READERS,
        "EstimatePosition": _READERS,
    },
    "HistoryService": dict.fromkeys(("ListHistory", "GetStatement"), _READERS),
    "MarketService": dict.fromkeys(
        (
            "ListVenues",
            "ListMarkets",
            "GetMark",
            "StreamMarks",
            "GetDepth",
            "StreamDepth",
            "ListTrades",
            "StreamTrades",
        ),
        EVERYBODY,
    ),
    "LiquidityService": {
        "DepositLiquidity": _LP,
        "WithdrawLiquidity": _LP,
        "GetPool": EVERYBODY,
        "StreamPool": EVERYBODY,
        "GetVault": EVERYBODY,
        "StreamVault": EVERYBODY,
    },
    "OracleService": {"PublishTicks": _PUBLISHER},
    "VersionService": {
        "ChangePosition": _MAKERS_AND_TAKERS,
        "RepayShortfall": _MAKERS_AND_TAKERS,
        "GetVersionStatus": EVERYBODY,
        "StreamVersions": EVERYBODY,
    },
    "LiquidationService": {
        "StreamLiquidations": EVERYBODY,
        "ListLiquidations": EVERYBODY,
        "GetInsurance": EVERYBODY,
        "EstimateLiquidationPrice": EVERYBODY,
        "Liquidate": _LIQUIDATOR,
        # SP-06: the calculator is public.
        "QuoteLiquidation": EVERYBODY,
        # Whole books of a venue, by name: for those who liquidate, run or audit it.
        "ListLiquidatable": _WATCHERS,
        "ListStandings": _WATCHERS,
        "StreamStandings": _WATCHERS,
        "ListLiquidators": EVERYBODY,
    },
    "BlockService": {
        "GetHeader": EVERYBODY,
        "StreamHeaders": EVERYBODY,
        # Events name accounts, their margins and prices: the whole book is for those who audit or run it.
        "ListEvents": _OPERATORS | {Role.AUDITOR},
        "StreamEvents": _OPERATORS | {Role.AUDITOR},
        "GetReceipt": EVERYBODY,
        "GetValidatorKey": EVERYBODY,
    },
    "AdminService": {
        "CreateVenue": _ADMIN,
        "CreateMarket": _OPERATORS,
        "ChangeParameters": _OPERATORS,
        "HaltMarket": _OPERATORS,
        "FreezeAccount": _OPERATORS,
        "DepositInsurance": _OPERATORS,
        "Pause": _OPERATORS,
        "TakeSnapshot": _ADMIN,
        "Backup": _ADMIN,
        "ListShards": _ADMIN,
        "MoveBuckets": _ADMIN,
        "AddShards": _ADMIN,
        "SealBlock": _ADMIN,
        "GetStatus": _OPERATORS | {Role.AUDITOR},
    },
}

# Body of a CommandBatch -> roles. Empty: no client may send it.
BODIES: Final[dict[str, Roles]] = {
    "open_accounts": _OWNERS,
    "deposits": _CUSTODIAN,
    "withdrawals": _OWNERS,
    "withdrawal_decisions": _CUSTODIAN,
    "transfers": _OWNERS,
    "open_subaccounts": _OWNERS,
    "open_positions": _TRADER,
    "close_positions": _TRADER,
    "cancel_orders": _TRADER,
    "place_orders": _TRADER,
    "amend_orders": _TRADER,
    "cancel_book_orders": _TRADER,
    "set_leverage": _TRADER,
    "change_positions": _MAKERS_AND_TAKERS,
    "liquidations": _LIQUIDATOR,
    "liquidity_deposits": _LP,
    "liquidity_withdrawals": _LP,
    "insurance_deposit": _OPERATORS,
    "shortfall_repayments": _MAKERS_AND_TAKERS,
    "ticks": _PUBLISHER,
    "create_venue": _ADMIN,
    "create_market": _OPERATORS,
    "set_parameters": _OPERATORS,
    "halt_market": _OPERATORS,
    "freeze_accounts": _OPERATORS,
    "cancel_all_after": _TRADER,
    "validator_progress": frozenset(),
    "void_command": frozenset(),
}

_BY_METHOD: Final = {
    f"/breakwater.v1.{service}/{call}": roles for service, calls in CALLS.items() for call, roles in calls.items()
}


def roles_of_method(method: str) -> Roles:
    """Who may call a method, by its full gRPC name."""
    return _BY_METHOD.get(method, frozenset())


def documentation() -> str:
    """Both tables as Markdown."""
    lines = ["| call | roles |", "|---|---|"]
    for service, calls in CALLS.items():
        lines += [f"| {service}.{call} | {_words(roles)} |" for call, roles in calls.items()]
    lines += ["", "| batch of | roles |", "|---|---|"]
    lines += [f"| {body} | {_words(roles)} |" for body, roles in BODIES.items()]
    return "\n".join(lines)


def _words(roles: Roles) -> str:
    if roles == EVERYBODY:
        return "every key"
    return ", ".join(role.value for role in Role if role in roles) or "nobody"


if __name__ == "__main__":
    print(documentation())
