"""Every file that a command writes, with every key and column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from interpbench.files.written import CACHE, CONFIGURATION, EVERY_RUN, WRITTEN, WrittenFile
from interpbench_unoise.record_keys import RECORD_KEYS
from reference_pages.markdown import code, paragraphs, table

INTRODUCTION = """\
# Files and keys

What each command writes. What all files have in common, what makes a run itself, and where caches and the user's
configuration lie: [files](../files.md).

Words in capitals stand for a name: `X` for a subject's label, `METHOD` for a method without `-` and `_`. Keys within
keys are joined by dots. `*` stands for any name, and `[]` for each entry of a list. A record leaves out what does not
concern it."""
EVERYWHERE = """\
## In every run folder

But for `phantom`, `check`, `predict` and `demo`."""
UNOISE = """\
## What U-noise records

Below `record` in `fitted.json`. [How to read it](../unoise.md#record-of-a-fit)."""


def files_page() -> str:
    """One section a command."""
    return paragraphs(
        INTRODUCTION,
        EVERYWHERE,
        _told(EVERY_RUN),
        *(
            paragraphs(f"## {command.split()[0]}", f"```\ninterpbench {command}\n```", _told(files))
            for command, files in WRITTEN.items()
        ),
        UNOISE,
        _keys("key", RECORD_KEYS),
        "## In the user's configuration folder",
        _told(CONFIGURATION),
        "## In a cache of prepared volumes",
        _told(CACHE),
    )


def _told(files: Sequence[WrittenFile]) -> str:
    """The files, and then the keys of each that has some."""
    parts = [table(("file", "what it is"), [(code(one.path), one.what) for one in files])]
    for one in files:
        if one.keys:
            word = "column" if one.path.endswith(".tsv") else "key"
            parts.append(paragraphs(f"### {code(one.path)}", _keys(word, one.keys)))
    return paragraphs(*parts)


def _keys(word: str, keys: Mapping[str, str]) -> str:
    return table((word, "meaning"), [(code(name), meaning) for name, meaning in keys.items()])
