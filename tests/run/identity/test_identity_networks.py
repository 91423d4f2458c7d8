"""A predictor's fingerprint is over all that makes its predictions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from interpbench import adopt, load_predictor

NETWORK = """
import json
import pathlib
import torch
from identity_helper import act
from torch import nn

class Two(nn.Module):
    def __init__(self, power=1.0, pool=2, file=""):
        super().__init__()
        self.pool, self.power = nn.AvgPool3d(pool), power
        self.head = nn.Conv3d(1, 2, 1)
        self.gain = json.loads(pathlib.Path(file).read_text()) if file else 1.0

    def forward(self, volumes):
        return act(self.head(self.pool(volumes)) * self.gain).abs().pow(self.power).mean((2, 3, 4))

def make(**arguments):
    return Two(**arguments)
"""
HELPER = "def act(values):\n    return values\n"
ADOPTED = {
    "options": {"column": 0},
    "arguments": {},
    "scale": 1.0,
    "offset": 0.0,
    "unit": "years",
    "recipe": {"shape": (10, 12, 8), "voxel_size": 4.0},
}
NETWORK_CHANGES: dict[str, dict[str, Any]] = {
    "column": {"options": {"column": 1}},
    "arguments": {"arguments": {"power": 2.0}},
    "a layer without weights": {"arguments": {"pool": 1}},
    "scale": {"scale": 2.0},
    "offset": {"offset": 2.0},
    "unit": {"unit": "months"},
    "bins": {"options": {"bins_start": 0.0, "bins_stop": 100.0, "bins_hold": "scores"}},
    "bins' range": {"options": {"bins_start": 0.0, "bins_stop": 90.0, "bins_hold": "scores"}},
    "what bins hold": {"options": {"bins_start": 0.0, "bins_stop": 100.0, "bins_hold": "probabilities"}},
    "recipe's normalisation": {"recipe": {"shape": (10, 12, 8), "voxel_size": 4.0, "normalise": "volume"}},
    "recipe's voxel size": {"recipe": {"shape": (10, 12, 8), "voxel_size": 3.0}},
    "target": {"target": "weight"},
    "classes": {"classes": ["a", "b"], "options": {}, "unit": "years"},
    "class": {"classes": ["a", "b"], "target_class": "a", "options": {}, "unit": "years"},
    "factory": {"factory": "identity_network:Two"},
    "code of a module that the network imports": {"helper": "def act(values):\n    return values * 2\n"},
    "a file that the arguments name": {"gain": 3.0},
    "code": {"code": NETWORK.replace(".abs()", ".square()")},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORK_CHANGES)
def test_two_networks_that_differ_in_one_thing_are_two_predictors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)

    def adopted(
        folder: str,
        *,
        code: str = NETWORK,
        factory: str = "identity_network:make",
        helper: str = HELPER,
        gain: float = 1.0,
        **given: Any,
    ) -> str:
        (tmp_path / "identity_network.py").write_text(code)
        (tmp_path / "identity_helper.py").write_text(helper)
        (tmp_path / "gain.json").write_text(str(gain))
        for module in ("identity_network", "identity_helper"):
            monkeypatch.delitem(sys.modules, module, raising=False)
        if factory.endswith("make"):
            given["arguments"] = {"file": str(tmp_path / "gain.json"), **given.get("arguments", {})}
        weights = {"head.weight": torch.tensor([1.0, 3.0]).reshape(2, 1, 1, 1, 1), "head.bias": torch.ones(2)}
        torch.save(weights, tmp_path / "weights.pt")
        adopt(factory, tmp_path / "weights.pt", tmp_path / folder, **{**ADOPTED, **given})
        return load_predictor(tmp_path / folder).fingerprint

    first, other = adopted("first"), adopted("other", **NETWORK_CHANGES[name])
    assert first != other
    assert adopted("again") == first
