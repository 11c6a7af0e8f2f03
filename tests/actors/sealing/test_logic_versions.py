"""Versions of a rulebook's logic: named when a venue is made, raised by an operator, never lowered."""

import pytest

from actors.registry import Registry
from actors.rulebooks.versions import NAMES, UnknownLogicVersion, header_name, newest
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from tests.actors.newer_seals import PERENNIAL, SPIN, NewerSeals

OUT, STRANGE = "PARAMETER_OUT_OF_BOUNDS", "WRONG_RULEBOOK"


def asking(
    seals: NewerSeals, version: int, venue: int = PERENNIAL, rulebook: int | None = None
) -> commands.CommandBatch:
    """The parameters in force with another version of the logic, by another rulebook's name where one is given."""
    made = seals.batch("set_parameters", venue)
    wanted = made.set_parameters.venue
    wanted.CopyFrom(seals.registry.directory.venues[venue].terms)
    wanted.logic_version = version
    if rulebook is not None:
        wanted.rulebook = rulebook
    return made


def in_force(seals: NewerSeals) -> tuple[int, str]:
    """The version as the parameters say it and as headers do."""
    terms = seals.registry.directory.venues[PERENNIAL].terms
    return terms.logic_version, header_name(terms)


def test_a_version_rises_to_the_newest_and_never_falls() -> None:
    seals = NewerSeals()
    assert in_force(seals) == (0, "perennial/1")
    for asked in (0, 1):
        seals.seal(asking(seals, asked))
        assert in_force(seals) == (0, "perennial/1")
    reply = seals.seal(asking(seals, 2))
    assert in_force(seals) == (2, "perennial/2")
    assert [terms.logic_version for terms in reply.changes.venues] == [2]
    assert seals.refusal(asking(seals, 1)) == (OUT, 2, 1)
    seals.seal(asking(seals, 0))
    assert in_force(seals) == (2, "perennial/2")


def test_who_names_another_version_names_the_venue_s_rulebook() -> None:
    seals = NewerSeals()
    assert seals.refusal(asking(seals, 2, rulebook=0)) == (STRANGE, common.RULEBOOK_PERENNIAL, 0)
    assert seals.refusal(asking(seals, 2, SPIN, common.RULEBOOK_PERENNIAL)) == (
        STRANGE,
        common.RULEBOOK_SPIN,
        common.RULEBOOK_PERENNIAL,
    )
    assert in_force(seals) == (0, "perennial/1")


def test_what_a_newer_program_journaled_is_not_executed_and_the_sentence_says_why() -> None:
    beyond = newest(common.RULEBOOK_PERENNIAL) + 1
    sentence = (
        f"lives under perennial/{beyond}, and this program knows perennial up to version {beyond - 1}: the journal"
    )
    seals = NewerSeals()
    with pytest.raises(UnknownLogicVersion, match=rf"venue 4 \(perennial\) {sentence}"):
        seals.seal(asking(seals, beyond))
    seals, listing = NewerSeals(), parameters.VenueParameters()
    listing.CopyFrom(seals.registry.directory.venues[PERENNIAL].terms)
    listing.venue, listing.name, listing.logic_version = 9, "ninth", beyond
    with pytest.raises(UnknownLogicVersion, match=rf"venue 9 \(ninth\) {sentence}"):
        seals.seal(seals.batch("create_venue", 9, parameters=listing))
    # A snapshot of the newer program's either.
    seals.registry.directory.venues[PERENNIAL].terms.logic_version = beyond
    with pytest.raises(UnknownLogicVersion, match=rf"venue 4 \(perennial\) {sentence}"):
        Registry().restore([seals.registry.snapshot()])


def test_every_rulebook_has_a_first_version() -> None:
    assert {rulebook for rulebook in NAMES if newest(rulebook) >= 1} == set(common.Rulebook.values()) - {0}
    assert newest(0) == 0
