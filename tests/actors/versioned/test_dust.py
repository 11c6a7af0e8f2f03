"""Realising late, often or in one step: the floor keeps dust, the market has it, nothing is made or lost (PE-10)."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.actors.versioned.shard import ACCOUNTS, LONG, MAKER, MARKET, MOVED, SHORT, Shard, op_leg, record, version_leg

BIG = 1 << 58
moves = st.tuples(*(st.integers(-(10**7), 10**7) for _ in range(3)))
sizes = st.tuples(st.sampled_from((0, MAKER, LONG, SHORT)), st.integers(1, 10**7))


def sides(kind: int, lots: int) -> tuple[int, int, int]:
    maker, long, short = (lots * (side == kind) for side in (MAKER, LONG, SHORT))
    return maker, long, short


def owed_e6(shard: Shard) -> int:
    """What the holdings of the market come to, 1e-6 atoms."""
    ((_, _, collateral, unsettled, unsettled_rest, dust, dust_rest, *_),) = shard.book.holdings()
    assert 0 <= unsettled_rest < 10**6 and 0 <= dust_rest < 10**6
    return (collateral + unsettled + dust) * 10**6 + unsettled_rest + dust_rest


@settings(max_examples=60)
@given(st.lists(st.tuples(moves, st.sampled_from(ACCOUNTS), st.booleans(), sizes), max_size=12))
def test_what_accounts_and_dust_come_to_is_lots_times_value(steps):
    """By hand beside the shard: every move of a value is worth the lots held while it moved, to the millionth."""
    shard = Shard()
    values, held, exact_e6 = (0, 0, 0), dict.fromkeys(ACCOUNTS, (0, 0, 0)), 0
    for move, account, is_order, (kind, lots) in steps:
        values_now = (values[0] + move[0], values[1] + move[1], values[2] + move[2])
        exact_e6 += sum(one * by for lots_held in held.values() for one, by in zip(lots_held, move, strict=True))
        if is_order:
            leg = version_leg(account, sides(kind, lots), values_now)
            held[account] = sides(kind, lots)
            shard.block([leg], versions=[record(1, values_now)])
        else:
            shard.block(versions=[record(1, values_now)])
            shard.block([op_leg(account, MOVED)])
        values = values_now
        assert owed_e6(shard) == exact_e6
        ((*_, maker, long, short),) = shard.book.holdings()
        assert (maker, long, short) == tuple(sum(column) for column in zip(*held.values(), strict=True))


@settings(max_examples=60)
@given(sizes, st.lists(moves, min_size=1, max_size=8))
def test_lazily_is_one_step_and_often_never_more(size, path):
    kind, lots = size
    if kind == 0:
        kind = MAKER
    shard = Shard()
    for account in (1, 2):
        shard.hold(account, kind, lots, 0)
    values = (0, 0, 0)
    for move in path:
        values = (values[0] + move[0], values[1] + move[1], values[2] + move[2])
        shard.block([op_leg(1, MOVED)], versions=[record(1, values)])
    lazy = lots * values[kind - 1] // 10**6
    assert shard.row(2).collateral == 0 and shard.book.standing_floor_atoms(shard.row(2)) == lazy
    shard.block([op_leg(1, MOVED), op_leg(2, MOVED, command=1)])
    assert shard.row(2).collateral == lazy and shard.row(2).basis == values[kind - 1]
    assert lazy - len(path) <= shard.row(1).collateral <= lazy


def test_sums_and_dust_beyond_64_bits_stay_exact():
    """A market that has lost and won for very long: lots * basis leaves an int64, what is owed does not."""
    shard = Shard()
    for account, basis in ((1, BIG), (2, BIG + 7), (3, BIG + 2)):
        shard.hold(account, LONG, 1 << 40, account, basis=basis)
    shard.block(versions=[record(1, (0, BIG + 9, 0))])
    assert shard.book.positions.holdings[MARKET].basis_e6[LONG - 1] > 1 << 63
    assert owed_e6(shard) == 6 * 10**6 + (1 << 40) * (9 + 2 + 7)
    shard.block([op_leg(account, MOVED, command=account) for account in (1, 2, 3)])
    assert owed_e6(shard) == 6 * 10**6 + (1 << 40) * (9 + 2 + 7)
