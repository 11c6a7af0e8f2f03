"""A market of the real actors on which a scenario is played: commands go in as batches, states are read as anybody can.

Blocks come in pairs: one that decides, one that settles what it decided. The clock stands where a scenario's orders are
pinned to the slot it says; a slot that waits for its price is given the grace it takes, and no more.
"""

from copy import copy
from typing import NamedTuple, Self

from actors.columns import rows
from actors.ledger.versioned_positions import totals_of
from actors.rulebooks.perennial import Totals
from actors.sealing.bounds import DAY_MS
from actors.units import div_ceil
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import refusals_pb2 as refusals
from cluster.conservation import InvariantBroken
from cluster.replica import Replica
from node.conformance.case import MalformedCase
from node.conformance.perennial_rules import Rules
from node.conformance.perennial_terms import MARKET, PUBLISHER, VENUE, market_parameters, venue_parameters

KEPT = -1
EVERYTHING = -(1 << 63)
SHARDS = 2
# What every account has at first: the contracts' tests gave as much.
FUNDS_ATOMS = 1_000_000 * 10**6
_KEY_MS = 60_000


class Refused(Exception):
    """The venue or its market could not be made as the scenario has it."""

    def __init__(self, answer: "Answer") -> None:
        super().__init__(f"{answer.refusal}: required {answer.required}, actual {answer.actual}")
        self.answer = answer


# What a file that is wrong, or an actor that is, may make of a step.
BROKEN = (MalformedCase, Refused, InvariantBroken, AssertionError, ValueError, OverflowError)


class Answer(NamedTuple):
    """What came of a command; `refusal` is empty where it was accepted."""

    refusal: str = ""
    required: int = 0
    actual: int = 0

    @property
    def accepted(self) -> bool:
        """Whether it was not refused."""
        return not self.refusal

    @property
    def told(self) -> bool | str:
        """True, or why not: what a report shows."""
        return self.accepted or f"{self.refusal} ({self.required}, {self.actual})"


class Standing(NamedTuple):
    """An account in the market: collateral at the latest version, what it has and is to have, pending fees by slot."""

    wallet_atoms: int
    collateral_atoms: int
    settled: Totals
    positions: tuple[Totals, ...]
    fees_by_slot: dict[int, tuple[int, int]]
    locked_ms: int

    @property
    def target(self) -> Totals:
        """The sizes pinned last."""
        return self.positions[-1]

    @property
    def pending_fees_atoms(self) -> int:
        """Position and settlement fees that are not charged yet."""
        return sum(fee + settlement for fee, settlement in self.fees_by_slot.values())

    @property
    def free_atoms(self) -> int:
        """Collateral less those fees (PE-03)."""
        return self.collateral_atoms - self.pending_fees_atoms


