"""Versions of the rulebooks' logic: what each changed, and whether it is in force at a venue.

A journal is replayed under the version its venue lived under, so what a version says never changes again: another rule
is another version. The table is printed in docs/logic-versions.md; what follows it is the only place that compares.
"""

from typing import NamedTuple

from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters

NAMES: dict["common.Rulebook", str] = {
    common.RULEBOOK_TWILIGHT: "twilight",
    common.RULEBOOK_MARGIN_TRADE: "margin-trade",
    common.RULEBOOK_PERENNIAL: "perennial",
    common.RULEBOOK_SPIN: "spin",
}


class UnknownLogicVersion(Exception):
    """A venue lives under logic this program does not have: the journal was written by a newer one."""

    def __init__(self, terms: parameters.VenueParameters) -> None:
        name, known = NAMES.get(terms.rulebook, "?"), newest(terms.rulebook)
        super().__init__(
            f"venue {terms.venue} ({terms.name}) lives under {name}/{terms.logic_version}, and this program knows "
            f"{name} up to version {known}: the journal was written by a newer program, which must run it"
        )


class LogicChange(NamedTuple):
    """One rule that is another from a version on."""

    rulebook: "common.Rulebook"
    version: int
    tag: str
    what: str

    def is_in_force(self, terms: parameters.VenueParameters) -> bool:
        """Whether a venue of these parameters lives under the changed rule."""
        return terms.rulebook == self.rulebook and in_force(terms) >= self.version


_FROZEN_MAY_CLOSE = LogicChange(
    common.RULEBOOK_PERENNIAL,
    2,
    "PE-03",
    "a frozen account may reduce what it pinned last, moving no collateral; before, it could change nothing",
)
_REWARD_IS_CUT = LogicChange(
    common.RULEBOOK_PERENNIAL,
    2,
    "PE-09",
    "a liquidator who asks for more than the limit is paid the limit (`reward_asked_atoms` says what was asked); "
    "before, and with `v2_exact`, it is refused as REWARD_ABOVE_LIMIT",
)
CHANGES = (
    *(LogicChange(rulebook, 1, "all", "the rulebook as it was first released") for rulebook in NAMES),
    _FROZEN_MAY_CLOSE,
    _REWARD_IS_CUT,
)


def newest(rulebook: "common.Rulebook") -> int:
    """The highest version of a rulebook there is here; 0 for no rulebook."""
    return max((change.version for change in CHANGES if change.rulebook == rulebook), default=0)


def name_newest(terms: parameters.VenueParameters) -> None:
    """What the door does with parameters of a new venue that name no version."""
    terms.logic_version = terms.logic_version or newest(terms.rulebook)


def in_force(terms: parameters.VenueParameters) -> int:
    """The version a venue lives under: parameters that name none are of the first."""
    return terms.logic_version or 1


def header_name(terms: parameters.VenueParameters) -> str:
    """The rulebook with its version, as block headers name it."""
    return f"{NAMES[terms.rulebook]}/{in_force(terms)}"


def check_known(terms: parameters.VenueParameters) -> None:
    """Raises UnknownLogicVersion where the parameters name a version above the newest."""
    if terms.logic_version > newest(terms.rulebook) > 0:
        raise UnknownLogicVersion(terms)


def frozen_may_close(terms: parameters.VenueParameters) -> bool:
    """Perennial: whether a frozen account may still make its position smaller."""
    return _FROZEN_MAY_CLOSE.is_in_force(terms)


def reward_is_cut(terms: parameters.VenueParameters) -> bool:
    """Perennial: whether a reward above the limit is paid up to it instead of refused (PE-09)."""
    return _REWARD_IS_CUT.is_in_force(terms) and not terms.perennial.v2_exact


def as_markdown() -> str:
    """The table of all versions."""
    lines = ["| rulebook | version | rule | what it says from there on |", "|---|---|---|---|"]
    ordered = sorted(CHANGES, key=lambda change: (change.rulebook, change.version))
    return "\n".join(
        [*lines, *(f"| {NAMES[one.rulebook]} | {one.version} | {one.tag} | {one.what} |" for one in ordered)]
    )
