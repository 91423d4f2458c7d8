"""Records that a run left, read again: JSON objects whose values are of the kinds that they must be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interpbench.atomic import read_json
from interpbench.errors import InputError

NUMBER = (int, float)
_CALLED: Mapping[Any, str] = {str: "text", dict: "set of named values", NUMBER: "number"}


def read_record(path: Path, kinds: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Read a record.

    Args:
        kinds: `str`, `dict` or `NUMBER` for each value that it must have; others may be anything.
        what: how the message calls such a record.

    Raises:
        InputError: no such file, no JSON, or a value that is missing or of another kind.
    """
    record = read_json(path)
    lacking = [key for key in kinds if key not in record] if isinstance(record, dict) else list(kinds)
    if lacking:
        raise InputError(f"{path}: is no {what}, {', '.join(lacking)} missing.")
    for key, kind in kinds.items():
        value = record[key]
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not (number if kind is NUMBER else isinstance(value, kind)):
            raise InputError(f"{path}: {key} is {str(value)[:60]!r}, which is no {_CALLED[kind]}.")
    return dict(record)
