"""Threads that read the next items ahead and write finished ones behind.

Whoever asks stays in its own thread, and nothing but reading and writing leaves it: a method or predictor is called by
one thread only, whose random state nobody else draws from. At most `number` items are under way in each direction, so
memory does not grow with how many there are. With `number=0` all is done at once, by the thread that asks. These
threads share torch's with whoever asks: with as many as the network has, each would wait for the others' cores.
"""

from __future__ import annotations

import functools
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import torch

AHEAD = 2  # a method that takes half as long as reading a subject, or writing its map, still never waits

Item = TypeVar("Item")
Result = TypeVar("Result")


class Submit(Protocol):
    """Submits a call to a thread."""

    def __call__(self, function: Callable[..., object], *arguments: Any) -> None: ...


@contextmanager
def ahead(function: Callable[[Item], Result], items: Iterable[Item], number: int) -> Iterator[Iterator[Result]]:
    """Yield the results of a function in the order of the items, some of them computed in advance.

    What the function raises is raised where its result would have come. At the end, however it comes, no thread is
    left, and what was not begun never is.

    Args:
        function: called in other threads, for several items at once.
        number: of results that are being made or wait to be taken, at most.
    """
    whole = functools.partial(_no_end, function)
    if not number:
        yield map(whole, items)
        return
    with _pool(number, "ahead") as pool:
        try:
            yield _in_order(pool, whole, items, number)
        finally:
            pool.shutdown(cancel_futures=True)


def _no_end(function: Callable[[Item], Result], item: Item) -> Result:
    """The result of the function; a StopIteration becomes an error, because it would end the items."""
    try:
        return function(item)
    except StopIteration as error:
        raise RuntimeError(f"StopIteration from {item!r}") from error


def _in_order(
    pool: ThreadPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item], number: int
) -> Iterator[Result]:
    rest = iter(items)
    waiting = deque(pool.submit(function, item) for item in itertools.islice(rest, number))
    while waiting:
        result = waiting.popleft().result()
        waiting.extend(pool.submit(function, item) for item in itertools.islice(rest, 1))
        yield result
        del result  # or it would be held until the next one is there


@contextmanager
def behind(number: int) -> Iterator[Submit]:
    """Yield a function that submits calls to threads, while the caller continues.

    What one of them raises is raised by the next call, or at the end, and what was not begun never is. Where the
    caller fails on its own, what it asked for before is still done. No thread is left at the end.

    Args:
        number: of things that are being done or wait to be, at most; the next one waits for its turn.
    """
    if not number:
        yield _at_once
        return
    waiting: deque[Future[object]] = deque()

    def finish_first() -> None:
        try:
            waiting.popleft().result()
        except BaseException:
            for one in waiting:
                one.cancel()
            raise

    def do(function: Callable[..., object], *arguments: Any) -> None:
        while waiting and (len(waiting) >= number or waiting[0].done()):
            finish_first()
        waiting.append(pool.submit(function, *arguments))

    with _pool(number, "behind") as pool:
        yield do
        while waiting:
            finish_first()


@contextmanager
def _pool(number: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads that share torch's threads."""
    torchs = torch.get_num_threads()
    share = max(torchs // (number + 1), 1)
    try:
        with ThreadPoolExecutor(number, name, initializer=torch.set_num_threads, initargs=(share,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(torchs)  # which is also what threads to come begin with


def _at_once(function: Callable[..., object], *arguments: Any) -> None:
    function(*arguments)


def let_go(error: BaseException | None) -> None:
    """Clear the traceback of an error and its causes, so that a list of errors keeps no large objects alive.

    Errors may lead to each other in a circle; each is visited once.
    """
    seen, waiting = set[int](), [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.with_traceback(None)  # an assignment would fail on an error that is a frozen dataclass
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
