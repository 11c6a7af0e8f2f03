"""Futures of another thread on the event loop: each comes to what it came to, and one wake-up does for many."""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from node.services.awaiting import Wakings


async def test_many_that_are_done_at_once_wake_the_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, woken = asyncio.get_running_loop(), 0
    wake = loop.call_soon_threadsafe

    def counted(*arguments: object) -> object:
        nonlocal woken
        woken += 1
        return wake(*arguments)

    wakings = Wakings()
    futures: list[Future[int]] = [Future() for _ in range(50)]
    awaited = [wakings.of(future) for future in futures]
    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    for number, future in enumerate(futures):
        future.set_result(number)
    assert await asyncio.gather(*awaited) == list(range(50))
    assert woken == 1


async def test_nobody_is_left_behind_whatever_the_threads_do() -> None:
    wakings = Wakings()
    with ThreadPoolExecutor(8) as threads:
        for _ in range(200):
            futures = [threads.submit(int, number) for number in range(8)]
            async with asyncio.timeout(60):
                assert [await wakings.of(future) for future in futures] == list(range(8))


async def test_errors_and_callers_that_go_away() -> None:
    wakings = Wakings()
    failed: Future[int] = Future()
    left: Future[int] = Future()
    failing, leaving = wakings.of(failed), wakings.of(left)
    leaving.cancel()
    failed.set_exception(ValueError("no"))
    left.set_result(3)
    with pytest.raises(ValueError, match="no"):
        await failing
    assert leaving.cancelled()
    assert left.result() == 3


def test_what_ends_after_the_loop_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    async def ask(future: "Future[int]") -> None:
        Wakings().of(future)

    future: Future[int] = Future()
    asyncio.run(ask(future))
    future.set_result(1)
    assert not caplog.records  # of an error in what hears of the result
