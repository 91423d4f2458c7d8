"""`adopt`: a user's own network and weights become a model folder that every other step takes."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from interpbench import Recipe, load_predictor, predict
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
            ends = {"none": x, "log": x.log_softmax(1), "softmax": x.softmax(1), "sigmoid": x.sigmoid()}
            return ends[self.ending]
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


def test_weights_of_another_precision_are_told_once(own: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    halves = {name: tensor.half() for name, tensor in saved(own, tmp_path / "w.pt").state_dict().items()}
    torch.save(halves, tmp_path / "w.pt")
    adopt("own_network:Own", tmp_path / "w.pt", tmp_path / "out", recipe=RECIPE)
    assert caplog.text.count("weights of type float16 were converted to the network's own") == 1


def test_a_column_of_several_outputs_is_asked_for_by_an_option(own: Any, tmp_path: Path) -> None:
    network = saved(own, tmp_path / "w.pt", outputs=3)
    adopt(
        "own_network:Own",
        tmp_path / "w.pt",
        tmp_path / "out",
        recipe=RECIPE,
        arguments={"outputs": 3},
        options={"column": "2"},
    )
    volumes = torch.randn(2, 1, 8, 9, 10)
    torch.testing.assert_close(load_predictor(tmp_path / "out").predict(volumes), network(volumes)[:, 2])


@pytest.mark.parametrize("ending", ["none", "log", "softmax"])
def test_soft_bins_give_one_expectation_whatever_the_network_ends_in(own: Any, tmp_path: Path, ending: str) -> None:
    network = saved(own, tmp_path / "w.pt", outputs=10, ending=ending)
    record = adopt(
        "own_network:Own",
        tmp_path / "w.pt",
        tmp_path / "out",
        recipe=RECIPE,
        arguments={"outputs": 10, "ending": ending},
        bins=(40.0, 80.0),
    )
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


@pytest.mark.parametrize(("classes", "sign"), [(("young", "old"), 1.0), (["old", " young"], -1.0)])
@pytest.mark.parametrize("ending", ["none", "log"])
def test_a_classifiers_classes_are_its_outputs_in_order(
    own: Any, tmp_path: Path, classes: list[str], sign: float, ending: str
) -> None:
    network = saved(own, tmp_path / "w.pt", outputs=2, ending=ending)
    record = adopt(
        "own_network:Own",
        tmp_path / "w.pt",
        tmp_path / "out",
        recipe=RECIPE,
        classes=classes,
        arguments={"outputs": 2, "ending": ending},
        target="Group",
        target_class="old",
    )
    volumes = torch.randn(2, 1, 8, 9, 10)
    scores = network(volumes)
    torch.testing.assert_close(load_predictor(tmp_path / "out").predict(volumes), sign * (scores[:, 1] - scores[:, 0]))
    assert (record["unit"], record["target"], record["target_class"]) == ("logit", "group", "old")
    assert record["classes"] == [name.strip() for name in classes]


def test_an_adopted_classifier_is_judged_by_its_column(
    own: Any, tmp_path: Path, make_toy_cohort: Callable[..., Path]
) -> None:
    saved(own, tmp_path / "w.pt")
    asked = {"recipe": RECIPE, "classes": ["old", "young"], "target": "group"}
    adopt("own_network:Own", tmp_path / "w.pt", tmp_path / "out", **asked)
    (tmp_path / "cohort").mkdir()
    cohort = make_toy_cohort(tmp_path / "cohort", 4, columns={"group": ["young", "young", "old", "n/a"]})
    figures = predict(cohort, tmp_path / "out", tmp_path / "p.tsv", device="cpu")["figures"]["all"]
    assert (figures["n"], figures["counts"]) == (3, {"old": 1, "young": 2})
    assert figures["majority_class"] is None


@pytest.mark.parametrize(
    ("arguments", "changes", "message"),
    [
        ({"outputs": 2}, {"classes": ["old"]}, "at least two different words, one per output, got old"),
        ({"outputs": 2}, {"classes": ["old", "old"]}, "two different words"),
        ({"outputs": 2}, {"scale": 2.0}, "the prediction of a classifier is a logit: omit scale"),
        ({"outputs": 2}, {"options": {"column": 1}}, "omit column"),
        ({"outputs": 2}, {"target_class": "odl"}, "Did you mean 'old'"),
        ({"outputs": 3}, {}, "has 3 outputs, but there are 2 classes"),
        ({"outputs": 2, "ending": "softmax"}, {}, "own_network:Own: the output ends in a softmax"),
        ({"ending": "sigmoid"}, {}, "own_network:Own: the output ends in a sigmoid"),
        ({"outputs": 2, "ending": "softmax"}, {"classes": (), "options": {"column": 1}}, "ends in a softmax"),
        ({"ending": "sigmoid"}, {"classes": ()}, "ends in a sigmoid"),
    ],
)
def test_what_is_squashed_or_no_classifier_is_not_adopted(
    own: Any, tmp_path: Path, arguments: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    saved(own, tmp_path / "w.pt", **arguments)
    asked = {"recipe": RECIPE, "classes": ["old", "young"], "arguments": arguments, **changes}
    with pytest.raises((InputError, UsageError), match=message):
        adopt("own_network:Own", tmp_path / "w.pt", tmp_path / "out", **asked)
    assert not (tmp_path / "out").exists()


def test_a_sigmoid_with_a_scale_may_be_meant_and_is_told(
    own: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    saved(own, tmp_path / "w.pt", ending="sigmoid")
    adopt(
        "own_network:Own",
        tmp_path / "w.pt",
        tmp_path / "out",
        recipe=RECIPE,
        arguments={"ending": "sigmoid"},
        scale=40.0,
        offset=40.0,
    )
    assert "own_network:Own: the output ends in a sigmoid: where it saturates, maps are flat" in caplog.text
