"""Several processes at one list of items: a head start, and never more.

Each process takes the next item and keeps what it makes on disk. Afterwards the caller goes through the whole list as
if it were alone: it takes from disk what is there, and makes what is not. So whatever happens to a process, an error is
met, and told, once and by the caller; nothing is sent back, and no result depends on who made it.

Processes are forked, so they have at once all that the caller has. But of its threads a fork has only the one that
called, and what another one held at that moment stays locked in it for ever. So nothing is forked while another Python
thread runs, and each process computes with one thread, as those of OpenMP are not there any more. (torch's DataLoader
does the same.)
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import select
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import FileIO
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import torch
from tqdm import tqdm

from interpbench.errors import one_line
from interpbench.progress import progress_bars, track

log = logging.getLogger("interpbench")

GRACE = 5.0  # seconds in which a process that is told to end puts away what it was writing
LOOK = 1000  # milliseconds between two looks at who has ended
PLACE = 4  # bytes that name an item
PR_SET_PDEATHSIG = 1  # of Linux's prctl
FIRST_TO_GO = "500"  # where memory runs out, Linux ends such a process before the caller

Item = TypeVar("Item")


def hindrance(device: torch.device) -> str:
    """Why no processes can be forked here and now; empty where they can."""
    if device.type != "cpu" or torch.cuda.is_initialized():
        return "the memory and threads of a GPU cannot be forked"
    if sys.platform != "linux":
        return "only Linux forks a process safely"
    _end_monitor()
    others = threading.active_count() - 1
    return f"{others} other Python threads are running, which cannot be forked" if others else ""


def side_by_side(
    items: Sequence[Item],
    work: Callable[[Item], object],
    processes: int,
    description: str,
    *,
    order: Iterable[int] | None = None,
    silent: bool = False,
) -> None:
    """Work on items in several processes, as far as that goes; return when all of them have ended.

    Args:
        items: subjects.
        work: what is done with one; what it makes must be on disk when it returns. What it raises ends its process,
            and the others go on.
        processes: how many; with fewer than two nothing happens.
        description: what the progress bar says.
        order: places in `items`, each drawn when a process is free for it; None for their own order.
        silent: nothing is logged by the processes.
    """
    number, places = min(processes, len(items)), iter(range(len(items)) if order is None else order)
    if number < 2 or hindrance(torch.device("cpu")):
        return
    caller, running = os.getpid(), set[int]()
    tasks_out, tasks_in, news_out, news_in = _pipes()

    def begin() -> None:
        tasks_in.close()
        news_out.close()
        if silent:
            logging.disable(logging.CRITICAL)
        while os.getppid() == caller and (place := tasks_out.read(PLACE)):
            work(items[int.from_bytes(place, "big")])
            news_in.write(b".")

    try:
        with _uninterrupted():
            for _ in range(number):
                with contextlib.suppress(OSError):  # no room for another
                    running.add(_forked(begin, caller))
        tasks_out.close()
        news_in.close()
        with track((), description, total=len(items), unit="subject") as bar:
            killed = _attend(running, tasks_in, news_out, places, bar)
    except BaseException:
        _end(running)
        raise
    finally:
        for pipe in (tasks_out, tasks_in, news_out, news_in):
            pipe.close()
    if killed:
        log.warning(
            "%d of %d processes were killed, perhaps because memory ran out; one process finishes their work. "
            "Use fewer processes to need less memory.",
            killed,
            number,
        )


def _attend(running: set[int], tasks: FileIO, news: FileIO, places: Iterator[int], bar: tqdm[Any]) -> int:
    """Hand out items and hear of those done, until nobody is left in `running`; returns how many were killed."""
    killed, poll = 0, select.poll()
    poll.register(news, select.POLLIN)
    for _ in range(len(running)):
        _hand_out(places, tasks)
    while running:
        heard = bool(poll.poll(LOOK))
        done = news.read(1024) if heard else b""
        bar.update(len(done))
        for _ in done:
            _hand_out(places, tasks)
        last = heard and not done  # the pipe's other end is closed: everybody is on the way out
        killed += sum(code < 0 for code in _ended(running, wait=last))
    return killed


def _hand_out(places: Iterator[int], tasks: FileIO) -> None:
    """The next item for whoever is free; without one the pipe is closed, and who then asks ends."""
    place = next(places, None)
    if place is None:
        tasks.close()
    else:
        tasks.write(place.to_bytes(PLACE, "big"))


def _ended(running: set[int], *, wait: bool) -> list[int]:
    """Exit codes of those that have ended, who are taken from `running`; below 0 for who was killed."""
    codes = []
    for pid in list(running):
        try:
            ended, status = os.waitpid(pid, 0 if wait else os.WNOHANG)
        except ChildProcessError:  # somebody else took the news
            ended, status = pid, 0
        if ended:
            running.discard(pid)
            codes.append(os.waitstatus_to_exitcode(status))
    return codes


def _end(running: set[int]) -> None:
    """Have every process end: asked to at first, and killed where it does not."""
    until = time.monotonic() + GRACE
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        while running and time.monotonic() < until:
            time.sleep(0.01)
            _ended(running, wait=False)
    _ended(running, wait=True)


def _forked(begin: Callable[[], None], caller: int) -> int:
    """Fork a process that does `begin` and ends; returns its number."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()  # or both would write what waits in there
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's, of the threads that OpenMP keeps asleep
        pid = os.fork()
    return pid or _live(begin, caller)


def _live(begin: Callable[[], None], caller: int) -> NoReturn:
    """All that a forked process does; nothing of the caller's, such as what is due at its exit, is done twice."""
    status = 1
    try:
        _settle(caller)
        with progress_bars(False):
            begin()
        status = 0
    except BaseException as error:  # the caller will meet it too
        log.debug("a process ended early: %s", one_line(error), exc_info=True)
    finally:
        os._exit(status)


def _settle(caller: int) -> None:
    """Make a forked process fit to work, and never to outlive its caller."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != caller:  # it died before that
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the caller as well, who tells the others to end
    signal.signal(signal.SIGTERM, _leave)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO)
    tqdm.set_lock(threading.RLock())  # the inherited one is shared: who is killed with it in hand would stop all
    torch.set_num_threads(1)
    torch.ones((), requires_grad=True).square().backward()  # fails after a fork where a GPU's threads were running


def _leave(*_: object) -> NoReturn:
    raise SystemExit(1)  # and not at once: what was being written is put away


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Signals to end wait until every process is known."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _pipes() -> tuple[FileIO, FileIO, FileIO, FileIO]:
    """Two pipes, the reading end of each before its writing end. They end with the processes, and leave nothing."""
    first, second = os.pipe(), os.pipe()
    return FileIO(first[0], "r"), FileIO(first[1], "w"), FileIO(second[0], "r"), FileIO(second[1], "w")


def _end_monitor() -> None:
    """End the thread by which tqdm redraws slow bars; the next bar starts another."""
    if tqdm.monitor is not None:
        tqdm.monitor.exit()
        tqdm.monitor = None
