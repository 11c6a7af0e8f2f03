"""Where peers live and what is said where one cannot be run."""

import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from node.bench.peers import backtest, driver, environments, http_engine, nautilus_driver
from node.bench.peers.environments import PEERS, NoPeer, interpreter_for

LOCKS = environments.ROOT / "requirements" / "peers"
FAR = (9, 9)


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the peers."""
    monkeypatch.setattr(environments, "HOME", tmp_path)


def test_every_peer_is_locked_at_its_version() -> None:
    for peer in PEERS:
        text = (LOCKS / f"{peer.name}.lock").read_text(encoding="utf-8").replace("-", "_")
        assert f"{peer.name.replace('-', '_')}=={peer.version} \\" in text
        assert "sha256:" in text


def test_peers_are_no_part_of_the_repository() -> None:
    assert ".venv-peers/" in (environments.ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_a_python_is_looked_for() -> None:
    assert interpreter_for((3, 11)) == Path(sys.executable)
    assert interpreter_for(FAR) is None


def test_a_shim_that_leads_nowhere_is_no_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = tmp_path / "python9.9"
    shim.write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert interpreter_for(FAR) is None
    shim.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    assert interpreter_for(FAR) == shim


def test_a_peer_without_its_python_is_not_installed(nothing_installed: None) -> None:
    peer = environments.Peer("matching-engine", "0.1.1", FAR)
    with pytest.raises(NoPeer, match=r"not run: needs Python 9\.9"):
        environments.install(peer)
    with pytest.raises(NoPeer, match=r"not run: needs Python 9\.9"):
        peer.installed()


def test_what_is_not_installed_is_not_run(nothing_installed: None, tmp_path: Path) -> None:
    for run in (lambda: backtest.operations_per_s(10), lambda: http_engine.operations_per_s(tmp_path, 0.1)):
        with pytest.raises(NoPeer, match=r"make bench-peers|needs Python"):
            run()


def test_an_installation_that_fails_says_why(nothing_installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "_LOCKS", Path("nowhere"))
    with pytest.raises(NoPeer, match=r"not installed: .*nowhere/build\.lock"):
        environments.install(environments.LIMIT_ORDER_BOOK)


def test_a_driver_reads_what_the_bench_writes() -> None:
    rows = np.arange(2 * driver.COLUMNS, dtype=np.int64)
    words = [np.int64(2).tobytes(), rows.tobytes(), np.int64(driver.END).tobytes()]
    assert list(driver.batches(BytesIO(b"".join(words)))) == [[tuple(range(7)), tuple(range(7, 14))]]
    with pytest.raises(AssertionError, match="the bench has gone away"):
        list(driver.batches(BytesIO(b"".join(words[:1]))))


def test_the_backtest_gets_a_mixed_flow() -> None:
    kinds = [kind for kind, _, _ in nautilus_driver.flow(10_000)]
    shares = {kind: kinds.count(kind) / 10_000 for kind in ("near", "deep", "cancel", "cross")}
    assert all(abs(shares[kind] - 0.3) < 0.03 for kind in ("near", "deep", "cancel"))
    assert abs(shares["cross"] - 0.1) < 0.02
