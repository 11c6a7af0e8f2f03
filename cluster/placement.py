"""Which shard owns which bucket: a value that no outcome depends on, kept beside the journal for the next start.

An account's bucket is its number modulo 1,024, the same on every venue; a shard owns a set of buckets. Roots cover
buckets, never shards, so buckets may move between two blocks and no root, event or answer changes (docs/resharding.md).
"""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from actors.columns import BUCKETS
from breakwater.v1 import refusals_pb2 as refusals

NAME = "placement.json"
MAX_SHARDS = BUCKETS
_OUT_OF_BOUNDS = refusals.REFUSAL_PARAMETER_OUT_OF_BOUNDS
_RUN = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6})(?:/([0-9]{1,6}))?)?")


class PlacementError(Exception):
    """A placement, or a change of one, that cannot be; the message says what is wrong with which number.

    The refusal is what a client is told, with the field and the numbers it concerns.
    """

    def __init__(
        self,
        text: str,
        refusal: "refusals.Refusal" = refusals.REFUSAL_MALFORMED,
        field: str = "",
        numbers: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__(text)
        self.refusal = refusal
        self.field = field
        self.required, self.actual = numbers


@dataclass(frozen=True)
class Owners:
    """The owner of every bucket, among `shards` shards numbered from 0; a shard may own none."""

    shards: int
    of_bucket: tuple[int, ...]

    def __post_init__(self) -> None:
        """Raises PlacementError."""
        if not 1 <= self.shards <= MAX_SHARDS:
            raise PlacementError(f"there are 1 to {MAX_SHARDS:,} shards, not {self.shards}")
        if len(self.of_bucket) != BUCKETS:
            raise PlacementError(f"a placement names the shard of {BUCKETS:,} buckets, not of {len(self.of_bucket):,}")
        for bucket, shard in enumerate(self.of_bucket):
            if not 0 <= shard < self.shards:
                raise PlacementError(f"bucket {bucket} is given to shard {shard}, but there are {self.shards} shards")

    @cached_property
    def array(self) -> np.ndarray:
        """The owner of every bucket, to look many of them up at once."""
        return np.array(self.of_bucket, dtype=np.int64)

    def buckets(self, shard: int) -> tuple[int, ...]:
        """What a shard owns, ascending."""
        return tuple(bucket for bucket, owner in enumerate(self.of_bucket) if owner == shard)


@cache
def even(shards: int) -> Owners:
    """Bucket b to shard b mod `shards`. Raises PlacementError."""
    if not 1 <= shards <= MAX_SHARDS:
        raise PlacementError(f"there are 1 to {MAX_SHARDS:,} shards, not {shards}")
    return Owners(shards, tuple(bucket % shards for bucket in range(BUCKETS)))


def moved(owners: Owners, buckets: Sequence[int], to: int) -> Owners:
    """The placement with these buckets at another shard. Raises PlacementError unless every one of them moves."""
    if not buckets:
        raise PlacementError("no bucket was named", field="buckets")
    last = owners.shards - 1
    if not 0 <= to <= last:
        text = f"there is no shard {to}: they are numbered 0 to {last}"
        raise PlacementError(text, _OUT_OF_BOUNDS, "to_shard", (last, to))
    for bucket, times in sorted(Counter(buckets).items()):
        if not 0 <= bucket < BUCKETS:
            text = f"there is no bucket {bucket}: they are numbered 0 to {BUCKETS - 1}"
            raise PlacementError(text, _OUT_OF_BOUNDS, "buckets", (BUCKETS - 1, bucket))
        if times > 1:
            raise PlacementError(
                f"bucket {bucket} is named {times} times", field=f"bucket {bucket}", numbers=(1, times)
            )
        if owners.of_bucket[bucket] == to:
            text = f"bucket {bucket} is at shard {to} already"
            raise PlacementError(text, refusals.REFUSAL_NAME_TAKEN, f"bucket {bucket}", (0, to))
    return _with(owners, owners.shards, dict.fromkeys(buckets, to))


def with_more(owners: Owners, count: int, empty: bool) -> Owners:
    """The placement with `count` more shards, behind those there are. Raises PlacementError.

    Unless they are to stay empty, whoever owns most (of several the last) gives one bucket after the other until the
    new ones own no less, or their part of all. What a shard gives is spread over what it has; no bucket moves between
    two shards that were there.
    """
    shards = owners.shards + count
    if count < 1:
        raise PlacementError(f"at least one shard is added, not {count}", _OUT_OF_BOUNDS, "count", (1, count))
    if shards > MAX_SHARDS:
        text = f"{owners.shards} shards and {count:,} more are more than there are buckets, {MAX_SHARDS:,}"
        raise PlacementError(text, _OUT_OF_BOUNDS, "count", (MAX_SHARDS - owners.shards, count))
    given = [] if empty else sorted(_given(owners, count))
    return _with(owners, shards, {bucket: owners.shards + place % count for place, bucket in enumerate(given)})


def _given(owners: Owners, count: int) -> Iterator[int]:
    """What those that are there give to so many new ones."""
    held = [owners.buckets(shard) for shard in range(owners.shards)]
    left = [len(buckets) for buckets in held]
    for place in range(count * -(-BUCKETS // (owners.shards + count))):
        richest = max(range(owners.shards), key=lambda one: (left[one], one))
        if left[richest] <= place // count + 1:
            break
        left[richest] -= 1
    for buckets, stays in zip(held, left, strict=True):
        gives = len(buckets) - stays
        places = range(len(buckets))
        yield from (
            buckets[place] for place in places if (place + 1) * gives // len(buckets) > place * gives // len(buckets)
        )


def _with(owners: Owners, shards: int, changes: dict[int, int]) -> Owners:
    return Owners(shards, tuple(changes.get(bucket, owner) for bucket, owner in enumerate(owners.of_bucket)))


def changed_shards(before: Owners, after: Owners) -> tuple[int, ...]:
    """Shards whose set of buckets is another, and those that are new; ascending."""
    pairs = zip(before.of_bucket, after.of_bucket, strict=True)
    touched = {shard for old, new in pairs if old != new for shard in (old, new)}
    return tuple(sorted(touched | set(range(before.shards, after.shards))))


def save(owners: Owners, data_dir: Path) -> None:
    """Writes `placement.json`, whole or not at all: ranges of buckets by shard, for a person to read."""
    shards = [{"shard": shard, "buckets": ranges(owners.buckets(shard))} for shard in range(owners.shards)]
    text = "[\n" + ",\n".join(json.dumps(shard) for shard in shards) + "\n]\n"
    path = data_dir / NAME
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    directory = os.open(data_dir, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def load(data_dir: Path, shards: int, notice: Callable[[str], None] = lambda text: None) -> Owners:
    """The saved placement where it is one of so many shards, else an even one. Raises PlacementError.

    The command line decides how many shards there are: `--shards` with another number is a new, even placement.
    """
    path = data_dir / NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return even(shards)
    owners = _parsed(text, path)
    if owners.shards == shards:
        return owners
    notice(f"{NAME} is of {owners.shards} shards and the node has {shards}: buckets are spread evenly")
    return even(shards)


def _parsed(text: str, path: Path) -> Owners:
    of_bucket = [-1] * BUCKETS
    try:
        listed = json.loads(text)
        for number, entry in enumerate(listed):
            if entry["shard"] != number:
                raise PlacementError(f"{path}: shard {entry['shard']} stands where shard {number} belongs")
            for bucket in buckets_in(entry["buckets"]):
                if of_bucket[bucket] != -1:
                    raise PlacementError(f"{path}: bucket {bucket} has two shards, {of_bucket[bucket]} and {number}")
                of_bucket[bucket] = number
    except (ValueError, TypeError, KeyError) as error:
        raise PlacementError(f"{path} is no placement: {error}; without the file buckets are spread evenly") from error
    if -1 in of_bucket:
        raise PlacementError(f"{path}: bucket {of_bucket.index(-1)} has no shard")
    return Owners(len(listed), tuple(of_bucket))


def ranges(buckets: Iterable[int]) -> str:
    """Numbers in a few words: `0-7,12` for neighbours, `0-1022/2` for every second."""
    left, words = sorted(buckets), []
    while left:
        step = left[1] - left[0] if len(left) > 1 else 1
        count = next((at for at, bucket in enumerate(left) if bucket != left[0] + at * step), len(left))
        if count < 3 and step > 1:
            count = 1
        words.append(_word(left[0], left[count - 1], step))
        left = left[count:]
    return ",".join(words)


def _word(first: int, last: int, step: int) -> str:
    if first == last:
        return f"{first}"
    return f"{first}-{last}" if step == 1 else f"{first}-{last}/{step}"


def buckets_in(words: str) -> list[int]:
    """The buckets of `0-7,12,20-30/2`, in the order written. Raises PlacementError."""
    return [bucket for word in filter(None, words.split(",")) for bucket in _run(word.strip())]


def _run(word: str) -> range:
    match = _RUN.fullmatch(word)
    if match is None:
        raise PlacementError(f"{word!r} is no bucket and no range of buckets, such as 7, 0-7 or 0-30/2")
    first, last, step = (int(number) if number else None for number in match.groups())
    assert first is not None
    run = range(first, (first if last is None else last) + 1, 1 if step is None else max(step, 1))
    if not run or run[-1] >= BUCKETS or step == 0:
        raise PlacementError(f"{word!r} is no range of buckets: they are numbered 0 to {BUCKETS - 1}, and ascend")
    return run
