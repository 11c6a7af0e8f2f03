"""Money in and out, account by account: every deposit once, every withdrawal asked, then paid or returned, once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from breakwater.v1 import batches_pb2
from node.simulation.auditing.seen import Key, Seen

_COMMAND_BITS = 20


@dataclass
class Purse:
    """What an account brought and took; `pending_atoms` by withdrawal."""

    deposited_atoms: int = 0
    withdrawn_atoms: int = 0
    pending_atoms: dict[int, int] = field(default_factory=dict)


class MoneyBook:
    """From the commands alone, beside what events and views say."""

    def __init__(self) -> None:
        self.purses: dict[Key, Purse] = {}
        self._opened: Counter[int] = Counter()
        self._validated = 0

    def accounts(self, venue: int) -> list[int]:
        """Everybody a venue ever opened."""
        return list(range(1, self._opened[venue] + 1))

    def brought_atoms(self, venue: int) -> int:
        """Deposits of a venue less withdrawals, paid and asked for."""
        mine = [purse for (where, _), purse in self.purses.items() if where == venue]
        pending = sum(sum(purse.pending_atoms.values()) for purse in mine)
        return sum(purse.deposited_atoms - purse.withdrawn_atoms for purse in mine) - pending

    def block(self, seen: Seen) -> list[str]:
        """See `Auditor`. What commands did must be what events tell, neither more nor less."""
        wanted: Counter[tuple[object, ...]] = Counter()
        for venue, _, _, _ in (*seen.taken("open_accounts"), *seen.taken("open_subaccounts")):
            self._opened[venue] += 1
        for venue, columns, row, _ in seen.taken("deposits"):
            amount = columns.amount_atoms[row]
            self._purse(venue, columns.account[row]).deposited_atoms += amount
            wanted["deposited", venue, columns.account[row], amount] += 1
        faults = self._decisions(seen, wanted) + self._withdrawals(seen, wanted)
        for _, columns, _, _ in seen.taken("validator_progress"):
            self._validated = columns.validated_height
        told = _told(seen)
        for what in sorted((wanted - told).keys(), key=str):
            faults.append(f"{what} was answered as done, no event tells it")
        for what in sorted((told - wanted).keys(), key=str):
            faults.append(f"{what} is told, no command did it")
        return faults

    def _decisions(self, seen: Seen, wanted: Counter[tuple[object, ...]]) -> list[str]:
        faults = []
        for venue, columns, row, _ in seen.taken("withdrawal_decisions"):
            account, number, confirmed = columns.account[row], columns.withdrawal[row], columns.confirm[row] == 1
            purse = self._purse(venue, account)
            if number not in purse.pending_atoms:
                faults.append(f"venue {venue} account {account}: withdrawal {number} was decided and is not pending")
                continue
            if confirmed and number >> _COMMAND_BITS > max(self._validated, self._progress(seen)):
                faults.append(f"venue {venue} account {account}: withdrawal {number} was paid before it was validated")
            amount = purse.pending_atoms.pop(number)
            purse.withdrawn_atoms += amount if confirmed else 0
            wanted["decided", venue, account, number, amount, confirmed] += 1
        return faults

    def _progress(self, seen: Seen) -> int:
        return max((columns.validated_height for _, columns, _, _ in seen.taken("validator_progress")), default=0)

    def _withdrawals(self, seen: Seen, wanted: Counter[tuple[object, ...]]) -> list[str]:
        faults = []
        for venue, columns, row, told in seen.taken("withdrawals"):
            account, amount, number = columns.account[row], columns.amount_atoms[row], told.reference
            if number >> _COMMAND_BITS != seen.height:
                faults.append(f"venue {venue} account {account}: withdrawal {number} has another height's number")
            self._purse(venue, account).pending_atoms[number] = amount
            wanted["requested", venue, account, number, amount] += 1
        return faults

    def compare(self, view: batches_pb2.AccountView) -> list[str]:
        """An account as the node shows it."""
        purse = self._purse(view.venue, view.account)
        pending = {one.withdrawal: one.amount_atoms for one in view.withdrawals}
        ours = (purse.deposited_atoms, purse.withdrawn_atoms, sum(purse.pending_atoms.values()), purse.pending_atoms)
        theirs = (view.deposited_atoms, view.withdrawn_atoms, view.pending_withdrawal_atoms, pending)
        if ours == theirs:
            return []
        return [f"venue {view.venue} account {view.account}: deposited, withdrawn, pending are {theirs}, not {ours}"]

    def _purse(self, venue: int, account: int) -> Purse:
        return self.purses.setdefault((venue, account), Purse())


def _told(seen: Seen) -> Counter[tuple[object, ...]]:
    """What events say of money in and out."""
    told: Counter[tuple[object, ...]] = Counter()
    for event in seen.events:
        match event.WhichOneof("body"):
            case "deposited":
                told["deposited", event.venue, event.account, event.deposited.amount_atoms] += 1
            case "withdrawal_requested":
                asked = event.withdrawal_requested
                told["requested", event.venue, event.account, asked.withdrawal, asked.amount_atoms] += 1
            case "withdrawal_decided":
                done = event.withdrawal_decided
                told["decided", event.venue, event.account, done.withdrawal, done.amount_atoms, done.confirmed] += 1
    return told
