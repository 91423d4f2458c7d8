"""The user's request to a benchmark, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from interpbench.run.asked import AskedSubjects, Compute


@dataclass(frozen=True, kw_only=True)
class AskedComparison:
    """The methods, measures and options that a benchmark compares."""

    methods: Sequence[str]
    measures: Sequence[str]
    options: Mapping[str, Any] = field(default_factory=dict)  # of methods and metrics, by `NAME.OPTION`
    floors: bool = True  # whether the methods that know nothing of the network take part
    blur: float = 1.0  # SD in voxels, of copies; 0 for none
    template_of: str | None = None  # whose mean map is the floor `template`
    repeats: int = 2  # subjects on whom methods run again and again; 0 for all
    refit_subjects: int = 32  # training subjects of a method that is fitted again
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class MadeBefore:
    """Folders of earlier fits and maps, and files, that a benchmark uses."""

    fitted: Sequence[str | Path] = ()  # folders of `fit`
    maps: Sequence[str | Path] = ()  # folders of `explain`
    regions: Path | None = None  # an atlas
    truth: Path | None = None  # one for all

    @property
    def places(self) -> dict[str, Any]:
        """Its paths by name, for `check_places`."""
        files = {"regions": self.regions, "truth": self.truth}
        return {
            "fitted": [Path(one) for one in self.fitted],
            "maps": [Path(one) for one in self.maps],
            **{name: path for name, path in files.items() if path is not None},
        }


@dataclass(frozen=True, kw_only=True)
class AskedWork:
    """The subjects of a benchmark, and the device and processes it computes on."""

    subjects: AskedSubjects
    number: int = 15  # of them that take part, drawn by the seed; 0 for all
    compute: Compute
    processes: int | None = None  # None for as many as threads and memory allow
