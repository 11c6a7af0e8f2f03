"""Kernels are compiled afresh where a file, Numba or the processor is another, and only there."""

from pathlib import Path

import pytest

from node.load import compiled
from tests.cli.running import breakwater, only_object


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache and actors of one's own, so that those of other tests stay."""
    (tmp_path / "actors").mkdir()
    (tmp_path / "actors" / "kernel.py").write_text("KERNEL = 1\n", encoding="utf-8")
    monkeypatch.setattr(compiled, "_SOURCES", (tmp_path / "actors",))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_was_compiled_is_known_until_a_file_changes(cache: Path) -> None:
    assert not compiled.is_compiled()
    compiled.mark_compiled()
    assert compiled.is_compiled()
    kernel = cache.parent / "actors" / "kernel.py"
    kernel.write_text("KERNEL = 2\n", encoding="utf-8")
    assert not compiled.is_compiled()
    kernel.write_text("KERNEL = 1\n", encoding="utf-8")
    assert compiled.is_compiled()
    (cache.parent / "actors" / "another.py").write_text("", encoding="utf-8")
    assert not compiled.is_compiled()


def test_what_was_compiled_of_other_files_is_never_loaded(cache: Path) -> None:
    cache.mkdir()
    old = cache / "kernel.py311.1.nbc"
    old.write_bytes(b"of another file")
    assert compiled.forget_stale()
    assert not old.exists() and not compiled.is_compiled()
    old.write_bytes(b"of this file")
    assert not compiled.forget_stale() and old.exists()
    compiled.mark_compiled()
    assert not compiled.forget_stale() and compiled.is_compiled()
    (cache.parent / "actors" / "kernel.py").write_text("KERNEL = 2\n", encoding="utf-8")
    assert compiled.forget_stale() and not old.exists()


def test_another_processor_compiles_anew(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from llvmlite import binding

    compiled.mark_compiled()
    monkeypatch.setattr(binding, "get_host_cpu_name", lambda: "another")
    assert not compiled.is_compiled()


def test_everything_cached_is_forgotten(cache: Path) -> None:
    compiled.mark_compiled()
    (cache / "kernels_1").mkdir()
    for name in ("a.nbi", "a.nbc", "a.txt"):
        (cache / "kernels_1" / name).write_text("x", encoding="utf-8")
    assert compiled.forget_compiled() == 2
    assert [path.name for path in cache.rglob("*.*")] == ["a.txt"]
    assert not compiled.is_compiled()


def test_the_command_does_it_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = {"blocks": 7, "commands": 9, "venues": ["all"], "wall_s": 0.5}
    monkeypatch.setattr("node.load.rehearsal.rehearse", lambda: done)
    blocks = [only_object(breakwater("warm", *more, "--json"))["blocks"] for more in (["--if-changed"],) * 2]
    assert blocks == [7, 0]
    assert only_object(breakwater("warm", "--json")) == done
    assert breakwater("warm", "--if-changed").stdout == "kernels are compiled already\n"
