"""What a Margin Trade stream is about: calm trading, crashes, stalls, hours, the book itself."""

from dataclasses import dataclass, field

from breakwater.v1.common_pb2 import MARK_RULE_INDEX, MARK_RULE_MEDIAN_OF_THREE

USDC = 10**6


@dataclass(frozen=True)
class MarginMood:
    """Choices that a stream draws from."""

    name: str
    markets: tuple[int, ...] = (1, 2, 3)
    accounts: int = 12
    deposits_atoms: tuple[int, ...] = (3, 50 * USDC, 500 * USDC, 5_000 * USDC, 50_000 * USDC)
    makers_atoms: int = 400_000 * USDC
    vaults_atoms: tuple[int, ...] = (0, 0, 1_000 * USDC, 20_000 * USDC, 500_000 * USDC)
    funds_atoms: tuple[int, ...] = (0, 0, 10 * USDC, 5_000 * USDC)
    # How far a jump goes, and where all prices drift in a block.
    jumps_permille: tuple[int, ...] = (10, 30, 80)
    leans_permille: tuple[int, ...] = (0,)
    steps_ms: tuple[int, ...] = (0, 1, 100, 500, 501, 1_000, 2_500)
    rounds: tuple[int, ...] = (1, 2, 6, 6)
    vault_leverages: tuple[int, ...] = (100, 500, 2_000)
    breakers_ppm: tuple[int, ...] = (0, 0, 0, 50_000)
    mark_rules: tuple[int, ...] = (MARK_RULE_INDEX, MARK_RULE_MEDIAN_OF_THREE)
    caps_lots: tuple[int, ...] = (300, 50_000, 10**7, 10**8)
    # Who has less than this is given a deposit anew, by this chance a block.
    broke_atoms: int = 10 * USDC
    refills: float = 0.2
    # Part of its free margin that a taker spends on one order, in percent.
    spends_percent: tuple[int, ...] = (1, 10, 40, 90, 99, 100, 101)
    # Chance that the next price is aimed at an account's liquidation.
    aim: float = 0.3
    # How many levels a maker quotes a side.
    depths: tuple[int, ...] = (1, 3)
    appetite: dict[str, float] = field(default_factory=dict)


MIXED = MarginMood("mixed")
# Deep under water within a block, with little money behind it: takeovers, deleveraging, deficits, write-offs.
CRASH = MarginMood(
    "crash",
    deposits_atoms=(200 * USDC, 2_000 * USDC, 2_000 * USDC, 20_000 * USDC),
    makers_atoms=30_000 * USDC,
    jumps_permille=(30, 80, 150, 300),
    breakers_ppm=(0,),
    caps_lots=(10**8,),
    spends_percent=(60, 90, 99),
    aim=0.35,
    refills=0.7,
    appetite={"takers": 1.0, "makers": 1.0, "jumps": 1.0, "parameters": 0.0, "gaps": 0.0, "operators": 0.3},
)
# One account after the other a little below its maintenance: partials, cooldowns, a vault that fills up slowly.
EDGE = MarginMood(
    "edge",
    markets=(1, 2, 3),
    deposits_atoms=(500 * USDC, 2_000 * USDC, 20_000 * USDC),
    makers_atoms=200_000 * USDC,
    vaults_atoms=(1_000 * USDC, 20_000 * USDC),
    jumps_permille=(2, 5, 10),
    breakers_ppm=(0,),
    caps_lots=(10**8,),
    spends_percent=(90, 99, 100),
    aim=0.7,
    refills=0.7,
    depths=(3,),
    mark_rules=(MARK_RULE_INDEX,),
    appetite={"takers": 1.0, "makers": 1.0, "jumps": 0.3, "parameters": 0.0, "gaps": 0.0, "operators": 0.0},
)
# A crowd of small takers against two makers who can lose everything as well.
CROWD = MarginMood(
    "crowd",
    markets=(3, 4),
    accounts=30,
    deposits_atoms=(100 * USDC, 300 * USDC, 1_000 * USDC),
    makers_atoms=5_000 * USDC,
    vaults_atoms=(0, 500 * USDC),
    funds_atoms=(0, 20 * USDC),
    jumps_permille=(50, 120, 300),
    breakers_ppm=(0,),
    caps_lots=(10**8,),
    spends_percent=(50, 90, 99),
    rounds=(2, 4, 6),
    depths=(3,),
    appetite={"takers": 1.0, "makers": 1.0, "jumps": 0.6, "parameters": 0.0, "operators": 0.0, "gaps": 0.0},
)
# Sources that stop and come back, halts, breakers: markets that may not be used, beside some that may.
STALLS = MarginMood(
    "stalls",
    markets=(2, 3),
    steps_ms=(500, 1_000, 5_000, 9_000, 12_000),
    breakers_ppm=(0, 30_000),
    appetite={"stalls": 1.0, "takers": 1.0, "makers": 1.0, "jumps": 0.6, "operators": 1.0},
)
# The book itself: every word an order can have, at few prices, by few accounts.
BOOKISH = MarginMood(
    "bookish",
    markets=(1,),
    accounts=6,
    deposits_atoms=(50_000 * USDC,),
    jumps_permille=(1, 3),
    aim=0.05,
    spends_percent=(1, 1, 2, 5),
    appetite={"orders": 1.0, "amends": 1.0, "cancels": 1.0, "triggers": 1.0, "makers": 0.3, "gaps": 0.0},
)
# Hours go by: funding at many boundaries, averages that are forgotten, cooldowns and locks that end.
HOURS = MarginMood(
    "hours",
    steps_ms=(5_000, 59_000, 60_000, 61_000, 600_000),
    appetite={"gaps": 1.0, "takers": 1.0, "makers": 1.0, "liquidity": 1.0, "parameters": 0.0},
)
MARGIN_MOODS = (MIXED, CRASH, BOOKISH, CROWD, STALLS, EDGE, MIXED, HOURS, EDGE, CRASH)
