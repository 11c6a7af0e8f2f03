"""What a replay of a Twilight venue adds to the summary: opens, closes, liquidations, the pool's way."""

from typing import Any

from node.load.result import VenueResult
from node.load.tally import NavPoint, Tally
from node.report.amounts import btc, count, words


def pool_facts(result: VenueResult, tally: Tally, final_height: int) -> dict[str, Any]:
    """Amounts in atoms, times in ms."""
    pool = result.pool
    return {
        "fills": tally.opens + tally.closes,
        "opens": tally.opens,
        "closes": tally.closes,
        "closes_by_kind": tally.close_kinds(),
        "rested": tally.rested,
        "cancelled": tally.cancelled,
        "liquidations": len(tally.liquidations),
        "liquidations_by_outcome": tally.liquidation_outcomes(),
        "seized_atoms": sum(point.seized_atoms for point in tally.liquidations),
        "deficit_atoms": sum(point.deficit_atoms for point in tally.liquidations),
        "shortfall_atoms": pool.shortfall_atoms,
        "claims_atoms": pool.claims_atoms,
        "claims_recorded_atoms": tally.claims_recorded_atoms,
        "claims_paid_atoms": tally.claims_paid_atoms,
        "fees_atoms": pool.fees_atoms,
        "funding_atoms": pool.funding_atoms,
        "funding_applied": tally.funding_applied,
        "funding_skipped": tally.funding_skipped,
        "shares_minted": tally.shares_minted,
        "shares_redeemed": tally.shares_redeemed,
        "nav": _nav(result, tally, final_height),
    }


def _nav(result: VenueResult, tally: Tally, final_height: int) -> dict[str, Any]:
    """The pool after the first deposits, at its lowest marked value, and at the end."""
    navs = tally.navs
    pool = result.pool
    end = _nav_point(
        NavPoint(
            final_height,
            result.plan.points[-1].time_ms,
            pool.nav_realised_atoms,
            pool.nav_marked_atoms,
            pool.micro_shares,
        )
    )
    if not navs:
        return {"start": end, "low": end, "end": end}
    start = _nav_start(result, tally)
    low = min((point for point in navs if point.time_ms >= start.time_ms), key=lambda point: point.marked_atoms)
    return {"start": _nav_point(start), "low": _nav_point(low), "end": end}


def _nav_start(result: VenueResult, tally: Tally) -> NavPoint:
    """The last state before the first price: the pool is filled, nobody has traded."""
    before = [point for point in tally.navs if point.time_ms < result.plan.points[0].time_ms]
    return before[-1] if before else tally.navs[0]


def _nav_point(point: NavPoint) -> dict[str, int]:
    return {
        "realised_atoms": point.realised_atoms,
        "marked_atoms": point.marked_atoms,
        "micro_shares": point.micro_shares,
        "height": point.height,
        "time_ms": point.time_ms,
    }


def pool_lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Labels and sentences for people."""
    nav = facts["nav"]
    return [
        (
            "Opens",
            f"{count(facts['opens'])}; {count(facts['rested'])} orders rested, {count(facts['cancelled'])} cancelled",
        ),
        ("Closes", f"{count(facts['closes'])}: {words(facts['closes_by_kind'])}"),
        ("Liquidations", f"{count(facts['liquidations'])}: {words(facts['liquidations_by_outcome'])}"),
        ("", f"margin seized {btc(facts['seized_atoms'])}, deficit {btc(facts['deficit_atoms'])}"),
        ("Claims", f"recorded {btc(facts['claims_recorded_atoms'])}, outstanding {btc(facts['claims_atoms'])}"),
        ("Shortfall", btc(facts["shortfall_atoms"])),
        ("Fees", btc(facts["fees_atoms"])),
        ("Funding", f"{btc(facts['funding_atoms'])} to the pool, {facts['funding_applied']} applied"),
        ("NAV realised", " -> ".join(btc(nav[at]["realised_atoms"]) for at in ("start", "low", "end"))),
        ("NAV marked", " -> ".join(btc(nav[at]["marked_atoms"]) for at in ("start", "low", "end"))),
        ("A share", " -> ".join(_share_words(nav[at]) for at in ("start", "low", "end"))),
        ("", "at the start, where it was lowest marked, and at the end"),
    ]


def _share_words(nav: dict[str, int]) -> str:
    """What a whole share is worth, marked, in sats with two decimals; for the eye."""
    shares = nav["micro_shares"]
    return f"{nav['marked_atoms'] * 1_000_000 / shares:,.2f} sats" if shares else "no shares"
