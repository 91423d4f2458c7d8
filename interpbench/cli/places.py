"""Whether the output can be where it is wanted, before anything heavy is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interpbench.errors import UsageError

_INPUTS = ("cohort", "predictor", "fitted", "maps", "atlas", "weights")


def check_output(given: Mapping[str, Any]) -> None:
    """Refuse an output that cannot be written, or that is one of the inputs.

    Args:
        given: a command's values by name; `out` is the output, where it has one.

    Raises:
        UsageError: in one line, why.
    """
    out = given.get("out")
    if not isinstance(out, Path):
        return
    if "\0" in str(out):
        raise UsageError("--out holds a NUL character.")
    above = out.absolute()
    while not os.path.lexists(above):
        above = above.parent
    if above != out.absolute() and not above.is_dir():
        raise UsageError(f"--out {out}: {above} is no folder, so nothing can be written below it.")
    if not os.access(above, os.W_OK):
        raise UsageError(f"--out {out}: {above} cannot be written to.")
    for name in _INPUTS:
        for one in _paths(given.get(name)):
            if os.path.exists(one) and os.path.realpath(one) == os.path.realpath(out):
                raise UsageError(f"--out {out} is the {name} itself: give another output.")


def _paths(value: Any) -> list[Path]:
    values = value if isinstance(value, list | tuple) else [value]
    return [one for one in values if isinstance(one, Path)]
