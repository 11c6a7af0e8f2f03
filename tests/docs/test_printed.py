"""Tables printed from the code are in the documentation as the code prints them."""

from tests.docs.printing import PAGES, PRINTERS, places, printed

HOMES = {
    "ladder": "ladder.md",
    "roles": "operating.md",
    "settings": "operating.md",
    "counters": "operating.md",
    "margin-trade-venue": "parameters.md",
    "margin-trade-market": "parameters.md",
    "spin-venue": "parameters.md",
    "spin-market": "parameters.md",
    "perennial-venue": "parameters.md",
    "perennial-market": "parameters.md",
    "oracle": "parameters.md",
    "logic-versions": "logic-versions.md",
    "mutants": "mutants.md",
    "simulated-faults": "simulator.md",
    "refusals": "api.md",
    "fault-parts": "faults.md",
    "scaling-points": "scaling.md",
    "scaling-positions": "scaling.md",
    "scaling-fits": "scaling.md",
    "scaling-clusters": "scaling.md",
}


def test_every_table_is_as_the_code_prints_it() -> None:
    stale = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        if printed(text) != text:
            stale.append(page.name)
    assert not stale, f"print them anew with `python -m tests.docs.printing`: {stale}"


def test_every_printer_has_its_place() -> None:
    assert {name: page.name for page, name in places()} == HOMES
    assert set(HOMES) == set(PRINTERS)


def test_a_changed_table_is_seen() -> None:
    text = "before\n<!-- printed: ladder -->\n| a row of yore |\n<!-- end of ladder -->\nafter"
    assert "full close at mark" in printed(text)
    assert "yore" not in printed(text)
