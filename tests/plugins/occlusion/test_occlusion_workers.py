"""Threads that work on different boxes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from interpbench_occlusion.workers import in_threads


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_as_many_work_as_torch_has_threads_each_with_one_and_afterwards_all_is_as_before(threads: int) -> None:
    meeting = threading.Barrier(threads)  # breaks unless so many are at work at once

    def work(item: int) -> tuple[int, int, bool]:
        meeting.wait(timeout=60)
        return item, torch.get_num_threads(), torch.is_inference_mode_enabled()

    with in_threads(torch.device("cpu")) as (workers, each):
        found = list(each(work, range(threads)))
    assert workers == threads
    assert found == [(item, 1, True) for item in range(threads)]
    assert torch.get_num_threads() == threads
    told = []
    later = threading.Thread(target=lambda: told.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert told == [threads]
    assert not torch.is_inference_mode_enabled()


def test_an_error_reaches_who_asked_and_no_thread_is_left(threads: int) -> None:
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="no"), in_threads(torch.device("cpu")) as (_, each):
        list(each(lambda item: (_ for _ in ()).throw(RuntimeError("no")), range(50)))
    assert threading.active_count() == before


def test_a_gpu_is_left_to_one() -> None:
    with in_threads(torch.device("cuda")) as (workers, each):
        assert workers == 1
        assert list(each(abs, [-1, -2])) == [1, 2]
