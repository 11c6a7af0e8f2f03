"""The summary of a replay: one object for programs, one page for people. Keys are documented in docs/commands.md."""

from typing import Any

from node.load.replay import ReplayResult
from node.load.tally import NavPoint
from node.report.amounts import btc, count, percent_ppm, utc, words

SYNTHETIC = "synthetic crash after published figures of 2020-03-12"


def summary(result: ReplayResult) -> dict[str, Any]:
    """The summary as JSON can hold it; amounts in atoms, times in ms, prices in ticks."""
    options, tally, pool = result.options, result.tally, result.pool
    return {
        "venue": options.venue,
        "prices": str(options.prices) if options.prices is not None else SYNTHETIC,
        "synthetic": options.prices is None,
        "seed": options.seed,
        "traders": options.traders,
        "providers": result.providers,
        "shards": options.shards,
        "transport": options.transport,
        "ticks_per_bar": options.ticks_per_bar,
        "blocks": tally.blocks,
        "commands": tally.commands,
        "accepted": tally.commands - tally.refused,
        "refused": tally.refused,
        "refused_by_reason": tally.refusals(),
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
        "nav": _nav(result),
        "price": _price(result),
        **_conservation(result),
        "final_height": result.final_height,
        "final_state_root": result.state_root.hex(),
        "validator_key": result.validator_key.hex(),
        "restarts": result.restarts,
        "wall_s": round(result.wall_s, 3),
        "sealing_s": round(result.sealing_s, 3),
        "blocks_per_s": round(tally.blocks / max(result.sealing_s, 1e-9), 1),
        "data_dir": str(result.data_dir),
    }


def _nav(result: ReplayResult) -> dict[str, Any]:
    """The pool after the first deposits, at its lowest marked value, and at the end."""
    navs = result.tally.navs
    pool = result.pool
    end = _nav_point(
        NavPoint(
            result.final_height,
            result.points[-1].time_ms,
            pool.nav_realised_atoms,
            pool.nav_marked_atoms,
            pool.micro_shares,
        )
    )
    if not navs:
        return {"start": end, "low": end, "end": end}
    start = _nav_start(result)
    low = min((point for point in navs if point.time_ms >= start.time_ms), key=lambda point: point.marked_atoms)
    return {"start": _nav_point(start), "low": _nav_point(low), "end": end}


def _nav_start(result: ReplayResult) -> NavPoint:
    """The last state before the first price: the pool is filled, nobody has traded."""
    before = [point for point in result.tally.navs if point.time_ms < result.points[0].time_ms]
    return before[-1] if before else result.tally.navs[0]


def _nav_point(point: NavPoint) -> dict[str, int]:
    return {
        "realised_atoms": point.realised_atoms,
        "marked_atoms": point.marked_atoms,
        "micro_shares": point.micro_shares,
        "height": point.height,
        "time_ms": point.time_ms,
    }


def _price(result: ReplayResult) -> dict[str, int]:
    prices = [point.price_ticks for point in result.points]
    return {
        "start_ticks": prices[0],
        "low_ticks": min(prices),
        "high_ticks": max(prices),
        "end_ticks": prices[-1],
        "start_ms": result.points[0].time_ms,
        "end_ms": result.points[-1].time_ms,
    }


def _conservation(result: ReplayResult) -> dict[str, Any]:
    found = result.conservation
    return {
        "conserved": found.conserved,
        "conservation": {
            "accounts_atoms": found.accounts_atoms,
            "nav_realised_atoms": found.nav_realised_atoms,
            "shortfall_atoms": found.shortfall_atoms,
            "deposited_atoms": found.custody_deposited_atoms,
            "withdrawn_atoms": found.custody_withdrawn_atoms,
            "difference_atoms": found.difference_atoms,
        },
    }


def summary_lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """The summary as labels and sentences for people, from the object that `summary` made."""
    price, nav, balance = facts["price"], facts["nav"], facts["conservation"]
    fall = percent_ppm(price["low_ticks"], price["start_ticks"])
    return [
        ("Prices", f"{facts['prices']}, {utc(price['start_ms'])} to {utc(price['end_ms'])}"),
        ("", f"{count(price['start_ticks'])} to {count(price['low_ticks'])} ({fall}), end {count(price['end_ticks'])}"),
        ("People", f"{count(facts['traders'])} traders, {facts['providers']} LPs, seed {facts['seed']}"),
        ("Node", f"{facts['shards']} shards on {facts['transport']}, {_restarts(facts['restarts'])}"),
        ("Blocks", f"{count(facts['blocks'])} in {facts['sealing_s']:.1f} s, {facts['blocks_per_s']:.1f} a second"),
        ("Commands", f"{count(facts['commands'])}, {count(facts['accepted'])} of them accepted"),
        ("", f"{count(facts['refused'])} refused: {words(facts['refused_by_reason'])}"),
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
        ("Conservation", _conservation_words(facts["conserved"], balance["difference_atoms"])),
        ("Final height", count(facts["final_height"])),
        ("State root", facts["final_state_root"]),
        ("Wall time", f"{facts['wall_s']:.1f} s"),
    ]


def summary_text(facts: dict[str, Any]) -> str:
    """The page for people as plain text."""
    lines = [f"{label:<13} {words_}".rstrip() for label, words_ in summary_lines(facts)]
    return "\n".join([f"Replay of venue {facts['venue']}", "", *lines]) + "\n"


def _share_words(nav: dict[str, int]) -> str:
    """What a whole share is worth, marked, in sats with two decimals; for the eye."""
    shares = nav["micro_shares"]
    return f"{nav['marked_atoms'] * 1_000_000 / shares:,.2f} sats" if shares else "no shares"


def _restarts(restarts: int) -> str:
    return "started once" if restarts == 0 else f"died and started again {restarts} times"


def _conservation_words(conserved: bool, difference_atoms: int) -> str:
    if conserved:
        return "accounts + NAV - shortfall = deposits - withdrawals, to the sat"
    return f"NOT CONSERVED: off by {count(difference_atoms)} sats, or the books of node and custodian differ"
