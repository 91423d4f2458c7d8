"""`adopt`: a user's own network and weights become a model folder that every other step takes."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from interpbench import Recipe, load_predictor
from interpbench.errors import InputError, UsageError
from interpbench.pipeline import adopt

RECIPE = {"voxel_size": 4.0, "shape": (8, 9, 10)}
SOURCE = """
    import torch
    from torch import nn

    class Own(nn.Module):
        def __init__(self, outputs=1, ending="none"):
            super().__init__()
            self.first = nn.Conv3d(1, 3, 3)
            self.last = nn.Linear(3, outputs)
            self.ending = ending

        def forward(self, x):
            x = self.last(self.first(x).relu().mean((2, 3, 4)))
            return {"none": x, "log": x.log_softmax(1), "softmax": x.softmax(1)}[self.ending]
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of a user, importable as `own_network`."""
    (tmp_path / "own_network.py").write_text(textwrap.dedent(SOURCE))
    monkeypatch.syspath_prepend(tmp_path)
    yield __import__("own_network")
    sys.modules.pop("own_network", None)


def saved(own: Any, path: Path, *, prefix: str = "", **arguments: Any) -> Any:
    """The user's trained network, and its weights on disk."""
    torch.manual_seed(5)
    network = own.Own(**arguments).eval()
    state = {prefix + name: tensor for name, tensor in network.state_dict().items()}
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return network


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt"])
def test_the_prediction_is_output_times_scale_plus_offset(own: Any, tmp_path: Path, name: str) -> None:
    network = saved(own, tmp_path / name, prefix="module.")
    adopt("own_network:Own", tmp_path / name, tmp_path / "out", recipe=RECIPE, scale=12.0, offset=50.0, unit="weeks")
    predictor = load_predictor(tmp_path / "out")
    volumes = torch.randn(3, 1, 8, 9, 10)
    torch.testing.assert_close(predictor.predict(volumes), network(volumes)[:, 0] * 12 + 50)
    assert predictor.unit == "weeks"
    assert predictor.recipe == Recipe(voxel_size=4.0, shape=(8, 9, 10))


def test_a_column_of_several_outputs_is_asked_for_by_an_option(own: Any, tmp_path: Path) -> None:
    network = saved(own, tmp_path / "w.pt", outputs=3)
    adopt("own_network:Own", tmp_path / "w.pt", tmp_path / "out", recipe=RECIPE, arguments={"outputs": 3},
          options={"column": "2"})  # fmt: skip
    volumes = torch.randn(2, 1, 8, 9, 10)
    torch.testing.assert_close(load_predictor(tmp_path / "out").predict(volumes), network(volumes)[:, 2])


@pytest.mark.parametrize("ending", ["none", "log", "softmax"])
def test_soft_bins_give_one_expectation_whatever_the_network_ends_in(own: Any, tmp_path: Path, ending: str) -> None:
    network = saved(own, tmp_path / "w.pt", outputs=10, ending=ending)
    record = adopt("own_network:Own", tmp_path / "w.pt", tmp_path / "out", recipe=RECIPE,
                   arguments={"outputs": 10, "ending": ending}, bins=(40.0, 80.0))  # fmt: skip
    volumes = torch.randn(2, 1, 8, 9, 10)
    network.ending = "softmax"
    expected = (network(volumes) * torch.arange(42.0, 80.0, 4.0)).sum(1)
    torch.testing.assert_close(load_predictor(tmp_path / "out").predict(volumes), expected)
    assert record["options"]["bins_hold"] == ("probabilities" if ending == "softmax" else "scores")


def test_weights_of_another_architecture_are_refused_by_name(own: Any, tmp_path: Path) -> None:
    saved(own, tmp_path / "w.pt", outputs=2)
    with pytest.raises(InputError, match=r"last\.weight is \(2, 3\) in the file and \(1, 3\) in the network"):
        adopt("own_network:Own", tmp_path / "w.pt", tmp_path / "out", recipe=RECIPE)
    assert not (tmp_path / "out").exists()


def test_a_volume_too_small_for_the_network_is_told(own: Any, tmp_path: Path) -> None:
    saved(own, tmp_path / "w.pt")
    with pytest.raises(InputError, match="cannot predict a volume of 2x9x10 voxels"):
        adopt("own_network:Own", tmp_path / "w.pt", tmp_path / "out", recipe={**RECIPE, "shape": (2, 9, 10)})


def test_arguments_that_the_factory_does_not_take_are_told(own: Any, tmp_path: Path) -> None:
    saved(own, tmp_path / "w.pt")
    with pytest.raises(UsageError, match=r"failed on .*depth.*unexpected keyword argument 'depth'"):
        adopt("own_network:Own", tmp_path / "w.pt", tmp_path / "out", recipe=RECIPE, arguments={"depth": 3})


def test_a_recipe_without_a_shape_is_told(own: Any, tmp_path: Path) -> None:
    saved(own, tmp_path / "w.pt")
    with pytest.raises(UsageError, match="shape"):
        adopt("own_network:Own", tmp_path / "w.pt", tmp_path / "out", recipe={"voxel_size": 4.0})
