"""What a declared file is: its place in a command's folder, what it is for, and its keys or columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class WrittenFile:
    """A file that a command writes.

    Attributes:
        path: in the command's folder. Words in capitals stand for a name: `X` for a subject's label.
        what: a phrase for a reader.
        keys: what each key of a JSON file means, with its unit, or each column of a table. Keys within keys are
            joined by dots, `*` stands for any name, and `[]` for each entry of a list. What stands below a key that is
            declared, and has no declared keys below it, may be anything.
    """

    path: str
    what: str
    keys: Mapping[str, str] = field(default_factory=dict)


def below(key: str, keys: Mapping[str, str]) -> dict[str, str]:
    """Declared keys as they are below another one."""
    return {f"{key}.{name}": meaning for name, meaning in keys.items()}
