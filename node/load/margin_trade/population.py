"""Everybody of a Margin Trade replay, and what they ask for block by block; the same seed gives the same asks."""

from collections.abc import Iterable, Sequence

import numpy as np

from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import events_pb2 as evt
from breakwater.v1 import parameters_pb2
from node.load.asks import Ask, column_ask, ignore
from node.load.books.crowd import Crowd
from node.load.books.markets import Markets
from node.load.cast import Cast
from node.load.margin_trade.mischief import BookMischief
from node.load.openings import openings
from node.load.people import Groups
from node.load.providers import Providers

PROVIDERS = 20
# The vault's money, as a part of what all takers would hold.
_VAULT_PM = 16


class BookPopulation:
    """Makers, takers, whales, LPs of the vault, the custodian, and some who make mistakes."""

    def __init__(
        self,
        seed: int,
        traders: int,
        blocks: int,
        markets: Sequence[parameters_pb2.MarketParameters],
        locked_blocks: int = 0,
        cast: Cast | None = None,
    ) -> None:
        """`blocks` is how many price steps there will be; for `locked_blocks` the vault's shares stay locked."""
        draw = np.random.Generator(np.random.PCG64(seed))
        self.crowd = Crowd(draw, traders, blocks, Markets(markets), cast)
        vault_atoms = self.crowd.notional_atoms * _VAULT_PM // 1000 if cast is None else cast.backstop_atoms
        self.providers = Providers(draw, PROVIDERS, vault_atoms, blocks, locked_blocks)
        self.custody = self.crowd.custody
        self.known = self.crowd.known
        self._mischief = BookMischief(self.crowd.markets)

    @property
    def accounts(self) -> list[int]:
        """Every account of the population, ascending."""
        return sorted(account for group in self.groups for account in group)

    @property
    def groups(self) -> Groups:
        """Who is who."""
        crowd = self.crowd
        columns = (crowd.takers.account, crowd.makers.account, self.providers.account)
        traders, makers, backers = (column.tolist() for column in columns)
        return Groups(traders, makers, backers)

    def open_accounts(self) -> list[Ask]:
        """First block of the people: an account each."""
        return [*openings(self.providers.account), *self.crowd.open_accounts()]

    def deposit(self) -> list[Ask]:
        """Second block: the custodian credits everybody."""
        self.known.reach(max(self.accounts))
        providers = self.providers
        credit = self.custody.credit(
            providers.account, providers.deposit_atoms, lambda answers: providers.funded(providers.deposit_atoms)
        )
        return [credit, *self.crowd.deposit()]

    def fill_pool(self) -> list[Ask]:
        """Third block: money for the vault; takers say what leverage they want."""
        crowd = self.crowd
        habits = crowd.habits
        leverage = column_ask(
            "set_leverage",
            cmd.SetLeverage,
            ignore,
            account=crowd.takers.account[habits.who],
            market=crowd.markets.number[habits.place],
            leverage=habits.leverage,
        )
        return [self.providers.fill(), leverage]

    def act(self, block: int, prices_ticks: Sequence[int]) -> list[Ask]:
        """What everybody asks for at price step `block` (from 1)."""
        crowd, prices = self.crowd, np.array(prices_ticks, np.int64)
        fall_ppm = crowd.fall_ppm(prices)
        asks = [
            *self.custody.act(block),
            *crowd.come_back(),
            *crowd.trade(block, prices, fall_ppm),
            *self.providers.act(block),
            *crowd.take_out(),
            *self._mischief.act(block, int(crowd.takers.account[0]), prices),
        ]
        return [ask for ask in asks if ask.rows]

    def happened(self, events: Iterable[evt.Event]) -> None:
        """Learn from a block's events."""
        self.crowd.happened(events)
