"""A method's choices for the sidecar: left out where it has none to name, and told where it fails."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch

from interpbench import Explainer, Recipe
from interpbench.errors import NotApplicable, PluginError
from interpbench.host.ask_explainer import described
from interpbench_networks.torch_module import TorchModule


@dataclass(frozen=True, kw_only=True)
class Describing(Explainer):
    """Describes itself by what it was given."""

    says: ClassVar[Any] = None

    def describe(self, predictor: Any, volumes: Any) -> Any:
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    def explain(self, predictor: Any, volumes: Any) -> Any:
        return volumes[:, 0].abs()


SAID = [  # what it says or raises, the record, and the words of the warning
    ({"layer": "conv"}, {"layer": "conv"}, ""),
    (NotApplicable("no layer has feature maps"), {}, ""),  # the map is refused with this reason, once
    (ValueError("oh\nno"), {}, "method 'toy' failed: ValueError: oh no"),
    (KeyError("x"), {}, "failed to describe itself"),
]


@pytest.mark.parametrize(("says", "record", "warning"), SAID)
def test_what_a_method_says_of_itself(
    says: Any, record: dict[str, str], warning: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Describing, "says", says)
    caplog.set_level(logging.WARNING, "interpbench")
    assert asked() == record
    assert len(caplog.records) == bool(warning) and warning in caplog.text


def test_a_description_that_json_has_no_place_for_is_the_plugins_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Describing, "says", {"layer": float("nan")})
    with pytest.raises(PluginError, match="method 'toy' must describe itself with JSON values"):
        asked()


def asked() -> dict[str, Any]:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4 * 5 * 3, 1))
    predictor = TorchModule(factory="nets:Net").loaded(network, Recipe(shape=(4, 5, 3), voxel_size=4.0))
    return described(Describing(), predictor, torch.rand(1, 1, 4, 5, 3), "toy")
