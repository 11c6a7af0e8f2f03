"""What a stream is about: most are mixed, some go to one place that chance alone rarely finds."""

from dataclasses import dataclass, field

HOUR_MS = 3_600_000
LEVERAGES = (100, 101, 250, 1_000, 2_000, 4_999, 5_000)
SIDES = ((1, -1), (1, 1, 1, -1), (-1, -1, -1, 1))


@dataclass(frozen=True)
class Mood:
    """Choices that a stream draws from; empty ones are drawn as in a mixed stream."""

    name: str
    prices_ticks: tuple[int, ...]
    pools_atoms: tuple[int, ...]
    deposits_atoms: tuple[int, ...] = (3, 50_000, 10**6, 10**7, 10**8)
    steps_ms: tuple[int, ...] = (0, 1, 100, 250, 499, 500, 501, 1_000, 2_500)
    spans_permille: tuple[int, ...] = (20, 100, 300)
    margins_atoms: tuple[int, ...] = ()
    leverages: tuple[int, ...] = LEVERAGES
    sides: tuple[tuple[int, ...], ...] = SIDES
    funding_interval_ms: int = HOUR_MS
    # Chance that the next price is aimed at a level or a threshold.
    aim: float = 0.4
    # How far every price moves in favour of the side that most take.
    lean_permille: int = 0
    # "seed" or "safe": such venues, without a breaker and without halts by age.
    preset: str = ""
    # What the stream likes, whatever its seed.
    appetite: dict[str, float] = field(default_factory=dict)


MIXED = Mood("mixed", (1, 7, 1_000, *[50_000] * 6, 1 << 30, 1 << 31, 1 << 39), (1_000, 10**6, 10**6, 10**8, 10**9))
# Profit beyond the pool: claims (TW-15a), shortfall, shares without a price.
THIN = Mood(
    "thin pool",
    (50_000,),
    (10**5, 10**6),
    deposits_atoms=(10**7,),
    spans_permille=(30, 60),
    margins_atoms=(10_000, 20_000, 50_000, 200_000),
    leverages=(1_000, 2_000, 2_500),
    sides=((1,), (-1,), (1, -1)),
    aim=0.1,
    lean_permille=20,
    preset="seed",
    appetite={"opens": 1.0, "closes": 0.3, "jumps": 1.0, "liquidity": 0.1, "parameters": 0.0, "gaps": 0.0},
)
# Funding at every step of a market that leans: margins eaten up while the position is in profit (TW-08, TW-11).
LEANING = Mood(
    "leaning market",
    (50_000,),
    (10**8,),
    deposits_atoms=(10**7,),
    steps_ms=(60_000, 60_000, 120_000),
    spans_permille=(1,),
    margins_atoms=(50_000, 10**6),
    leverages=(4_000, 5_000),
    sides=((1,), (-1,), (1, 1, 1, 1, -1)),
    funding_interval_ms=60_000,
    aim=0.0,
    preset="seed",
    appetite={"opens": 1.0, "closes": 0.0, "jumps": 0.0, "parameters": 0.0, "gaps": 0.0},
)
# Numbers at the edge of their exact range: sizes near 2^60.
HUGE = Mood(
    "huge numbers",
    (1 << 30, 1 << 31),
    (10**9,),
    deposits_atoms=(10**8,),
    margins_atoms=(10**7,),
    leverages=(5_000, 4_999),
    preset="seed",
)
# The limits of TW-19 one after the other: position, open interest, skew.
GUARDED = Mood(
    "guarded pool",
    (50_000,),
    (10**6, 10**7),
    deposits_atoms=(10**7,),
    spans_permille=(5, 20),
    margins_atoms=(20_000, 50_000, 100_000),
    leverages=(500, 1_000),
    sides=((1, 1, 1, -1), (1, -1)),
    aim=0.2,
    preset="safe",
    appetite={"opens": 1.0, "closes": 0.3, "parameters": 0.0},
)
MOODS = (MIXED, GUARDED, MIXED, THIN, MIXED, LEANING, MIXED, HUGE)
