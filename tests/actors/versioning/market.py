"""A version desk and a naive shard, block after block: operations in, the desk's replies out, the equation held."""

from typing import Any

from actors.version_desk import VersionDesk
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from tests.actors.calling import Caller, pending_list, table
from tests.actors.versioning.naive_shard import NaiveShard
from tests.building import bodies

VENUE, MARKET = 4, 1
SLOT_MS, GRACE_MS = 10_000, 3_000
START_MS = 1_760_000_000_000
USD, UNIT = 10**6, 10**6
PRICE = 100 * USD
ALL_OUT = -(1 << 63)
KEEP = -1
CHANGE, LIQUIDATE, REPAY = (
    batches.VERSION_OP_KIND_CHANGE,
    batches.VERSION_OP_KIND_LIQUIDATE,
    batches.VERSION_OP_KIND_REPAY,
)
PENDING, DONE = common.OUTCOME_STATUS_PENDING, common.OUTCOME_STATUS_DONE


def venue_terms(exact: bool = False) -> parameters.VenueParameters:
    """A venue whose protocol takes a tenth of all fees."""
    made = parameters.VenueParameters(venue=VENUE, rulebook=common.RULEBOOK_PERENNIAL, version=1)
    made.perennial.protocol_fee_ppm, made.perennial.v2_exact = 100_000, exact
    return made


def market_terms(**rules: Any) -> parameters.MarketParameters:
    """A market of 20% maintenance without fees, impact or interest, with these rules altered."""
    made = parameters.MarketParameters(venue=VENUE, market=MARKET, version=1)
    plain = {
        "maintenance_ppm": 200_000,
        "min_maintenance_atoms": 10 * USD,
        "liquidation_fee_ppm": 200_000,
        "min_liquidation_fee_atoms": 2 * USD,
        "max_liquidation_fee_atoms": 1_000 * USD,
        "maker_limit_lots": 10_000 * UNIT,
        "efficiency_limit_ppm": 500_000,
        "target_utilisation_ppm": 800_000,
        "controller_k_e6": 40_000 * USD,
        "controller_max_ppm": 1_200_000,
        "stale_after_ms": 120_000,
        "max_pending": 3,
        "max_pending_versions": 5,
        "version_ms": SLOT_MS,
        "grace_ms": GRACE_MS,
    }
    for name, value in (plain | rules).items():
        setattr(made.perennial, name, value)
    return made


class Market(Caller):
    """The market of the tests: accounts with money, a clock in slots, prices where a test gives them."""

    def __init__(self, exact: bool = False, **rules: Any) -> None:
        super().__init__(VersionDesk(VENUE, MARKET), batches.VersionReply)
        self.venue, self.terms = venue_terms(exact), market_terms(**rules)
        self.shard = NaiveShard(free=dict.fromkeys(range(1, 10), 1000000 * USD))
        self.money = sum(self.shard.free.values())
        self.now_ms = START_MS
        self.mark = common.Mark(venue=VENUE, market=MARKET, state=common.MARK_STATE_NONE)
        self.debts: list[tuple[int, int]] = []
        self.reply = batches.VersionReply()
        self._ops: list[tuple[int, ...]] = []
        self._settled = False

    @property
    def is_busy(self) -> bool:
        """Whether operations wait for the block."""
        return bool(self._ops)

    def alter(self, **rules: Any) -> None:
        """Other rules from the next block on."""
        for name, value in rules.items():
            setattr(self.terms.perennial, name, value)

    def settle(self) -> None:
        """The shard takes what the last block left, as the first thing of this one; the books must balance."""
        if self._settled:
            return
        record = self.reply.record if self.reply.HasField("record") else None
        self.debts = self.shard.settle(self.reply.legs, record)
        self._settled = True
        if self.reply.height:
            self.shard.check(self.reply.sums)
            whole = sum(self.shard.free.values()) + sum(self.shard.held.values()) + self.reply.sums.balance_atoms
            assert whole == self.money

    def change(
        self,
        account: int,
        maker: int = KEEP,
        long: int = KEEP,
        short: int = KEEP,
        collateral: int = 0,
        only_reduces: int = 0,
    ) -> int | None:
        """Admits a change; its command, None where the balance does not suffice."""
        self.settle()
        if collateral > 0 and not self.shard.hold(account, collateral):
            return None
        return self._add(1, account, CHANGE, maker, long, short, collateral, 0, 0, only_reduces=only_reduces)

    def liquidate(self, account: int, liquidator: int, reward: int = -1) -> int:
        self.settle()
        return self._add(0, account, LIQUIDATE, 0, 0, 0, 0, liquidator, reward)

    def repay(self, debtor: int, payer: int, amount: int) -> int | None:
        self.settle()
        if not self.shard.hold(payer, amount):
            return None
        return self._add(2, debtor, REPAY, 0, 0, 0, amount, payer, 0)

    def _add(self, op_class: int, account: int, kind: int, *fields: int, only_reduces: int = 0) -> int:
        command, standing = len(self._ops), self.shard.standing(account)
        self._ops.append((op_class, command, VENUE, MARKET, account, kind, *fields, *standing, only_reduces))
        return command

    def publish(self, price: int, published_ms: int | None = None, state: int = common.MARK_STATE_FRESH) -> None:
        """The mark from the next block on; published then, unless said otherwise."""
        published = self.now_ms if published_ms is None else published_ms
        self.mark = common.Mark(
            venue=VENUE, market=MARKET, mark_ticks=price, state=state, published_ms=published, version=1
        )

    def work(self, *, root: bool = True) -> Any:
        """The block: what was admitted, then what is due."""
        self.settle()
        ops, self._ops = table(batches.VersionOps, *self._ops), []
        debts = table(batches.VersionDebts, *((VENUE, MARKET, *debt) for debt in self.debts))
        self.reply = self.block(
            self.now_ms, root, venue=self.venue, market=self.terms, mark=self.mark, ops=ops, debts=debts
        )
        self._settled = False
        return self.reply

    def at(self, ms: int, price: int | None = None) -> Any:
        """A block at this time from the start, with a price published then."""
        self.now_ms = START_MS + ms
        if price is not None:
            self.publish(price)
        return self.work()

    def start(self, price: int = PRICE) -> None:
        """The first version, at the start."""
        self.at(0, price)

    def slot(self, place: int) -> int:
        """The time of a slot, counted from the start."""
        return START_MS + place * SLOT_MS

    def until(self, place: int, price: int = PRICE) -> Any:
        """A block at a slot's own time, with its price."""
        return self.at(place * SLOT_MS, price)

    def position(self, account: int) -> tuple[int, ...]:
        """Settled sizes and collateral, after the shard has taken the last reply."""
        self.settle()
        return self.shard.standing(account)

    def view(self, *accounts: int, everyone: bool = False) -> batches.VersionView:
        query = batches.VersionQuery(accounts=accounts, everyone=everyone).SerializeToString()
        return batches.VersionView.FromString(self.actor.query(query))


def body(reply: Any, kind: str) -> Any:
    """The only event of a kind."""
    (found,) = bodies(pending_list(reply.events), kind)
    return found


def outcomes(reply: Any) -> list[tuple[int, int, int, int]]:
    """(command, status, reference, amount) of all answers."""
    told = reply.outcomes
    return sorted(zip(told.command, told.status, told.reference, told.amount_atoms, strict=True))
