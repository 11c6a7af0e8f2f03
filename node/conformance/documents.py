"""Finding vector files and reading them exactly: folders are walked, every decimal becomes a rational."""

import json
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any


class DocumentError(Exception):
    """A path that cannot be read as a vector file."""


def find(paths: Sequence[Path]) -> Iterator[Path]:
    """The files named, and all files below the folders named, hidden ones apart, in sorted order."""
    for path in paths:
        if path.is_dir():
            below = path.rglob("*")
            yield from sorted(p for p in below if p.is_file() and not p.relative_to(path).as_posix().startswith("."))
        else:
            yield path


def load(path: Path) -> Any:
    """The JSON document in a file, decimals as Fractions; None for Markdown, which only explains the files beside it.

    Raises DocumentError, without the path, for what is neither.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DocumentError("no such file or folder") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(f"cannot be read as text: {error}") from error
    if text.lstrip().startswith("# "):
        return None
    try:
        return json.loads(text, parse_float=Fraction, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"malformed JSON: {error}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")
