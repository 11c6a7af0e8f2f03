"""Where the peers live: an environment each below `.venv-peers/`, from hash-locked requirements.

`python -m node.bench.peers.environments` makes what is missing, each within a bounded time, and says what it did.
None is ever a dependency of ours: what is not installed is not measured, and its row says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
HOME: Final = ROOT / ".venv-peers"
_LOCKS: Final = ROOT / "requirements" / "peers"
_INSTALLED: Final = ".installed"
_PATIENCE_S: Final = 600.0
_QUICK_S: Final = 20.0


class NoPeer(Exception):
    """The peer cannot be run; the message says why, as its row does."""


@dataclass(frozen=True)
class Peer:
    """A package, and the oldest Python it runs on."""

    name: str
    version: str
    python: tuple[int, int] = (3, 11)

    @property
    def title(self) -> str:
        """Its name with its version."""
        return f"{self.name} {self.version}"

    @property
    def interpreter(self) -> Path:
        """The Python of its environment."""
        return HOME / self.name / "bin" / "python"

    def installed(self) -> Path:
        """Its interpreter. Raises NoPeer."""
        if (HOME / self.name / _INSTALLED).exists():
            return self.interpreter
        if interpreter_for(self.python) is None:
            raise NoPeer(f"not run: needs Python {_word(self.python)}")
        raise NoPeer("not installed: make bench-peers")


LIMIT_ORDER_BOOK: Final = Peer("limit-order-book", "2.0.0")
ORDERLY_CHAOS: Final = Peer("orderly-chaos", "0.2.0")
MATCHING_ENGINE: Final = Peer("matching-engine", "0.1.1", (3, 12))
NAUTILUS_TRADER: Final = Peer("nautilus_trader", "1.231.0", (3, 12))
PEERS: Final = (LIMIT_ORDER_BOOK, ORDERLY_CHAOS, MATCHING_ENGINE, NAUTILUS_TRADER)


def interpreter_for(oldest: tuple[int, int]) -> Path | None:
    """A Python that is old enough: this one, else one on the path or of pyenv; None where there is none."""
    if sys.version_info[:2] >= oldest:
        return Path(sys.executable)
    return next((found for found in _candidates(oldest) if _runs(found, oldest)), None)


def _candidates(oldest: tuple[int, int]) -> Iterator[Path]:
    words = [f"python{oldest[0]}.{minor}" for minor in range(oldest[1], oldest[1] + 3)]
    for word in words:
        if found := shutil.which(word):
            yield Path(found)
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for word in words:
        yield from sorted(versions.glob(f"{word.removeprefix('python')}.*/bin/{word}"))


def _runs(interpreter: Path, oldest: tuple[int, int]) -> bool:
    """Whether it starts, and is what it is called: a shim may lead to another one, or nowhere."""
    words = [str(interpreter), "-c", f"import sys; sys.exit(sys.version_info[:2] < {oldest})"]
    try:
        return subprocess.run(words, check=False, capture_output=True, timeout=_QUICK_S).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def install(peer: Peer) -> None:
    """Makes the peer's environment afresh. Raises NoPeer with what stood in the way."""
    base = interpreter_for(peer.python)
    if base is None:
        raise NoPeer(f"not run: needs Python {_word(peer.python)}")
    folder = HOME / peer.name
    shutil.rmtree(folder, ignore_errors=True)
    # Our own pip installs into it: some systems ship Python without one.
    pip = [sys.executable, "-m", "pip", "--python", str(peer.interpreter), "install", "--quiet", "--require-hashes"]
    _run([str(base), "-m", "venv", "--without-pip", str(folder)])
    _run([*pip, "--requirement", str(_LOCKS / "build.lock")])
    _run([*pip, "--no-build-isolation", "--requirement", str(_LOCKS / f"{peer.name}.lock")])
    (folder / _INSTALLED).touch()


def _run(words: list[str]) -> None:
    try:
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        raise NoPeer(f"not installed: `{words[-1]}` was not done within {_PATIENCE_S:.0f} s") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise NoPeer(f"not installed: {' '.join(last)}")


def _word(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def main() -> int:
    """Installs what is missing; 1 where one that could be installed was not."""
    failed = 0
    for peer in PEERS:
        try:
            if not (HOME / peer.name / _INSTALLED).exists():
                install(peer)
            sys.stdout.write(f"{peer.title}: installed\n")
        except NoPeer as reason:
            failed += interpreter_for(peer.python) is not None
            sys.stdout.write(f"{peer.title}: {reason}\n")
        sys.stdout.flush()
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
