"""What a seed leaves behind for a person: what its world was like, what happened, what clients saw, the journal."""

from collections import Counter
from pathlib import Path

from cluster.history import save
from cluster.simulator.faults import Fault
from cluster.simulator.storage.journal_store import decode
from cluster.simulator.world import Outcome

MS_AN_HOUR = 3_600_000


def reproducing_line(outcome: Outcome, hours: float | None) -> str:
    """The command that meets the same again, and what it meets first."""
    given = "" if hours is None else f" --hours {hours:g}"
    first = outcome.violations[0] if outcome.violations else "no violation"
    return f"breakwater simulate --seed {outcome.swarm.seed}{given}  # {first}"


def requests_line(endings: Counter[str], without_a_node: int) -> str:
    """How the attempts at requests ended."""
    silent = endings["unknown"] - without_a_node
    return (
        f"{endings['ok']:,} acknowledged, {endings['fail']:,} refused, {silent:,} not answered in time, "
        f"{without_a_node:,} told that no node serves"
    )


def fault_table(faults: Counter[Fault]) -> list[str]:
    """A line a kind, those that did not occur too."""
    return [f"{faults[fault]:>9,}  {fault.value}" for fault in Fault]


def summary(outcome: Outcome, hours: float | None) -> str:
    """A page about one seed."""
    swarm, endings = outcome.swarm, outcome.endings
    store = "a server that outlives its writers" if swarm.is_server else "embedded in the node"
    lines = [
        f"seed {swarm.seed}: {'VIOLATED' if outcome.violations else 'no violation'}",
        reproducing_line(outcome, hours),
        "",
        f"rulebooks     {', '.join(outcome.rulebooks)}",
        f"journal       {store}",
        f"shards        {swarm.shards} in the node, {swarm.shadow_shards} in the replica every block was compared with",
        f"simulated     {outcome.simulated_ms / 1_000:,.1f} s, {swarm.safety_ms / 1_000:,.1f} s of them with faults",
        f"blocks        {outcome.blocks:,}",
        f"node starts   {outcome.starts:,}",
        f"requests      {requests_line(endings, outcome.without_a_node)}",
        f"last root     {outcome.state_root}",
        "",
        "violations",
        *([f"  {violation}" for violation in outcome.violations] or ["  none"]),
        "",
        "faults",
        *fault_table(outcome.faults),
    ]
    return "\n".join(lines) + "\n"


def write_folder(folder: Path, outcome: Outcome, hours: float | None) -> None:
    """summary.txt, timeline.txt, history.jsonl, swarm.json, and the frames of the journal, a file each."""
    frames = folder / "journal"
    frames.mkdir(parents=True, exist_ok=True)
    for old in frames.iterdir():
        old.unlink()
    (folder / "summary.txt").write_text(summary(outcome, hours))
    (folder / "timeline.txt").write_text("\n".join(outcome.timeline) + "\n")
    (folder / "swarm.json").write_text(outcome.swarm.save() + "\n")
    save(folder / "history.jsonl", outcome.history)
    for number, (_, frame) in enumerate(decode(outcome.journal), 1):
        (frames / f"{number:06d}-height-{frame.height}-epoch-{frame.epoch}.bin").write_bytes(frame.payload)
