"""What `adopt` says of networks and weights that it cannot take: one line, by name, with what would be right."""

from __future__ import annotations

import sys
import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from interpbench.errors import InterpbenchError
from interpbench.pipeline import adopt

RECIPE = {"voxel_size": 4.0, "shape": (8, 9, 10)}
SOURCE = """
    import numpy as np
    import os
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv3d(1, 3, 3)
            self.fc = nn.Linear(3, 1)
            self.made()

        def made(self):
            pass

        def features(self, x):
            return self.conv(x).relu().mean((2, 3, 4))

        def forward(self, x):
            return self.answer(self.features(x))

        def answer(self, z):
            return self.fc(z)

    class Weighs(Net):
        def features(self, x):
            return super().features(x) * self.drawn

    class Unregistered(Weighs):
        def made(self):
            self.drawn = torch.randn(3)

    class NotPersistent(Weighs):
        def made(self):
            self.register_buffer("drawn", torch.randn(3), persistent=False)

    class ByNumpy(Weighs):
        def made(self):
            self.drawn = torch.from_numpy(np.random.default_rng().standard_normal(3)).float()

    class ByTheSystem(Weighs):
        def made(self):
            self.drawn = torch.tensor([float(one) for one in os.urandom(3)])

    class AtFirstUse(Net):
        def features(self, x):
            if not hasattr(self, "drawn"):
                self.drawn = torch.randn(3)
            return super().features(x) * self.drawn

    class Registered(Weighs):
        def made(self):
            self.register_buffer("drawn", torch.randn(3))

    class OwnSeed(Weighs):
        def made(self):
            self.drawn = torch.randn(3, generator=torch.Generator().manual_seed(3))

    class NoMemory(Net):
        def made(self):
            raise MemoryError

    class NoMemoryOfTorch(Net):
        def made(self):
            raise torch.OutOfMemoryError("CUDA out of memory")

    class NoMemoryInPass(Net):
        def forward(self, x):
            raise MemoryError

    class NoMemoryOfTorchInPass(Net):
        def forward(self, x):
            raise torch.OutOfMemoryError("CUDA out of memory")

    class Complex(Net):
        def answer(self, z):
            return torch.fft.fft(super().answer(z))

    class Whole(Net):
        def answer(self, z):
            return super().answer(z).long()

    class Truth(Net):
        def answer(self, z):
            return super().answer(z) > 0

    class Flat(Net):
        def made(self):
            self.fc = nn.Linear(2816, 1)

        def features(self, x):
            return self.conv(x).flatten(1)

    class FlatTwice(Flat):
        def made(self):
            self.head = nn.Sequential(nn.Flatten(), nn.Linear(2816, 4), nn.ReLU())
            self.fc = nn.Linear(4, 1)

        def features(self, x):
            return self.head(self.conv(x))

    class TwoD(Net):
        def made(self):
            self.conv = nn.Conv2d(1, 3, 3)

    class FlatNorm(Net):
        def made(self):
            self.norm = nn.BatchNorm2d(3)

        def features(self, x):
            return self.norm(self.conv(x)).mean((2, 3, 4))

    class OneD(Net):
        def made(self):
            self.conv = nn.Conv1d(1, 3, 3)

    class OtherNorm(FlatNorm):
        def made(self):
            self.norm = nn.BatchNorm3d(5)

    class OtherLayerNorm(FlatNorm):
        def made(self):
            self.norm = nn.LayerNorm([3, 3, 3])

    class Colours(Net):
        def made(self):
            self.conv = nn.Conv3d(3, 3, 3)

    class OneAtATime(Net):
        def features(self, x):
            return super().features(x).view(1, 3)
"""


@pytest.fixture
def take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Adopts a network of the source above, with weights that were made for `Net` or itself."""
    (tmp_path / "faulty.py").write_text(textwrap.dedent(SOURCE))
    monkeypatch.syspath_prepend(tmp_path)
    module: Any = __import__("faulty")

    def adopted(name: str, **asked: Any) -> dict[str, Any]:
        torch.manual_seed(5)
        source = module.Net if name.startswith("NoMemory") else getattr(module, name)
        torch.save(source().state_dict(), tmp_path / "w.pt")
        return adopt(f"faulty:{name}", tmp_path / "w.pt", tmp_path / "out", **{"recipe": RECIPE, **asked})

    yield adopted
    sys.modules.pop("faulty", None)


BUILT = "built with random numbers that are not in its weights.* Register them as a parameter or persistent buffer"


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        *[(name, 3, BUILT) for name in ("Unregistered", "NotPersistent", "ByNumpy", "ByTheSystem", "AtFirstUse")],
        ("NoMemory", 6, "factory 'faulty:NoMemory' ran out of memory"),
        ("NoMemoryOfTorch", 6, "factory 'faulty:NoMemoryOfTorch' ran out of memory"),
        ("NoMemoryInPass", 6, "ran out of memory on 1 volume of 8x9x10"),
        ("NoMemoryOfTorchInPass", 6, "ran out of memory on 1 volume of 8x9x10"),
        ("Complex", 3, "returns complex numbers"),
        ("Whole", 3, "returns integers"),
        ("Truth", 3, "returns truth values"),
        ("Flat", 3, "its layer 'fc' expects 2816 numbers and gets 1008 from a volume of 8x9x10: give the --shape"),
        ("FlatTwice", 3, "its layer 'head.1' expects 2816 numbers and gets 1008 from a volume of 8x9x10"),
        ("TwoD", 3, "its layer 'conv' is for 2D images"),
        ("FlatNorm", 3, "its layer 'norm' is for 2D images"),
        ("OneD", 3, "its layer 'conv' is for 1D signals"),
        ("OtherNorm", 3, "its layer 'norm' expects 5 channels and gets 3"),
        ("OtherLayerNorm", 3, "its layer 'norm' expects 3x3x3 numbers and gets 6x7x8"),
        ("Colours", 3, "its layer 'conv' expects 3 channels and gets 1"),
        ("OneAtATime", 3, r"must accept several volumes at once, \(B, 1, I, J, K\)"),
    ],
)
def test_a_network_that_cannot_be_taken_is_refused_by_name(
    name: str, code: int, message: str, take: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(InterpbenchError, match=message) as caught:
        take(name)
    assert caught.value.exit_code == code
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["Registered", "OwnSeed"])
def test_random_numbers_that_are_the_same_each_time_are_sound(name: str, take: Callable[..., Any]) -> None:
    assert take(name)["trial"]["found"] == []


@pytest.mark.parametrize(("flags", "told"), [([], False), (["-v"], True)])
def test_a_warning_of_a_library_is_told_with_v_alone_and_without_lines_of_source(
    flags: list[str], told: bool, monkeypatch: pytest.MonkeyPatch, run: Callable[..., tuple[int, str, str]]
) -> None:
    def warns(*_: object, **__: object) -> dict[str, str]:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("Casting complex values\nto real", UserWarning, stacklevel=1)
        return {"predictor": "torch", "unit": "years"}

    monkeypatch.setattr("interpbench.pipeline.adopt", warns)
    before = warnings.showwarning
    _, _, said = run("adopt", "a:b", __file__, "--voxel-size", "4", "--shape", "8x9x10", "--out", "nowhere", *flags)
    assert ("UserWarning: Casting complex values to real\n" in said) is told
    assert told or "Casting" not in said
    assert "warnings.warn" not in said and warnings.showwarning is before