class Stage:
    """One market and the accounts of a scenario. Raises Refused where they cannot be made."""

    def __init__(self, rules: Rules, accounts: int, width_ms: int, start_ms: int, exact: bool) -> None:
        self._replica = Replica(SHARDS)
        self._rules, self._width_ms, self._grace_ms, self._exact = rules, width_ms, 0, exact
        self._now_ms, self._priced_ms, self._slot_ms, self._keys = start_ms, 0, start_ms + width_ms, 0
        self._must(commands.CommandBatch(create_venue={"parameters": venue_parameters(rules, exact)}))
        market = market_parameters(rules, width_ms, self._grace_ms)
        self._must(commands.CommandBatch(create_market={"parameters": market}))
        if accounts:
            everyone = range(1, accounts + 1)
            self._must(commands.CommandBatch(open_accounts={"count": accounts}))
            funds = commands.Deposits(account=everyone, amount_atoms=[FUNDS_ATOMS] * accounts)
            self._must(commands.CommandBatch(deposits=funds))

    def pin_to(self, slot_ms: int) -> None:
        """Orders are pinned to this slot from here on."""
        self._slot_ms = slot_ms

    def publish(self, time_ms: int, price_ticks: int) -> None:
        """The price of a slot; the slots before that nobody asked for stay passed over."""
        now_ms = max(self._now_ms, time_ms)
        self._now_ms = now_ms + 1 if now_ms == self._priced_ms else now_ms
        self._priced_ms = self._now_ms
        self._wait(after_ms=time_ms)
        settled_ms = self.market().record.version_ms
        first_ms = div_ceil(max(settled_ms + 1, time_ms - self._grace_ms), self._width_ms) * self._width_ms
        if settled_ms and first_ms < time_ms:
            raise MalformedCase(f"the price of {time_ms} ms would be that of {first_ms} ms too, while others wait")
        tick = commands.Ticks(market=[MARKET], publisher=[PUBLISHER], price_ticks=[price_ticks], published_ms=[time_ms])
        self._must(commands.CommandBatch(ticks=tick))

    def set_rules(self, rules: Rules) -> None:
        """Other parameters of the market from here on."""
        self._rules = rules
        self._must(self._parameters())

    def change(self, account: int, sizes: tuple[int, int, int], collateral_atoms: int) -> Answer:
        """ChangePositions of one account; KEPT and EVERYTHING as the command has them."""
        maker, long, short = sizes
        change = commands.ChangePositions(
            account=[account],
            market=[MARKET],
            maker_lots=[maker],
            long_lots=[long],
            short_lots=[short],
            collateral_atoms=[collateral_atoms],
        )
        return self._command(commands.CommandBatch(change_positions=change))

    def liquidate(self, liquidator: int, target: int, reward_atoms: int) -> Answer:
        """Liquidations of one account; -1 asks for all there may be."""
        row = commands.Liquidations(
            account=[liquidator], target=[target], market=[MARKET], lots=[0], reward_atoms=[reward_atoms]
        )
        return self._command(commands.CommandBatch(liquidations=row))

    def repay(self, payer: int, debtor: int, amount_atoms: int) -> Answer:
        """ShortfallRepayments of one payer to one debtor."""
        row = commands.ShortfallRepayments(
            account=[payer], market=[MARKET], debtor=[debtor], amount_atoms=[amount_atoms]
        )
        return self._command(commands.CommandBatch(shortfall_repayments=row))

    def realise(self, account: int) -> None:
        """What the position earned joins its collateral, floored, whatever the account's health: an empty change.

        The contracts rounded an account at every version it had an order at, empty ones too; ours are not pinned. With
        `v2_exact` an unhealthy account may not change anything, so it is off for this block.
        """
        kept = {"maker_lots": [KEPT], "long_lots": [KEPT], "short_lots": [KEPT]}
        change = commands.ChangePositions(account=[account], market=[MARKET], collateral_atoms=[0], **kept)
        empty = commands.CommandBatch(change_positions=change)
        was_exact = self._exact
        self.set_exact(False)
        self._must(empty)
        self.set_exact(was_exact)

    def set_exact(self, exact: bool) -> None:
        """`v2_exact` of the venue from here on."""
        if exact != self._exact:
            self._exact = exact
            self._must(commands.CommandBatch(set_parameters={"venue": venue_parameters(self._rules, exact)}))

    def copy(self) -> Self:
        """Another stage in the same state: a cut, restored elsewhere."""
        other = copy(self)
        other._replica = Replica(SHARDS)
        other._replica.restore(self._replica.cut())
        return other

    def market(self) -> batches.VersionView:
        """The market with every pending order and debt."""
        return self._replica.versions(VENUE, MARKET, everyone=True)

    def standing(self, account: int) -> Standing:
        """One account as shard and desk tell it."""
        (view,) = self._replica.accounts(VENUE, [account]).accounts
        row = next((row for row in view.versioned if row.market == MARKET), batches.VersionedView())
        orders = [order for order in self.market().pending if order.account == account]
        settled = totals_of(row.kind, row.lots)
        pinned = [Totals(order.maker_lots, order.long_lots, order.short_lots) for order in orders]
        return Standing(
            wallet_atoms=view.free_atoms + view.held_atoms - FUNDS_ATOMS,
            collateral_atoms=row.collateral_atoms,
            settled=settled,
            positions=(settled, *pinned),
            fees_by_slot={order.version_ms: (order.fee_atoms, order.settlement_fee_atoms) for order in orders},
            locked_ms=next((order.version_ms for order in orders if order.is_liquidation), 0),
        )

    def _command(self, batch: commands.CommandBatch) -> Answer:
        """Decides a command while orders are pinned to the slot that was said."""
        self._now_ms = max(self._now_ms, self._slot_ms - self._width_ms)
        if self._now_ms >= self._slot_ms:
            raise MalformedCase(f"no order can be pinned to {self._slot_ms} ms: it is {self._now_ms} ms")
        self._wait(after_ms=0)
        return self._seal(batch)

    def _wait(self, after_ms: int) -> None:
        """The grace that slots after a time need so that they still wait at the block's time."""
        waiting = [slot for slot in self.market().requested_ms if slot > after_ms]
        grace_ms = max(0, self._now_ms - min(waiting, default=self._now_ms))
        if grace_ms > DAY_MS:
            raise MalformedCase(f"a slot waits {grace_ms} ms for its price, at most {DAY_MS} may be")
        if grace_ms != self._grace_ms:
            self._grace_ms = grace_ms
            self._must(self._parameters())

    def _parameters(self) -> commands.CommandBatch:
        market = market_parameters(self._rules, self._width_ms, self._grace_ms)
        return commands.CommandBatch(set_parameters=commands.SetParameters(market=market))

    def _must(self, batch: commands.CommandBatch) -> None:
        answer = self._seal(batch)
        if not answer.accepted:
            raise Refused(answer)

    def _seal(self, batch: commands.CommandBatch) -> Answer:
        """A block with the command, and one more in which what it left for others is settled."""
        answer = self._block(batch)
        self._block()
        return answer

    def _block(self, *sent: commands.CommandBatch) -> Answer:
        for batch in sent:
            self._keys += 1
            batch.request_key, batch.expires_ms = b"case/%d" % self._keys, self._now_ms + _KEY_MS
            batch.venue, batch.principal = VENUE, 1
        height = self._replica.state.height + 1
        block = commands.BlockInput(height=height, block_time_ms=self._now_ms, batches=sent)
        answers = [
            Answer(refusals.Refusal.Name(refusal).removeprefix("REFUSAL_") if refusal else "", required, actual)
            for _, _, refusal, required, actual, *_ in rows(self._replica.apply(block).outcomes)
        ]
        return next((answer for answer in answers if not answer.accepted), Answer())
