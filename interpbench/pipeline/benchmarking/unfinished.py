"""The rows of a subject who is being measured: kept map by map, so that a restart loses the map in hand at most."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interpbench.errors import InputError
from interpbench.files.atomic import read_json, write_text
from interpbench.files.records import ListOf, MapOf, Maybe, fault_in
from interpbench.pipeline.benchmarking.tables import Row

_ROW = {"participant_id": str, "method": str, "measure": str, "step": object, "value": object, "note": Maybe(str)}
_KINDS = {"stamp": dict, "rows": MapOf(ListOf(_ROW))}


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """A hidden file beside a subject's table, until that is whole.

    JSON, as Python writes it: numbers, NaN and notes come back as they were.
    """

    product: Path  # the table
    stamp: Mapping[str, Any]  # all that decides the rows; with another one nothing is taken from the file

    @property
    def path(self) -> Path:
        """The path of the hidden file."""
        return self.product.with_name(f".{self.product.stem}.unfinished.json")

    def read(self) -> dict[str, list[Row]]:
        """The rows kept so far, by contestant."""
        try:
            found = read_json(self.path, nan=True)
        except InputError:
            return {}
        ours = not fault_in(found, _KINDS) and found["stamp"] == self.stamp
        return dict(found["rows"]) if ours else {}

    def keep(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Write rows to the file, by contestant."""
        write_text(self.path, json.dumps({"stamp": self.stamp, "rows": rows}, default=float))

    def remove(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)
