"""The registry: turns a frame into rows for the actors. Request keys, account numbers, parameters, safety switches.

Everything a command can be refused for without looking at an account is refused here, so that what travels on is sound:
known venue, market and account, numbers in their bounds. It is called first in every block, beside the sequencer.
"""

from bisect import insort
from collections.abc import Sequence
from typing import Any

from blake3 import blake3

from actors.columns import add_row
from actors.contract import NO_HASH, Actor
from actors.rulebooks.versions import check_known
from actors.sealing.batches import BatchChecks
from actors.sealing.changes import Changes
from actors.sealing.directory import Directory, Venue
from actors.sealing.routing import Router
from actors.sealing.rulebooks import WITH_BOOKS
from actors.sinks import NO_COMMAND, REGISTRY, AnswerSink, EventSink
from actors.wide_messages import wide
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import snapshots_pb2 as snapshots


class Registry(Actor):
    """Venues, markets, account numbers, request keys, dead man's switches, the validator's progress."""

    call_type = batches.RegistryCall

    def __init__(self) -> None:
        super().__init__()
        self.directory = Directory()
        self._keys: dict[bytes, tuple[int, int]] = {}
        self._by_expiry: list[tuple[int, bytes]] = []
        self._key_chain = NO_HASH

    def decide(self, call: Any) -> batches.RegistryReply:
        """Seals one frame: parameters that fall due, dead man's switches, then the batches in order."""
        block, directory = call.input, self.directory
        sink = EventSink()
        answers = AnswerSink(sink)
        reply = wide(batches.RegistryReply, height=block.height)
        directory.block_time_ms = block.block_time_ms
        self._forget_expired_keys(block.block_time_ms)
        changes = Changes(directory, reply.changes, sink)
        changes.fall_due()
        self._fire_dead_men(reply.commands)
        checks = BatchChecks(directory, block, self._keys)
        first_command = 0
        router = Router(directory, reply, changes, sink, answers, frozenset(call.voided))
        for batch in block.batches:
            count, refused = checks.check(batch)
            if refused:
                for command in range(first_command, first_command + count):
                    answers.refuse((REGISTRY, command, 0, 0), command, refused, batch.venue)
            else:
                self._remember_key(checks.key_digest(batch), batch.expires_ms, block.height)
                router.route(batch, first_command)
            reply.batch_rows.append(count)
            first_command += count
        router.end()
        if len(sink):
            sink.put(reply.events)
        if len(answers):
            answers.put(reply.outcomes)
        reply.venues.extend(sorted(directory.venues))
        reply.validated_height = directory.validated_height
        if call.header.root:
            reply.digest = self.digest()
        return reply

    def _forget_expired_keys(self, now_ms: int) -> None:
        expired = 0
        for expires_ms, digest in self._by_expiry:
            if expires_ms >= now_ms:
                break
            del self._keys[digest]
            expired += 1
        del self._by_expiry[:expired]

    def _remember_key(self, digest: bytes, expires_ms: int, height: int) -> None:
        self._keys[digest] = (expires_ms, height)
        insort(self._by_expiry, (expires_ms, digest))
        self._key_chain = blake3(self._key_chain + digest + expires_ms.to_bytes(8, "big")).digest()

    def _fire_dead_men(self, rows: batches.ShardCommands) -> None:
        """Cancel-all, in the rows of the venue's rulebook, for every account whose dead man's time has come."""
        directory = self.directory
        due = sorted(key for key, deadline in directory.dead_men.items() if deadline <= directory.block_time_ms)
        for venue, account in due:
            del directory.dead_men[venue, account]
            if directory.venues[venue].terms.rulebook in WITH_BOOKS:
                add_row(rows.book_cancels, NO_COMMAND, venue, account, 0, 0, 0)
            else:
                add_row(rows.cancels, NO_COMMAND, venue, account, 0, 0)

    def digest(self) -> bytes:
        """The state with the keys named by their chain, so that a root does not read them all."""
        state = self._state()
        del state.keys[:]
        return blake3(state.SerializeToString(deterministic=True)).digest()

    def _state(self) -> snapshots.RegistryState:
        directory = self.directory
        state = snapshots.RegistryState(
            validated_height=directory.validated_height,
            has_validator=directory.has_validator,
            block_time_ms=directory.block_time_ms,
            key_chain=self._key_chain,
        )
        for number in sorted(directory.venues):
            venue = directory.venues[number]
            state.venues.add(
                parameters=venue.terms,
                next_account=venue.next_account,
                deposited_atoms=venue.deposited_atoms,
                subaccounts=[
                    snapshots.Subaccount(account=account, owner=owner)
                    for account, owner in sorted(venue.owners.items())
                ],
            )
            state.markets.extend(venue.markets[market] for market in sorted(venue.markets))
        for _, (effective_ms, market) in sorted(directory.pending_markets.items(), key=lambda entry: entry[0]):
            state.pending_markets.add(parameters=market, effective_ms=effective_ms)
        for effective_ms, terms in directory.pending:
            state.pending.add(parameters=terms, effective_ms=effective_ms)
        for (venue_number, account), deadline_ms in sorted(directory.dead_men.items()):
            state.dead_men.add(venue=venue_number, account=account, deadline_ms=deadline_ms)
        return state

    def save(self) -> bytes:
        """Everything, the keys too."""
        state = self._state()
        for expires_ms, digest in self._by_expiry:
            state.keys.add(digest=digest, expires_ms=expires_ms, height=self._keys[digest][1])
        return state.SerializeToString(deterministic=True)

    def load(self, bodies: Sequence[bytes]) -> None:
        """Takes what `save` gave."""
        (body,) = bodies
        state = snapshots.RegistryState.FromString(body)
        directory = self.directory
        directory.validated_height, directory.has_validator = state.validated_height, state.has_validator
        directory.block_time_ms = state.block_time_ms
        for entry in state.venues:
            check_known(entry.parameters)
            owners = {held.account: held.owner for held in entry.subaccounts}
            directory.venues[entry.parameters.venue] = Venue(
                entry.parameters, {}, entry.next_account, entry.deposited_atoms, owners
            )
        for market in state.markets:
            directory.venues[market.venue].markets[market.market] = market
        for waiting in state.pending_markets:
            key = (waiting.parameters.venue, waiting.parameters.market)
            directory.pending_markets[key] = (waiting.effective_ms, waiting.parameters)
        directory.pending = [(pending.effective_ms, pending.parameters) for pending in state.pending]
        directory.dead_men = {(man.venue, man.account): man.deadline_ms for man in state.dead_men}
        self._keys = {key.digest: (key.expires_ms, key.height) for key in state.keys}
        self._by_expiry = [(key.expires_ms, key.digest) for key in state.keys]
        self._key_chain = state.key_chain
