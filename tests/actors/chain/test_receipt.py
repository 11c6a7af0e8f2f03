"""Receipts: true ones hold offline; one tampered byte or field and they are refused with a reason."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from actors.chain import merkle
from actors.chain.numbering import number_events
from actors.chain.receipt import check_receipt, make_receipt
from actors.chain.roots import header_hash, serialise_header
from actors.pending_events import pending_bytes
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import blocks_pb2 as blocks
from breakwater.v1 import events_pb2 as events
from tests.building import LONG, Chain, parsed

KEY = SigningKey(b"k" * 32)
PUBLIC = bytes(KEY.verify_key)


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Ed25519 by the library itself."""
    try:
        VerifyKey(public_key).verify(message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


def sign(header: bytes) -> blocks.SignedHeader:
    return blocks.SignedHeader(header=header, signature=KEY.sign(header_hash(header)).signature)


@cache
def crash() -> tuple[list[bytes], blocks.BlockHeader, Any]:
    """Events and header of a block that liquidates, and the venue's parameters."""
    chain = Chain()
    chain.start()
    chain.seal(chain.opens((2, LONG, 10**6, 5_000), (3, LONG, 10**6, 4_000), (4, -LONG, 10**6, 1_000)))
    chain.seal()
    result = chain.seal(chain.ticks(48_000))
    return result.events, result.header, chain.replica.state.venues[1]


def receipt(index: int | None = None) -> blocks.Receipt:
    numbered, header, venue = crash()
    liquidated = [event.index for event in parsed(numbered) if event.HasField("position_liquidated")]
    return make_receipt(numbered, liquidated[0] if index is None else index, sign(serialise_header(header)), venue)


def test_every_event_of_a_block_has_a_receipt_that_holds() -> None:
    numbered, header, _ = crash()
    for index in range(len(numbered)):
        verdict = check_receipt(receipt(index), PUBLIC, verify)
        assert verdict.ok, verdict.reason
        assert f"event {index} of {header.event_count} in block {header.height}" in verdict.facts[0]


def test_a_liquidation_s_receipt_says_what_it_proves_and_what_is_taken_on_trust() -> None:
    made = receipt()
    body = events.Event.FromString(made.event).position_liquidated
    verdict = check_receipt(made, PUBLIC, verify)
    assert [tag for tag in ("TW-10", "TW-11") if any(tag in fact for fact in verdict.facts)] == ["TW-10", "TW-11"]
    assert f"margin seized {body.margin_held_atoms} atoms" in verdict.facts[-1]
    assert any("not zero-knowledge" in line for line in made.on_trust)
    assert check_receipt(blocks.Receipt.FromString(made.SerializeToString()), PUBLIC, verify) == verdict


def in_header(change: Callable[[blocks.BlockHeader], None], signed_again: bool) -> Callable[[blocks.Receipt], None]:
    def tamper(made: blocks.Receipt) -> None:
        header = blocks.BlockHeader.FromString(made.header.header)
        change(header)
        altered = serialise_header(header)
        if signed_again:
            made.header.CopyFrom(sign(altered))
        else:
            made.header.header = altered

    return tamper


def in_event(change: Callable[[events.Event], None]) -> Callable[[blocks.Receipt], None]:
    def tamper(made: blocks.Receipt) -> None:
        event = events.Event.FromString(made.event)
        change(event)
        made.event = event.SerializeToString(deterministic=True)

    return tamper


def rebuilt(change: Callable[[events.Event], None]) -> Callable[[blocks.Receipt], None]:
    """A block forged whole: event, root and signature agree; only the rules of the venue speak against it."""

    def tamper(made: blocks.Receipt) -> None:
        in_event(change)(made)
        numbered = [*crash()[0]]
        numbered[made.index] = made.event
        del made.path[:]
        made.path.extend(merkle.path(numbered, made.index))
        in_header(lambda header: setattr(header, "events_root", merkle.root(numbered)), True)(made)

    return tamper


def body(name: str, value: int) -> Callable[[events.Event], None]:
    return lambda event: setattr(event.position_liquidated, name, value)


def flip(made: blocks.Receipt) -> None:
    made.header.signature = bytes([made.header.signature[0] ^ 1]) + made.header.signature[1:]


def first_path(made: blocks.Receipt) -> None:
    made.path[0] = bytes(32)


NOT_SIGNED, NOT_UNDER = "not signed by this validator", "not under the header's events root"
NOT_OF = "does not belong to this header"
TAMPERED: list[tuple[str, Callable[[blocks.Receipt], None], str]] = [
    ("signature", flip, NOT_SIGNED),
    ("no signature", lambda made: made.header.ClearField("signature"), NOT_SIGNED),
    ("header", in_header(lambda header: setattr(header, "epoch", 9), False), NOT_SIGNED),
    ("marks of the header", in_header(lambda header: header.marks.pop(), False), NOT_SIGNED),
    ("unreadable header", lambda made: setattr(made.header, "header", b"\xff"), "cannot be read"),
    ("unreadable event", lambda made: setattr(made, "event", b"\xff\xff"), "cannot be read"),
    ("index", lambda made: setattr(made, "index", made.index + 1), NOT_OF),
    ("count", lambda made: setattr(made, "count", made.count + 1), NOT_UNDER),
    ("height", in_event(lambda event: setattr(event, "height", 1)), NOT_OF),
    ("time", in_event(lambda event: setattr(event, "block_time_ms", 1)), NOT_OF),
    ("account", in_event(lambda event: setattr(event, "account", 1)), NOT_UNDER),
    ("deficit", in_event(body("deficit_atoms", 5)), NOT_UNDER),
    ("path", first_path, NOT_UNDER),
    ("shorter path", lambda made: made.path.pop(), NOT_UNDER),
    ("longer path", lambda made: made.path.append(bytes(32)), NOT_UNDER),
    ("another root", in_header(lambda header: setattr(header, "events_root", bytes(32)), True), NOT_UNDER),
    ("another count", in_header(lambda header: setattr(header, "event_count", 1), True), NOT_UNDER),
    ("no mark", in_header(lambda header: header.marks.pop(), True), "no mark for the market"),
    ("another mark", in_header(lambda h: setattr(h.marks[0], "mark_ticks", 1), True), "not the header's"),
    ("another mark version", in_header(lambda h: setattr(h.marks[0], "version", 9), True), "not the header's"),
    ("parameters", lambda made: setattr(made.parameters.twilight, "maintenance_ratio_e9", 1), "not the rulebook's"),
    ("parameters' version", lambda made: setattr(made.parameters, "version", 2), "not of the version"),
    ("no parameters", lambda made: made.ClearField("parameters"), "not of the version"),
    ("forged equity", rebuilt(body("equity_atoms", 10**6)), "TW-10"),
    ("forged deficit", rebuilt(body("deficit_atoms", 5)), "TW-11"),
    ("forged threshold", rebuilt(body("threshold_ticks", 5)), "TW-06"),
    ("forged size", rebuilt(body("position_size", 5)), "TW-02"),
]


@pytest.mark.parametrize(("tamper", "reason"), [row[1:] for row in TAMPERED], ids=[row[0] for row in TAMPERED])
def test_a_tampered_receipt_is_refused_with_its_reason(tamper: Callable[[blocks.Receipt], None], reason: str) -> None:
    made = receipt()
    tamper(made)
    verdict = check_receipt(made, PUBLIC, verify)
    assert not verdict.ok
    assert reason in verdict.reason
    assert not verdict.facts


def test_another_validator_s_key_does_not_vouch_for_it() -> None:
    other = bytes(SigningKey(b"o" * 32).verify_key)
    assert NOT_SIGNED in check_receipt(receipt(), other, verify).reason
    assert NOT_SIGNED in check_receipt(receipt(), b"short", verify).reason


def test_every_single_byte_of_a_receipt_s_proof_counts() -> None:
    made = receipt()
    for part, length in (("event", len(made.event)), ("header", len(made.header.header))):
        for place in range(0, length, 3):
            forged = blocks.Receipt()
            forged.CopyFrom(made)
            target, name = (forged, "event") if part == "event" else (forged.header, "header")
            content = bytearray(getattr(target, name))
            content[place] ^= 0x10
            setattr(target, name, bytes(content))
            assert not check_receipt(forged, PUBLIC, verify).ok, f"{part} byte {place}"


def test_an_event_that_is_not_there_has_no_receipt() -> None:
    with pytest.raises(IndexError):
        receipt(10_000)


def test_events_are_numbered_in_the_order_of_their_keys() -> None:
    account = [events.Event(venue=1, account=number).SerializeToString() for number in (1, 2, 3)]
    one = batches.PendingEvents(phase=[6, 1], a=[1, 9], b=[2, 0], c=[0, 0], size=map(len, account[:2]))
    one.bodies.extend([account[0] + account[1][:1], account[1][1:]])  # cut anywhere
    other = batches.PendingEvents(phase=[6], a=[1], b=[-1], c=[0], size=[len(account[2])], bodies=account[2:])
    numbered = parsed(number_events([one, batches.PendingEvents(), other], 7, 99))
    assert [(event.index, event.account, event.height, event.block_time_ms) for event in numbered] == [
        (0, 2, 7, 99),
        (1, 3, 7, 99),
        (2, 1, 7, 99),
    ]
    assert number_events([], 7, 99) == []


def test_numbers_are_written_as_the_library_writes_them() -> None:
    draw = np.random.default_rng(3)
    told = [events.Event(venue=1, account=int(draw.integers(1 << 40))) for _ in range(16_500)]
    said = [event.SerializeToString() for event in told]
    keys = np.zeros((4, len(told)), dtype=np.int64)
    keys[2] = draw.integers(0, 99, len(told))
    pending = batches.PendingEvents.FromString(pending_bytes(keys, b"".join(said), list(map(len, said))))
    expected = []
    for index, event in enumerate(told[place] for place in np.argsort(keys[2], kind="stable")):
        event.height, event.index, event.block_time_ms = 1 << 40, index, -1
        expected.append(event.SerializeToString(deterministic=True))
    assert number_events([pending], 1 << 40, -1) == expected
