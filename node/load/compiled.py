"""Where Numba keeps the compiled kernels, and whether they are those of these files, this Numba and this processor.

Its cache knows the file a kernel is in, not the files of what the kernel calls: after a change there it would go on
with the old code. So kernels are compiled afresh whenever any file of the actors, or of the load's kernels, is another.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from blake3 import blake3

import actors

_STAMP: Final = "breakwater-kernels"
_IN_PART: Final = " in part"
# Where kernels are, the actors first; the others are those of the load.
_SOURCES: Final = (Path(actors.__file__).parent, Path(__file__).parents[1] / "flow" / "kernels")


def _places() -> list[Path]:
    """Beside the kernels, or in the directory Numba is told of where that cannot be written."""
    elsewhere = os.environ.get("NUMBA_CACHE_DIR")
    return [_SOURCES[0] / "__pycache__", *([Path(elsewhere)] if elsewhere else [])]


def forget_compiled() -> int:
    """Delete what Numba cached of the kernels; answers how many files."""
    found = [path for place in (*_SOURCES, *_places()) for kind in ("nbi", "nbc") for path in place.rglob(f"*.{kind}")]
    for path in {*found, *(place / _STAMP for place in _places())}:
        path.unlink(missing_ok=True)
    return len(set(found))


def forget_stale() -> bool:
    """Delete what Numba cached of other files than those here, before a kernel is loaded; answers whether it had to.

    What is compiled from then on, kernel by kernel, is of these files until one of them changes.
    """
    identity = _identity()
    if _stamped() in (identity, identity + _IN_PART):
        return False
    forget_compiled()
    _stamp(identity + _IN_PART)
    return True


def is_compiled() -> bool:
    """Whether the last `mark_compiled` was for what is here now."""
    return _stamped() == _identity()


def mark_compiled() -> None:
    """Notes that everything is compiled."""
    _stamp(_identity())


def _stamped() -> str:
    try:
        return (_places()[-1] / _STAMP).read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return ""


def _stamp(words: str) -> None:
    stamp = _places()[-1] / _STAMP
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(words, encoding="utf-8")


def _identity() -> str:
    from llvmlite import binding
    from numba import __version__ as numba

    hasher = blake3(f"{numba} {binding.get_host_cpu_name()} {binding.get_host_cpu_features().flatten()}".encode())
    for source in _SOURCES:
        for path in sorted(source.rglob("*.py")):
            hasher.update(f"{path.relative_to(source)} {path.stat().st_size} ".encode())
            hasher.update(path.read_bytes())
    return hasher.hexdigest()
