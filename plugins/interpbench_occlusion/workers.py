"""Threads that work on different boxes, each with one thread of torch's.

While one does what is done by one thread anyway, in Python or in small operations, the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol, TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


class ParallelMap(Protocol):
    """Applies a function to each item, and yields the results in order."""

    def __call__(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterable[Result]: ...


@contextmanager
def in_threads(device: torch.device) -> Iterator[tuple[int, ParallelMap]]:
    """The number of workers and a parallel map: on a CPU one worker per thread of torch, else one worker.

    After an exception, what was not begun is left.
    """
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    if threads == 1:
        yield 1, lambda function, items: map(_without_gradients(function), items)
        return
    pool = ThreadPoolExecutor(threads, "occlusion", initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield threads, lambda function, items: pool.map(_without_gradients(function), items)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # which is also what threads to come begin with


def _without_gradients(function: Callable[[Item], Result]) -> Callable[[Item], Result]:
    def called(item: Item) -> Result:
        with torch.inference_mode():
            return function(item)

    return called
