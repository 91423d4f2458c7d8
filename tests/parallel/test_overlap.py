"""Reading ahead and writing behind: in order, bounded, and nothing left over, whatever fails."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator

import pytest
import torch

from interpbench.parallel.overlap import ahead, behind, let_go

PATIENCE = 20  # seconds, after which a test that waits for another thread has failed


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def wait(event: threading.Event) -> None:
    assert event.wait(PATIENCE)


@pytest.mark.parametrize("number", [0, 1, 2, 5, 50])
def test_results_are_those_of_the_items_in_their_order(number: int) -> None:
    with ahead(lambda item: item * item, range(20), number) as results:
        assert list(results) == [item * item for item in range(20)]


def test_what_is_ready_first_does_not_come_first() -> None:
    second_is_ready = threading.Event()

    def slow_first(item: int) -> int:
        wait(second_is_ready) if item == 0 else second_is_ready.set()
        return item

    with ahead(slow_first, range(4), 2) as results:
        assert list(results) == [0, 1, 2, 3]


@pytest.mark.parametrize("number", [1, 3])
def test_no_more_is_read_ahead_than_asked_for(number: int) -> None:
    drawn: list[int] = []
    with ahead(lambda item: item, (drawn.append(item) or item for item in range(20)), number) as results:
        for taken, _ in enumerate(results, start=1):
            time.sleep(0.002)
            assert len(drawn) == min(taken + number, 20)


def test_with_nothing_ahead_all_is_done_when_asked_for_and_by_who_asks() -> None:
    threads: list[threading.Thread] = []
    with ahead(lambda item: threads.append(threading.current_thread()), range(3), 0) as results:
        assert threads == []
        next(results)
        assert threads == [threading.current_thread()]
    with behind(0) as do:
        do(lambda: threads.append(threading.current_thread()))
        assert threads == [threading.current_thread()] * 2


@pytest.mark.parametrize("number", [0, 1, 3])
def test_an_error_comes_where_the_result_would_have(number: int) -> None:
    def fails_on_three(item: int) -> int:
        if item == 3:
            raise KeyError("three")
        return item

    found = []
    with pytest.raises(KeyError, match="three"), ahead(fails_on_three, range(9), number) as results:
        found.extend(results)
    assert found == [0, 1, 2]


def test_who_stops_early_leaves_nothing_running() -> None:
    begun: list[int] = []
    with pytest.raises(KeyboardInterrupt), ahead(begun.append, range(1000), 2) as results:
        next(results)
        raise KeyboardInterrupt
    number = len(begun)
    time.sleep(0.05)
    assert len(begun) == number <= 3


@pytest.mark.parametrize("number", [0, 1, 2, 5])
def test_all_that_was_asked_for_is_done_at_the_end(number: int) -> None:
    done: list[int] = []
    with behind(number) as do:
        for item in range(20):
            do(done.append, item)
    assert sorted(done) == list(range(20))


def test_who_asks_for_more_than_can_wait_waits() -> None:
    gate, done, asked = threading.Event(), [], []

    def slowly(item: int) -> None:
        wait(gate)
        done.append(item)

    def ask() -> None:
        with behind(2) as do:
            for item in range(5):
                do(slowly, item)
                asked.append(item)

    asking = threading.Thread(target=ask)
    asking.start()
    deadline = time.monotonic() + PATIENCE
    while len(asked) < 2 and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(0.05)
    assert asked == [0, 1]
    gate.set()
    asking.join(PATIENCE)
    assert sorted(done) == asked == [0, 1, 2, 3, 4]


def test_what_fails_behind_is_told_at_the_next_step_and_nothing_more_is_begun() -> None:
    done: list[int] = []

    def fails(item: int) -> None:
        done.append(item)
        if item == 1:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"), behind(1) as do:
        for item in range(9):
            do(fails, item)
    assert done == [0, 1]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fails_last_is_told_at_the_end(error: type[BaseException]) -> None:
    def fails() -> None:
        raise error("late")

    with pytest.raises(error, match="late"), behind(3) as do:
        do(fails)


def test_what_was_asked_for_before_the_caller_failed_is_still_done() -> None:
    done: list[int] = []
    with pytest.raises(KeyboardInterrupt), behind(4) as do:
        for item in range(4):
            do(lambda item: (time.sleep(0.01), done.append(item)), item)
        raise KeyboardInterrupt
    assert sorted(done) == [0, 1, 2, 3]


def test_an_error_that_is_let_go_keeps_nothing_in_memory() -> None:
    class Volume:
        pass

    alive: list[weakref.ref[Volume]] = []

    def fails() -> None:
        volume = Volume()
        alive.append(weakref.ref(volume))
        raise KeyError("first")

    def fails_because() -> None:
        volume = Volume()
        alive.append(weakref.ref(volume))
        try:
            fails()
        except KeyError as error:
            raise ValueError("second") from error

    with pytest.raises(ValueError, match="second") as caught:
        fails_because()
    assert all(one() is not None for one in alive)
    kept = caught.value
    del caught
    let_go(kept)
    assert [one() for one in alive] == [None, None]
    assert str(kept) == "second"


def test_these_threads_share_torchs_threads_with_who_asks_and_give_them_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(6)
    seen: list[int] = []
    try:
        with ahead(lambda item: torch.get_num_threads(), range(4), 2) as results, behind(1) as do:
            do(lambda: seen.append(torch.get_num_threads()))
            assert list(results) == [2, 2, 2, 2]  # 6 among two that read and one that asks
            assert torch.get_num_threads() == 6
        assert seen == [3]
        fresh: list[int] = []
        late = threading.Thread(target=lambda: fresh.append(torch.get_num_threads()))
        late.start()
        late.join()
        assert (torch.get_num_threads(), fresh) == (6, [6])
    finally:
        torch.set_num_threads(before)
