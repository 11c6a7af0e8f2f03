"""Tables of the documentation that are printed from the code. `python -m tests.docs.printing` prints them anew.

A table stands between `<!-- printed: NAME -->` and `<!-- end of NAME -->`; its printer is in PRINTERS.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

from actors.risk import ladder
from actors.rulebooks import versions
from cluster.simulator import faults
from node.bench.scaling import page as scaling
from node.config import Limits, NodeConfig
from node.guards import roles
from node.guards.refusals import STATUS_OF
from node.metrics import Metrics
from tests.docs import bot_parameters, parameters
from tests.faults import __main__ as live_faults
from tests.mutants import catalogue

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PLACE = re.compile(r"<!-- printed: (?P<name>\S+) -->\n(?P<text>.*?)<!-- end of (?P=name) -->", re.DOTALL)

_REFUSALS = ROOT / "protos" / "breakwater" / "v1" / "refusals.proto"
_COMMENT = re.compile(r"\s*// ?(?P<text>.*)")
_VALUE = re.compile(r"\s*REFUSAL_(?P<name>\w+) = (?P<number>\d+);")
# Set by the command line or the program that makes the node, not in a file.
_NOT_IN_A_FILE = ("limits", "venues", "data_dir")


def refusals() -> str:
    """Every refusal with its number, its gRPC status and what refusals.proto says of it."""
    lines = ["| number | refusal | gRPC status | meaning |", "|---|---|---|---|"]
    said: list[str] = []
    for line in _REFUSALS.read_text(encoding="utf-8").splitlines():
        if comment := _COMMENT.fullmatch(line):
            said.append(comment["text"])
        elif (value := _VALUE.match(line)) and value["name"] in STATUS_OF:
            name = value["name"]
            lines.append(f"| {value['number']} | {name} | {STATUS_OF[name].name} | {_sentence(said)} |")
            said = []
        else:
            said = []
    return "\n".join(lines)


def _sentence(said: list[str]) -> str:
    return " ".join(text for text in said if not text.startswith("---")).replace("|", "\\|")


def settings() -> str:
    """What a configuration file may set, with its defaults."""
    config, limits = NodeConfig(Path("data")), Limits()
    rows = [(one.name, getattr(config, one.name)) for one in fields(config) if one.name not in _NOT_IN_A_FILE]
    rows += [(f"limits.{one.name}", getattr(limits, one.name)) for one in fields(limits)]
    lines = ["| setting | default |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {_toml(value)} |" for name, value in rows)])


def _toml(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        value = list(value)
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value!r}`".replace("'", '"')


def counters() -> str:
    """Counters and histograms of the metrics page; the gauges are read from the status and listed by hand."""
    families = sorted(Metrics().registry.collect(), key=lambda family: family.name)
    lines = ["| metric | kind | meaning |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| `{one.name}` | {one.type} | {one.documentation} |" for one in families)])


PRINTERS: dict[str, Callable[[], str]] = {
    "ladder": ladder.as_markdown,
    "roles": roles.documentation,
    "refusals": refusals,
    "settings": settings,
    "counters": counters,
    "margin-trade-venue": parameters.of_venue,
    "margin-trade-market": parameters.of_market,
    "spin-venue": bot_parameters.of_spin_venue,
    "spin-market": bot_parameters.of_spin_market,
    "perennial-venue": bot_parameters.of_perennial_venue,
    "perennial-market": bot_parameters.of_perennial_market,
    "oracle": parameters.of_oracle,
    "logic-versions": versions.as_markdown,
    "mutants": catalogue.as_markdown,
    "simulated-faults": faults.as_markdown,
    "fault-parts": live_faults.as_markdown,
    "scaling-points": scaling.points,
    "scaling-positions": scaling.positions,
    "scaling-fits": scaling.fits,
    "scaling-clusters": scaling.clusters,
}


def printed(text: str) -> str:
    """The page with every printed table as the code prints it now."""

    def table(place: re.Match[str]) -> str:
        name = place["name"]
        return f"<!-- printed: {name} -->\n{PRINTERS[name]()}\n<!-- end of {name} -->"

    return PLACE.sub(table, text)


def places() -> Iterator[tuple[Path, str]]:
    """Every page with the names of its printed tables."""
    for page in PAGES:
        for place in PLACE.finditer(page.read_text(encoding="utf-8")):
            yield page, place["name"]


if __name__ == "__main__":
    for one in PAGES:
        one.write_text(printed(one.read_text(encoding="utf-8")), encoding="utf-8")
