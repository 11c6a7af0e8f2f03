"""What makers, takers, keepers and sources do on a Perennial venue: batches drawn from what the desks know."""

import random

from actors.rulebooks.perennial import requirement_floor_atoms
from actors.units import PRICE_BOUND
from breakwater.v1.commands_pb2 import CommandBatch
from tests.engine.margin.rows import price_bound
from tests.engine.naive import NaiveEngine
from tests.engine.perennial.state import LONG, MAKER, PPM, SHORT, VersionSight
from tests.properties.margin_acts import Sender
from tests.properties.margin_money import Row, columns
from tests.properties.perennial_operators import perennial_operation, perennial_parameter_change
from tests.properties.perennial_venues import COINS, PERENNIAL_VENUE, PerennialMood, perennial_genesis

APPETITES = (
    "takers",
    "makers",
    "collateral",
    "liquidators",
    "repayments",
    "deposits",
    "withdrawals",
    "operators",
    "parameters",
    "malformed",
    "jumps",
    "gaps",
)
MAKERS = (1, 2)
KEEP = ALL = -1
EVERYTHING = -(1 << 63)
LOTS_BOUND = 1 << 40
CHANGE_COLUMNS = ("account", "market", "maker_lots", "long_lots", "short_lots", "collateral_atoms")


