"""What is read from samples, which processes are looked into, and what is said where none may be."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.bench import profile
from node.bench.profile import Profiled, ProfileError, not_allowed, top_of, working, write_top
from tests.cli.running import breakwater

BUSY = "print(1, flush=True)\nwhile True:\n    sum(range(10_000))"
IDLE = "import sys; print(1, flush=True); sys.stdin.read()"
STACKS = [
    "main (a.py:1);work (b.py:7);memmove (libc.so.6) 3",
    "main (a.py:1);work (b.py:7);0x7f0a (?) 2",
    "main (a.py:1);work (b.py:7);0x7f0b (libc.so.6) 1",
    "main (a.py:1);work (b.py:7);0x7f0c (libc.so.6) 1",
    "main (a.py:1) 3",
]


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[bytes]]]:
    """One that works and one that waits."""
    started = [
        subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for text in (BUSY, IDLE)
    ]
    for child in started:
        assert child.stdout is not None
        assert child.stdout.readline() == b"1\n"
    yield started
    for child in started:
        child.kill()
        child.communicate()


def test_samples_count_for_the_function_that_works() -> None:
    assert top_of(STACKS) == [
        ("memmove (libc.so.6) for work (b.py:7)", 0.3),
        ("main (a.py:1)", 0.3),
        ("compiled code for work (b.py:7)", 0.2),
        ("(libc.so.6) for work (b.py:7)", 0.2),
    ]
    assert len(top_of(STACKS, most=2)) == 2
    assert top_of([]) == []


def test_who_waits_is_not_looked_into(children: list[subprocess.Popen[bytes]]) -> None:
    busy, _ = children
    deadline = time.monotonic() + 60
    while not (found := working([child.pid for child in children], 0.5)):
        assert time.monotonic() < deadline, "no processor was free for either"
    ((pid, share),) = found
    assert pid == busy.pid
    assert share > 0.02


def test_a_process_is_looked_into_from_outside(children: list[subprocess.Popen[bytes]], tmp_path: Path) -> None:
    found = profile._profiled(profile._spy(), children[0].pid, "shard/1, book", 0.5, tmp_path, 1.0)
    assert found is not None
    assert found.graph == tmp_path / "shard-1,book.svg"
    assert "<svg" in found.graph.read_text(encoding="utf-8")
    assert any("<module>" in function for function, _ in found.top)
    text = write_top(tmp_path, [found]).read_text(encoding="utf-8")
    assert text.startswith("shard/1, book: 50% of a processor, shard-1,book.svg\n")


def test_a_process_that_has_ended_is_left_out(children: list[subprocess.Popen[bytes]], tmp_path: Path) -> None:
    children[0].kill()
    children[0].wait()
    assert profile._profiled(profile._spy(), children[0].pid, "book", 0.5, tmp_path, 1.0) is None


def test_programs_are_told_the_same() -> None:
    facts = Profiled("book", 0.12345, Path("runs/book.svg"), [("f (a.py:1)", 1 / 3)]).to_json()
    assert facts == {
        "name": "book",
        "processor": 0.123,
        "graph": "book.svg",
        "top": [{"function": "f (a.py:1)", "share": 0.3333}],
    }


def test_what_is_said_where_nobody_may_look() -> None:
    assert "kernel.yama.ptrace_scope is 1" in not_allowed(1)
    assert "SYS_PTRACE" in not_allowed(0)


def test_without_a_profiler_there_is_no_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(profile.shutil, "which", lambda *words, **more: None)
    with pytest.raises(ProfileError, match="py-spy is not installed"):
        next(profile.profile(tmp_path, "inline", 1.0))
    result = breakwater("bench", "--profile", "--scratch", tmp_path, "--transport", "inline")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "make setup" in result.stderr
    assert breakwater("bench", "--profile", "--transport", "pigeon").exit_code == 2
