"""Where memory runs out, a method goes on with half the batch, and says so; never a guess at what went wrong."""

from __future__ import annotations

import json
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from interpbench import Explainer, Predictor, explain, option
from interpbench.errors import PluginError, ResourceError


@dataclass(frozen=True, kw_only=True)
class Hungry(Explainer):
    """Has no memory for more than so many at once."""

    tried: ClassVar[list[int]] = []
    batch_size: int = option(16, "at once", minimum=1)
    room: int = option(4, "how many there is memory for", minimum=0)
    way: str = option("python", "who runs out of it", choices=("python", "cuda", "cpu", "other"))

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        self.tried.append(self.batch_size)
        if self.batch_size > self.room:
            raise {
                "python": MemoryError(),
                "cuda": torch.OutOfMemoryError("CUDA out of memory."),
                "cpu": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
                "other": RuntimeError("shape mismatch"),
            }[self.way]
        return volumes[:, 0].abs()


@pytest.fixture
def run(toy_cohort: Path, toy_model: Path, tmp_path: Path, toy_plugin: types.ModuleType) -> Callable[..., list[Path]]:
    toy_plugin.offer("explainer", "hungry", Hungry)
    Hungry.tried.clear()

    def explained(participants: list[str], **options: object) -> list[Path]:
        return explain(
            toy_cohort,
            toy_model,
            tmp_path / "maps",
            method="hungry",
            device="cpu",
            options=options,
            participants=participants,
        )

    return explained


@pytest.mark.parametrize("way", ["python", "cuda", "cpu"])
def test_the_batch_halves_until_it_fits_and_the_record_says_so(
    way: str, run: Callable[..., list[Path]], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING", "interpbench"):
        (path,) = run(["07"], way=way)
    assert Hungry.tried == [16, 8, 4]
    assert [words for words in caplog.messages if "trying again with" in words] == [
        f"hungry: out of memory with batch_size={size}; trying again with {size // 2}" for size in (16, 8)
    ]
    record = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
    assert "out of memory with batch_size=8; the map was made with 4" in record["warnings"]
    assert record["options"]["batch_size"] == 16


def test_at_one_it_ends_and_tells_what_was_tried(run: Callable[..., list[Path]]) -> None:
    with pytest.raises(ResourceError, match=r"ran out of memory on 1 volume of 10x12x8 at once\..*was already 1"):
        run(["07"], room=0)
    assert Hungry.tried == [16, 8, 4, 2, 1]


def test_another_error_is_no_want_of_memory(run: Callable[..., list[Path]]) -> None:
    with pytest.raises(PluginError, match="shape mismatch"):
        run(["07"], way="other", room=1)
    assert Hungry.tried == [16]
