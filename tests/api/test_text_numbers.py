"""Decimal text at the door: what is taken, and by which name the rest is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.units import PRICE_BOUND
from breakwater.v1 import refusals_pb2
from node.guards.decimals import KEPT, amount_atoms, leverage_hundredths, new_size_lots, price_text, price_ticks
from node.guards.refusals import INT64_MAX, Refused

USD_E9 = 1_000_000_000
CENT_E9 = 10_000_000


def refused(text: str, tick_size_e9: int = USD_E9) -> tuple[int, int, int]:
    with pytest.raises(Refused) as caught:
        price_ticks(text, tick_size_e9, "price")
    assert caught.value.field == "price"
    return caught.value.refusal, caught.value.required, caught.value.actual


@pytest.mark.parametrize(
    ("text", "hundredths"), [("1", 100), ("50", 5_000), ("12.5", 1_250), ("12.34", 1_234), ("07", 700), ("2.5000", 250)]
)
def test_leverage_is_taken(text: str, hundredths: int) -> None:
    assert leverage_hundredths(text, 100, 5_000) == hundredths


@pytest.mark.parametrize(
    ("text", "required", "actual"),
    [
        ("0", 100, 0),
        ("0.99", 100, 99),
        ("-1", 100, -100),
        ("51", 5_000, 5_100),
        ("50.01", 5_000, 5_001),
        ("9" * 18, 5_000, INT64_MAX),
        ("9" * 5_000, 5_000, INT64_MAX),
        *(
            (text, 100, -1)
            for text in ("", " 5", "5 ", "NaN", "inf", "1e3", "12.345", "+5", "5.", ".5", "1_0", "\u0665", "5\n")
        ),
        ("x" * 5_000, 100, -1),
    ],
)
def test_leverage_is_refused(text: str, required: int, actual: int) -> None:
    with pytest.raises(Refused) as caught:
        leverage_hundredths(text, 100, 5_000)
    assert caught.value.refusal == refusals_pb2.REFUSAL_LEVERAGE_OUT_OF_RANGE
    assert (caught.value.required, caught.value.actual) == (required, actual)


@pytest.mark.parametrize(
    "text", ["", " 1", "NaN", "1e5", "0x10", "1,000", "--1", "1.0000000001", "12345678901" * 60 + "x"]
)
def test_price_is_malformed(text: str) -> None:
    assert refused(text) == (refusals_pb2.REFUSAL_MALFORMED, 0, 0)


def test_price_off_tick_says_both_in_the_quote_currency() -> None:
    assert refused("100000.5") == (refusals_pb2.REFUSAL_OFF_TICK, USD_E9, 100_000_500_000_000)
    assert refused("0.001", CENT_E9) == (refusals_pb2.REFUSAL_OFF_TICK, CENT_E9, 1_000_000)


def test_price_not_positive() -> None:
    assert refused("0") == (refusals_pb2.REFUSAL_NOT_POSITIVE, 1, 0)
    assert refused("-5") == (refusals_pb2.REFUSAL_NOT_POSITIVE, 1, -5)


def test_price_beyond_its_bound() -> None:
    assert price_ticks(str(PRICE_BOUND - 1), USD_E9, "price") == PRICE_BOUND - 1
    assert refused(str(PRICE_BOUND)) == (refusals_pb2.REFUSAL_OVERFLOW, PRICE_BOUND, PRICE_BOUND)
    assert refused("9" * 60)[:2] == (refusals_pb2.REFUSAL_OVERFLOW, PRICE_BOUND)


@given(ticks=st.integers(1, PRICE_BOUND - 1), tick_size_e9=st.sampled_from([USD_E9, CENT_E9, 1, 500_000_000, 7]))
def test_a_price_survives_its_text(ticks: int, tick_size_e9: int) -> None:
    assert price_ticks(price_text(ticks, tick_size_e9), tick_size_e9, "price") == ticks


@given(text=st.text(max_size=80))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    try:
        assert 100 <= leverage_hundredths(text, 100, 5_000) <= 5_000
    except Refused as refusal:
        assert refusal.refusal == refusals_pb2.REFUSAL_LEVERAGE_OUT_OF_RANGE


@pytest.mark.parametrize(("text", "lots"), [("", KEPT), ("0", 0), ("0.000", 0), ("-0", 0), ("1.5", 1_500_000)])
def test_a_new_size_is_kept_nothing_or_whole_lots(text: str, lots: int) -> None:
    assert new_size_lots(text, 1_000, "maker") == lots


@pytest.mark.parametrize(("text", "name"), [("x", "MALFORMED"), ("-1", "NOT_POSITIVE"), ("0.0000005", "OFF_LOT")])
def test_a_new_size_that_is_none_is_refused_by_name(text: str, name: str) -> None:
    with pytest.raises(Refused) as caught:
        new_size_lots(text, 1_000, "maker")
    assert refusals_pb2.Refusal.Name(caught.value.refusal) == f"REFUSAL_{name}"


@given(atoms=st.integers(-(1 << 60) + 1, (1 << 60) - 1))
def test_an_amount_is_read_to_the_atom(atoms: int) -> None:
    whole, rest = divmod(abs(atoms), 10**6)
    assert amount_atoms(f"{'-' if atoms < 0 else ''}{whole}.{rest:06d}", 6, "collateral") == atoms


@pytest.mark.parametrize(
    ("text", "name"), [("1e3", "MALFORMED"), ("0.0000001", "MALFORMED"), (str(1 << 60), "OVERFLOW")]
)
def test_an_amount_that_is_none_is_refused_by_name(text: str, name: str) -> None:
    with pytest.raises(Refused) as caught:
        amount_atoms(text, 6, "collateral")
    assert refusals_pb2.Refusal.Name(caught.value.refusal) == f"REFUSAL_{name}"
