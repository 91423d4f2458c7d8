"""Whatever another's code raises leaves as one of the family, is told in one line, and ends nothing halfway."""

from __future__ import annotations

import contextlib
import pickle
import threading
from typing import Any

import pytest
import torch

from interpbench.cli import line_and_code
from interpbench.errors import InterpbenchError
from interpbench.host.foreign import asking, trouble
from interpbench.parallel.overlap import ahead, behind, let_go

pytestmark = pytest.mark.timeout(60)  # a walk that never ends is what these tests are for
SHAPE = (6, 7, 8)


def test_the_family_is_found_whole(own_family: set[str]) -> None:
    assert {
        "InterpbenchError",
        "UsageError",
        "InputError",
        "SubjectsFailed",
        "PluginError",
        "NotApplicable",
        "ResourceError",
        "ConflictError",
        "NoTemplate",
    } <= own_family


def test_what_is_raised_leaves_as_one_of_the_family_and_never_as_its_own_cause(
    way: str, errors: Any, own_family: set[str], check: Any
) -> None:
    make, code = errors[way]
    error = make()
    before = error.__cause__
    with pytest.raises(InterpbenchError) as caught, asking("method 'made'"):
        raise error
    check(caught.value, code)
    if way in own_family:
        assert caught.value is error
    if caught.value is error:
        assert error.__cause__ is before
    else:
        assert caught.value.__cause__ is error


def test_ctrl_c_goes_through() -> None:
    with pytest.raises(KeyboardInterrupt), asking("method 'made'"):
        raise KeyboardInterrupt


def test_where_memory_runs_out_the_message_has_the_size_that_was_tried() -> None:
    told = trouble(MemoryError(), "method 'made'", torch.empty(2, 1, *SHAPE))
    assert str(told) == "method 'made' ran out of memory on 2 volumes of 6x7x8 at once."


def test_every_traceback_of_an_error_and_of_what_led_to_it_is_let_go(way: str, errors: Any) -> None:
    try:
        try:
            error = errors[way][0]()
            raise error
        except BaseException as first:
            raise ExceptionGroup("all", [ValueError("inside")]) from first
    except ExceptionGroup as group:
        kept: BaseException = group
    first = kept.__cause__
    assert first is not None
    let_go(kept)
    assert kept.__traceback__ is None and first.__traceback__ is None


def test_an_error_without_an_end_to_its_causes_leaves_no_traceback_where_both_ways_lead_on() -> None:
    root, cause, context = ValueError("root"), ValueError("cause"), ValueError("context")
    for one in (root, cause, context):
        with contextlib.suppress(ValueError):
            raise one
    root.__cause__, root.__context__ = cause, context
    cause.__cause__ = context.__context__ = root
    let_go(root)
    assert [one.__traceback__ for one in (root, cause, context)] == [None] * 3


@pytest.mark.parametrize("number", [0, 2])
def test_an_error_while_reading_ahead_is_met_where_its_result_would_have_come(
    way: str, number: int, errors: Any
) -> None:
    def read(item: int) -> int:
        if item == 1:
            error = errors[way][0]()
        raise error
        return item

    met: list[BaseException] = []
    try:
        with ahead(read, range(3), number) as results:
            assert next(results) == 0
            try:
                next(results)
            except BaseException as error:
                met.append(error)
    except BaseException as error:  # a frozen one cannot be carried
        met.append(error)
    assert met and not isinstance(met[0], StopIteration)


def test_an_error_while_writing_behind_is_met_and_no_thread_is_left(way: str, errors: Any) -> None:
    def write() -> None:
        error = errors[way][0]()
        raise error

    before = set(threading.enumerate())
    met = False
    try:
        with behind(2) as do:
            do(write)
    except BaseException:
        met = True
    assert met and set(threading.enumerate()) <= before


def test_the_command_line_tells_whatever_reaches_it_in_one_line(
    way: str, monkeypatch: pytest.MonkeyPatch, errors: Any
) -> None:
    """Also what no guard has turned into one of the family."""
    line, code = line_and_code(errors[way][0]())
    assert line.startswith("Error: ") or line == "Interrupted."
    assert "\n" not in line and 0 < code < 256 and len(line) < 2500
    line.encode()


def test_errors_that_cannot_be_pickled_are_among_those_that_were_tried(errors: Any) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(errors["no pickle of it"][0]())
