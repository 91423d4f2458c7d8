"""A result file that a benchmark writes after every run, and goes on in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interpbench.files.atomic import read_json


def resumed(path: Path, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was written there with these settings; None where there is nothing, or it was with others."""
    if not path.is_file():
        return None
    found: dict[str, Any] = read_json(path)
    same = json.loads(json.dumps(settings)) == found.get("settings")
    print(f"{path}: {'going on' if same else 'holds other settings, and is written anew'}")
    return found if same else None
