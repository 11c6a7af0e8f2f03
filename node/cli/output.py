"""What a command says: one JSON object or a page for people on standard output, everything else on standard error."""

from collections.abc import Iterable
from typing import Annotated, Any, NoReturn

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

# The answer is no: a test failed, a proof is false, the node refused.
EXIT_NO = 1
# Bad arguments, a bad file.
EXIT_USAGE = 2
# No node answers.
EXIT_AWAY = 3
# A fault of ours.
EXIT_FAULT = 70
EXIT_INTERRUPTED = 130
_WIDE = 240


JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else.")]


class Refusal(Exception):
    """A command that ends with one sentence and an exit code."""

    def __init__(self, sentence: str, code: int = EXIT_NO) -> None:
        super().__init__(sentence)
        self.code = code


def errors() -> Console:
    """Standard error, for progress and complaints."""
    return Console(stderr=True, highlight=False)


def put_json(facts: dict[str, Any]) -> None:
    """Write one object, keys sorted, to standard output."""
    typer.echo(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS).decode())


def put_facts(title: str, rows: Iterable[tuple[str, str]]) -> None:
    """Write labels and values as a page for people."""
    facts = list(rows)
    width = max((len(label) for label, _ in facts), default=0)
    console = Console(highlight=False, soft_wrap=True)
    console.print(title, style="italic", markup=False)
    for label, value in facts:
        console.print(Text.assemble((f"{label:<{width}}", "bold"), "  ", value))


def put_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Write a table for people, numbers to the right."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False)
    # A table stays whole where the output is not a terminal.
    (console if console.is_terminal else Console(highlight=False, width=_WIDE)).print(table)


def put_line(text: str) -> None:
    """Write a line for people."""
    Console(highlight=False, soft_wrap=True).print(text, markup=False)


def put_aside(text: str) -> None:
    """Say something on standard error that is neither the result nor a complaint."""
    errors().print(text, markup=False, soft_wrap=True)


def complain(sentence: str, as_json: bool) -> None:
    """Say on standard error what went wrong; where JSON was asked for, also as {"error": ...} on standard output."""
    errors().print(f"breakwater: {sentence}", markup=False, soft_wrap=True)
    if as_json:
        put_json({"error": sentence})


def end(code: int) -> NoReturn:
    """End the command with this exit code."""
    raise typer.Exit(code)
