"""Reading ahead and writing behind with items, results and errors of any kind; and errors that are let go."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from interpbench.parallel.overlap import ahead, behind, let_go

NUMBERS = [0, 1, 2, 7]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("items", [[], [None], [None, 0, "", (), None], ["ä", "\0", "b"]])
def test_results_that_are_nothing_or_false_are_results(number: int, items: list[Any]) -> None:
    with ahead(lambda item: item, items, number) as results:
        assert list(results) == items
        assert next(results, "the end") == "the end"


@pytest.mark.parametrize("number", NUMBERS)
def test_a_function_that_ends_an_iteration_does_not_end_the_items_quietly(number: int) -> None:
    def ends_at_two(item: int) -> int:
        return next(iter(())) if item == 2 else item

    found = []
    with pytest.raises(RuntimeError, match="StopIteration from 2"), ahead(ends_at_two, range(5), number) as results:
        found.extend(results)
    assert found == [0, 1]


@pytest.mark.parametrize("number", NUMBERS)
def test_an_error_of_the_items_themselves_is_raised_where_the_item_is_drawn(number: int) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise LookupError("no more disks")

    found = []
    with pytest.raises(LookupError, match="no more disks"), ahead(lambda item: item, items(), number) as results:
        found.extend(results)
    assert found == ([] if number else [1])  # who reads ahead draws it before the first result is taken


@pytest.mark.parametrize("number", NUMBERS)
def test_nobody_has_to_take_a_result(number: int) -> None:
    with ahead(lambda item: 1 // item, [0, 0, 0], number):
        pass  # and so nobody meets their errors


@pytest.mark.parametrize("number", NUMBERS)
def test_arguments_are_passed_on_as_they_are(number: int) -> None:
    done: list[tuple[Any, ...]] = []
    with behind(number) as do:
        for arguments in ((), (None,), (1, "ä", [2])):
            do(lambda *given: done.append(given), *arguments)
    assert sorted(done, key=len) == [(), (None,), (1, "ä", [2])]


@pytest.mark.parametrize("number", [1, 2, 7])
def test_no_more_threads_write_than_asked_for_and_one_alone_keeps_the_order(number: int) -> None:
    done: list[int] = []
    threads: set[str] = set()
    with behind(number) as do:
        for item in range(12):
            do(lambda item: (done.append(item), threads.add(threading.current_thread().name)), item)
    assert sorted(done) == list(range(12)) and len(threads) <= number
    assert all(name.startswith("behind") for name in threads)
    assert done == list(range(12)) or number > 1


def test_of_several_errors_behind_the_first_is_told_and_the_callers_own_goes_before_it() -> None:
    gate = threading.Event()

    def fails(what: str) -> None:
        gate.wait(20)
        raise ValueError(what)

    with pytest.raises(ValueError, match="first"), behind(3) as do:
        for what in ("first", "second", "third"):
            do(fails, what)
        gate.set()
    with pytest.raises(KeyError, match="own"), behind(3) as do:
        do(fails, "behind")
        raise KeyError("own")


def with_traceback(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def test_nothing_to_let_go_is_no_error() -> None:
    let_go(None)
    error = ValueError("never raised")
    let_go(error)
    assert error.__traceback__ is None


def test_errors_in_a_circle_are_let_go_once_each() -> None:
    first, second = with_traceback(ValueError("first")), with_traceback(KeyError("second"))
    first.__cause__, second.__cause__ = second, first
    first.__context__ = first
    let_go(first)
    assert first.__traceback__ is None and second.__traceback__ is None


def test_the_members_of_a_group_and_their_causes_are_let_go_too() -> None:
    cause = with_traceback(OSError("cause"))
    member = with_traceback(ValueError("member"))
    member.__cause__ = cause
    inner = with_traceback(BaseExceptionGroup("inner", [member, with_traceback(KeyboardInterrupt())]))
    outer = with_traceback(BaseExceptionGroup("outer", [inner]))
    let_go(outer)
    assert [one.__traceback__ for one in (outer, inner, *inner.exceptions, cause)] == [None] * 5
    assert member.__cause__ is cause


def test_a_context_that_is_not_shown_is_let_go_as_well() -> None:
    try:
        try:
            raise OSError("hidden")
        except OSError as hidden:
            kept = hidden
            raise ValueError("shown") from None
    except ValueError as shown:
        let_go(shown)
        assert shown.__suppress_context__ and shown.__context__ is kept
    assert kept.__traceback__ is None
