"""What a mind has asked for: calls without an answer, what is done and not yet seen, what refusals taught."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from node.bots.intents import Intent

_LONGEST_PAUSE_BLOCKS: Final = 64
_NOBODY_KNOWS: Final = 1 << 62

Concern = tuple[int, int]


@dataclass(slots=True)
class _Taught:
    """`most` holds until the table has come to `until_height`; before `again_height` nothing is asked about it."""

    until_height: int
    most: int
    refusals: int
    again_height: int


class Outstanding:
    """Concerns are (target, market). Heights are those of the feed."""

    def __init__(self) -> None:
        """Nothing asked, nothing learned."""
        self.sequence = 0
        self._calls: dict[int, Intent] = {}
        # Done at a height; the table tells of it from the second number on.
        self._landing: list[tuple[int, Intent, int]] = []
        self._taught: dict[Concern, _Taught] = {}

    def next_sequence(self) -> int:
        """A number for one more intent."""
        self.sequence += 1
        return self.sequence

    def send(self, intent: Intent) -> None:
        """The intent is out from now on."""
        self._calls[intent.sequence] = intent

    def close(self, intent: Intent) -> bool:
        """The intent is answered; False where nobody waits for it any more."""
        return self._calls.pop(intent.sequence, None) is not None

    def land(self, intent: Intent, lots: int, seen_height: int) -> None:
        """Done: its lots count until the table has come to the height that shows them."""
        self._landing.append((seen_height, intent, lots))
        self._taught.pop(intent.concerns, None)

    def teach(self, concern: Concern, until_height: int, most: int) -> None:
        """Refused at a height: no more than `most` before the table has come there.

        Whoever is refused again and again although the table says otherwise waits longer every time.
        """
        refusals = min(32, self._taught[concern].refusals + 1) if concern in self._taught else 1
        pause = min(_LONGEST_PAUSE_BLOCKS, (1 << (refusals - 1)) - 1)
        self._taught[concern] = _Taught(until_height, most, refusals, until_height + pause)

    def most(self, concern: Concern, height: int) -> int:
        """What the last refusal leaves to ask for, at the table's height; 0: nothing now."""
        taught = self._taught.get(concern)
        if taught is None:
            return _NOBODY_KNOWS
        if height < taught.until_height:
            return taught.most if taught.refusals == 1 else 0
        return 0 if height < taught.again_height else _NOBODY_KNOWS

    def forget(self, concern: Concern) -> None:
        """The table itself now says there is nothing to ask for: the next time is a first time."""
        self._taught.pop(concern, None)

    def taught(self) -> list[Concern]:
        """Concerns with a refusal that still counts."""
        return list(self._taught)

    def is_out(self, concern: Concern) -> bool:
        """Whether a call about it has no answer, or one the table does not show yet."""
        return any(intent.concerns == concern for intent in self._pending())

    def busy(self) -> set[Concern]:
        """All concerns for which `is_out`."""
        return {intent.concerns for intent in self._pending()}

    def lots_by_market(self) -> dict[int, int]:
        """Lots that takeovers out, or done and not seen, may bring; unsigned."""
        lots: dict[int, int] = {}
        for intent, expected in self._with_lots():
            if intent.concerns[0]:
                lots[intent.market] = lots.get(intent.market, 0) + expected
        return lots

    def came_to(self, height: int) -> None:
        """The table shows all that was done up to this height."""
        self._landing = [entry for entry in self._landing if entry[0] > height]

    def restart(self, height: int) -> None:
        """Everything is listed anew: answers that are still out will find nobody waiting."""
        self._calls.clear()
        self._taught.clear()
        self.came_to(height)

    @property
    def calls(self) -> int:
        """How many answers are out."""
        return len(self._calls)

    def _pending(self) -> list[Intent]:
        return [*self._calls.values(), *(intent for _, intent, _ in self._landing)]

    def _with_lots(self) -> list[tuple[Intent, int]]:
        out = [(intent, getattr(intent, "lots", 0)) for intent in self._calls.values()]
        return out + [(intent, lots) for _, intent, lots in self._landing]