class PerennialActs:
    """Draws the batches of one venue, block by block."""

    def __init__(
        self,
        draw: random.Random,
        sender: Sender,
        mood: PerennialMood,
        appetite: dict[str, float],
        venue: int = PERENNIAL_VENUE,
    ) -> None:
        self.random = draw
        self.sender = sender
        self.mood = mood
        self.venue = venue
        drawn = {name: draw.choice((0.0, 0.3, 0.6, 1.0)) for name in APPETITES}
        some = {"takers": draw.choice((0.5, 1.0)), "makers": draw.choice((0.5, 1.0))}
        self.appetite = {**drawn, **some, **mood.appetite, **appetite}
        self.prices: dict[int, int] = {}
        self.last_tick_ms: dict[tuple[int, int], int] = {}
        self.stalled: dict[int, int] = {}

    def genesis(self) -> list[CommandBatch]:
        """The first block."""
        return perennial_genesis(self.random, self.sender, self.mood, self.venue)

    def first_money(self, engine: NaiveEngine) -> list[CommandBatch]:
        """The second block: prices and balances."""
        sight = VersionSight(engine.state, engine.block, self.venue)
        accounts = sight.accounts()
        amounts = [self.random.choice(self.mood.deposits_atoms) for _ in accounts]
        amounts[: len(MAKERS)] = [self.mood.makers_atoms] * len(MAKERS)
        batches = [self._ticks(sight, market) for market in sorted(sight.parameters)]
        return [*batches, self._send("deposits", account=accounts, amount_atoms=amounts)]

    def batches(self, engine: NaiveEngine) -> list[CommandBatch]:
        """What one block brings, in no order."""
        sight = VersionSight(engine.state, engine.block, self.venue)
        batches = [self._ticks(sight, market) for market in sorted(sight.parameters) if self._publishes(market)]
        batches += self._changes(sight) + self._keepers(sight) + self._money(sight)
        if self._wants("operators", 0.25):
            batches.append(perennial_operation(self.random, self.sender, sight))
        if self._wants("parameters", 0.15):
            batches.append(perennial_parameter_change(self.random, self.sender, self.mood, sight))
        return batches

    def _send(self, body: str, **columns: object) -> CommandBatch:
        return self.sender.batch(self.venue, body, **columns)

    def _wants(self, appetite: str, chance: float = 1.0) -> bool:
        return self.random.random() < self.appetite[appetite] * chance

    def _account(self, sight: VersionSight) -> int:
        """Anybody; at times nobody there is."""
        if self._wants("malformed", 0.03):
            return self.random.choice((0, -1, len(sight.accounts()) + 1, 1 << 62))
        return self.random.choice(sight.accounts())

    # ------------------------------------------------------------------ sources

    def _publishes(self, market: int) -> bool:
        """A market's sources stop for some blocks at times: versions without a price."""
        if self.stalled.get(market, 0) > 0:
            self.stalled[market] -= 1
            return False
        if self.random.random() < self.mood.stalls:
            self.stalled[market] = self.random.choice((1, 3, 6))
        return self.random.random() < 0.9

    def _edges(self, sight: VersionSight, market: int) -> list[int]:
        """About where takers fall below their requirement."""
        found, desk, rules = [], sight.market(market), sight.parameters[market].perennial
        for (account, where), row in sorted(sight.own.rows.items()):
            if where != market or row.kind not in (LONG, SHORT):
                continue
            spare = sight.own.standing(account, market) - desk.fees_of(account)
            spare -= requirement_floor_atoms(row.lots, desk.price, rules.maintenance_ppm, rules.min_maintenance_atoms)
            found.append(desk.price - (1 if row.kind == LONG else -1) * spare * PPM // row.lots)
        return [ticks for ticks in found if desk.price < 2 * ticks < 4 * desk.price]

    def _next_price(self, sight: VersionSight, market: int) -> int:
        draw, coin = self.random, COINS[(market - 1) % len(COINS)]
        usual = coin.price_ticks * self.mood.price_scale
        last = self.prices.get(market) or usual
        edges = self._edges(sight, market)
        if edges and draw.random() < self.mood.aim:
            nearest = sorted(edges, key=lambda ticks: (abs(ticks - last), ticks))[: draw.choice((1, 2, 9))]
            price = draw.choice(nearest) + draw.choice((-1, 0, 1, -last // 100, last // 100, -last // 20, last // 20))
        else:
            span = draw.choice(self.mood.jumps_permille) if self._wants("jumps", 0.4) else draw.choice((0, 1, 3))
            price = last + last * draw.randint(-span, span) // 1_000 + draw.randint(-1, 1)
        return max(usual // 100, min(price, 8 * usual, price_bound(sight.parameters[market]) - 2))

    def _ticks(self, sight: VersionSight, market: int) -> CommandBatch:
        draw, now_ms, width_ms = self.random, self.sender.time_ms, sight.parameters[market].perennial.version_ms
        price = self.prices[market] = self._next_price(sight, market)
        publishers = [source.publisher for source in sight.parameters[market].oracle.sources]
        chosen = publishers if draw.random() < 0.8 else draw.sample(publishers, draw.randint(1, len(publishers)))
        rows: list[Row] = []
        for publisher in chosen:
            last_ms = self.last_tick_ms.get((market, publisher), 0)
            # Now, a little ago or ahead, or exactly at a slot.
            published_ms = now_ms - draw.choice((0, 0, 1, 40, -1, -900, *[now_ms % width_ms] * 4))
            published_ms = max(published_ms, last_ms + 1)
            if self._wants("malformed", 0.05):
                published_ms = now_ms + draw.choice((-60_000, -10_001, 1_000, 1_001, 10**6))
            if published_ms <= now_ms + 1_000:
                self.last_tick_ms[market, publisher] = max(last_ms, published_ms)
            rows.append([market, publisher, max(1, price + draw.choice((0, 0, 0, -1, 1))), published_ms])
        if self._wants("malformed", 0.1):
            rows.append(
                draw.choice(([9, 1, 5, 5], [market, 9, 5, now_ms], [market, 1, 0, 5], [market, 1, PRICE_BOUND, 5]))
            )
        return self._send("ticks", **columns(("market", "publisher", "price_ticks", "published_ms"), rows))

    # ------------------------------------------------------------------ positions

    def _changes(self, sight: VersionSight) -> list[CommandBatch]:
        rows: list[Row] = []
        markets = sorted(sight.parameters)
        if self._wants("makers", 0.6):
            rows += [self._maker(sight, self.random.choice(MAKERS), market) for market in markets]
        if self._wants("takers"):
            rows += [self._taker(sight, self.random.choice(markets)) for _ in range(self.random.choice((1, 2, 5)))]
        rows += self._frozen_closes(sight)
        if self._wants("collateral", 0.6):
            rows += [self._collateral(sight, self.random.choice(markets)) for _ in range(self.random.choice((1, 3)))]
        for row in rows:
            if self._wants("malformed", 0.06):
                self._spoil(row)
        return [self._send("change_positions", **columns(CHANGE_COLUMNS, rows))] if rows else []

    def _carried(self, sight: VersionSight, account: int, market: int, brought: int) -> int:
        """Lots that a part of the account's collateral carries."""
        price, rules = sight.market(market).price, sight.parameters[market].perennial
        if not price or account not in sight.accounts():
            return 10**5
        worth = max(0, sight.own.standing(account, market) + brought)
        carried = worth * PPM // rules.maintenance_ppm * PPM // price
        return max(0, min(carried * self.random.choice(self.mood.spends_percent) // 100, LOTS_BOUND - 1))

    def _brought(self, sight: VersionSight, account: int) -> int:
        free = sight.account(account).free if account in sight.accounts() else 5
        return max(0, self.random.choice((0, 0, free // 2, free // 2, free, free + 1)))

    def _maker(self, sight: VersionSight, account: int, market: int) -> Row:
        brought = self.random.choice((0, sight.account(account).free // 3))
        lots = self._carried(sight, account, market, brought) // self.random.choice((1, 2, 5))
        if self.random.random() < 0.1:
            lots = self.random.choice((0, 1, lots // 2))
        return [account, market, lots, KEEP, KEEP, brought]

    def _taker(self, sight: VersionSight, market: int) -> Row:
        """Opens, turns, grows or closes; now and then a maker among them."""
        draw, account = self.random, self._account(sight)
        brought = self._brought(sight, account)
        lots, now = self._carried(sight, account, market, brought), sight.market(market).last_sizes(account)
        held = max(now)
        if held and draw.random() < 0.5:
            lots = draw.choice((0, 0, held // 2, held - 1, held, held + 1, 2 * held))
        kind = draw.choice((LONG, LONG, SHORT, SHORT, MAKER))
        if held and draw.random() < 0.8:
            kind = next(side + 1 for side in range(3) if now[side])
        sizes = [0, 0, 0] if draw.random() < 0.8 else [KEEP, KEEP, KEEP]
        sizes[kind - 1] = lots
        return [account, market, *sizes, brought]

    def _frozen_closes(self, sight: VersionSight) -> list[Row]:
        """Who is frozen tries to get out, at times to get in: under version 1 in vain."""
        rows: list[Row] = []
        for (account, market), row in sorted(sight.own.rows.items()):
            if row.lots and sight.account(account).frozen and self.random.random() < 0.5:
                sizes = [KEEP, KEEP, KEEP]
                sizes[row.kind - 1] = self.random.choice((0, row.lots // 2, row.lots, row.lots + 1))
                rows.append([account, market, *sizes, self.random.choice((0, 0, 0, 1, -1))])
        return rows

    def _collateral(self, sight: VersionSight, market: int) -> Row:
        """In, out, to the edge of the requirement and an atom beyond it, everything; or nothing at all."""
        draw, account = self.random, self._account(sight)
        done = [owner for (owner, where), row in sorted(sight.own.rows.items()) if where == market and not row.lots]
        if done and draw.random() < 0.3:
            return [draw.choice(done), market, KEEP, KEEP, KEEP, EVERYTHING]
        worth = sight.own.standing(account, market)
        desk, rules = sight.market(market), sight.parameters[market].perennial
        largest = max(*desk.size_of(account), *desk.last_sizes(account))
        needed = requirement_floor_atoms(largest, desk.price, rules.maintenance_ppm, rules.min_maintenance_atoms)
        edge = worth - desk.fees_of(account) - needed
        moved = draw.choice(
            (self._brought(sight, account), 0, 1, -1, -edge, -edge, -edge - 1, -worth // 2, -worth, EVERYTHING)
        )
        return [account, market, KEEP, KEEP, KEEP, moved]

    def _spoil(self, row: Row) -> None:
        column, value = self.random.choice(
            ((1, 99), (2, -2), (2, 1 << 40), (3, 5), (4, 7), (4, -3), (5, 1 << 60), (5, -(1 << 60)), (5, 1 - (1 << 63)))
        )
        row[column] = value

    # ------------------------------------------------------------------ keepers

    def _keepers(self, sight: VersionSight) -> list[CommandBatch]:
        """Several race for whoever looks liquidatable, one asks for others too; debts are repaid in parts."""
        draw, rows = self.random, []
        for (account, market), row in sorted(sight.own.rows.items()):
            if not row.lots:
                continue
            desk, rules = sight.market(market), sight.parameters[market].perennial
            needed = requirement_floor_atoms(row.lots, desk.price, rules.maintenance_ppm, rules.min_maintenance_atoms)
            left = sight.own.standing(account, market) - desk.fees_of(account)
            if left < needed * 102 // 100 + 2 and self._wants("liquidators", 0.7):
                for _ in range(draw.choice((1, 1, 3))):
                    keeper = account if draw.random() < 0.1 else self._account(sight)
                    most = max(0, min(rules.max_liquidation_fee_atoms, left))
                    asked = draw.choice((ALL, ALL, ALL, 0, most, 2 * most + 1, 1))
                    rows.append([keeper, account, market, draw.choice((0, 5)), asked])
        if self._wants("liquidators", 0.1) or (rows and self._wants("malformed", 0.2)):
            market = draw.choice([*sorted(sight.parameters), 99])
            rows.append([self._account(sight), self._account(sight), market, 0, draw.choice((ALL, -2, 0, 1 << 60))])
        names = ("account", "target", "market", "lots", "reward_atoms")
        batches = [self._send("liquidations", **columns(names, rows))] if rows else []
        return batches + self._repayments(sight)

    def _repayments(self, sight: VersionSight) -> list[CommandBatch]:
        rows = []
        for market in sorted(sight.parameters):
            for debtor, owed in sorted(sight.market(market).debts.items()):
                if self._wants("repayments", 0.4):
                    amount = max(1, self.random.choice((1, owed // 2, owed, owed, owed + 1)))
                    rows.append([self._account(sight), market, debtor, amount])
        if self._wants("repayments", 0.05) or (rows and self._wants("malformed", 0.2)):
            rows.append([self._account(sight), 1, self._account(sight), self.random.choice((1, 0, -1, 1 << 60))])
        names = ("account", "market", "debtor", "amount_atoms")
        return [self._send("shortfall_repayments", **columns(names, rows))] if rows else []

    # ------------------------------------------------------------------ balances

    def _money(self, sight: VersionSight) -> list[CommandBatch]:
        draw, batches = self.random, []
        some = [self._account(sight) for _ in range(draw.choice((1, 3)))]
        free = [sight.account(number).free if number in sight.accounts() else 5 for number in some]
        amounts = [max(1, draw.choice((1, 999, worth // 2, worth, worth + 1))) for worth in free]
        if self._wants("malformed", 0.1):
            amounts[0] = draw.choice((0, -1, 1 << 60))
        poor = [number for number in sight.accounts() if sight.account(number).free < 10**6]
        if poor and draw.random() < 0.3:
            amount = draw.choice(self.mood.deposits_atoms)
            batches.append(self._send("deposits", account=[draw.choice(poor)], amount_atoms=[amount]))
        if self._wants("deposits", 0.3):
            batches.append(self._send("deposits", account=some, amount_atoms=amounts))
        if self._wants("withdrawals", 0.3):
            batches.append(self._send("withdrawals", account=some, amount_atoms=amounts))
        pending = [(number, held) for number in sight.accounts() for held in sight.account(number).withdrawals]
        if pending and self._wants("withdrawals", 0.5):
            account, number = draw.choice(pending)
            rows = [
                [account, number, draw.choice((0, 1))],
                [account, draw.choice((number, 12)), draw.choice((0, 1, 2))],
            ]
            batches.append(self._send("withdrawal_decisions", **columns(("account", "withdrawal", "confirm"), rows)))
        return batches
