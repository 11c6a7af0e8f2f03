"""Numbers as people read them. Only for the eye: what programs read stays in atoms."""

import time

_BTC_ATOMS = 100_000_000


def btc(atoms: int) -> str:
    """Atoms (sats) as BTC with all eight decimals and grouped thousands, exact."""
    sign = "-" if atoms < 0 else ""
    whole, rest = divmod(abs(atoms), _BTC_ATOMS)
    return f"{sign}{whole:,}.{rest:08d} BTC"


def usdc(atoms: int) -> str:
    """Atoms (1e-6) as USDC with cents and grouped thousands, cut towards zero."""
    sign = "-" if atoms < 0 else ""
    whole, rest = divmod(abs(atoms), 1_000_000)
    return f"{sign}{whole:,}.{rest // 10_000:02d} USDC"


def count(number: int) -> str:
    """A whole number with grouped thousands."""
    return f"{number:,}"


def utc(time_ms: int) -> str:
    """A time in ms since the epoch as UTC to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time_ms // 1000))


def percent_ppm(part: int, whole: int) -> str:
    """part / whole - 1 as a signed percentage with two decimals."""
    change_ppm = (part - whole) * 1_000_000 // whole if whole else 0
    return f"{change_ppm / 10_000:+.2f}%"


def words(counts: dict[str, int]) -> str:
    """Counts by name, as `12 loss below margin, 3 had profit`; `none` where all are zero."""
    parts = [f"{count(number)} {name.lower().replace('_', ' ')}" for name, number in counts.items() if number]
    return ", ".join(parts) or "none"
