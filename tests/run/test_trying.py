"""What a trial finds is refused at the door, or goes with every result; so does that nothing was learned."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from interpbench import (
    Explainer,
    Predictor,
    adopt,
    aggregate,
    explain,
    load_predictor,
    predict,
)
from interpbench.errors import InputError, InterpbenchError, SubjectsFailed, UsageError
from interpbench.predictor.model import doubts_of, read_model_record

SHAPE = (10, 12, 8)
RECIPE = {"shape": SHAPE, "voxel_size": 4.0}
SOURCE = """
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Sound(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv3d(1, 4, 3, stride=2)
            self.act = nn.ReLU()
            self.head = nn.Linear(4, 1)

        def forward(self, x):
            return self.head(self.features(self.act(self.conv(x))).amax((2, 3, 4)))

        def features(self, z):
            return z

    class Chance(Sound):
        def features(self, z):
            return F.dropout(z, 0.5)

    class Batch(Sound):
        def features(self, z):
            return z - 0.5 * z.mean(0, keepdim=True)

    class Gradient(Sound):
        def features(self, z):
            return z.detach()

    class Constant(Sound):
        def forward(self, x):
            return 0 * super().forward(x) + 50

    class Stuck(Sound):
        def forward(self, x):
            return F.relu(-super().forward(x).abs() - 1)

    class Clamped(Sound):
        def forward(self, x):
            return (400 * super().forward(x)).clamp(45, 80)

    class Two(Sound):
        def forward(self, x, sex):
            return super().forward(x) + sex

    class Optional(Sound):
        def forward(self, x, sex=None, **more):
            return super().forward(x)

    class Channels(Sound):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv3d(2, 4, 3)

    class Pair(Sound):
        def forward(self, x):
            y = super().forward(x)
            return y, -y
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A user's networks, importable as `tried_network`, and the weights of each."""
    import importlib
    import textwrap

    folder = tmp_path_factory.mktemp("own")
    (folder / "tried_network.py").write_text(textwrap.dedent(SOURCE))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        module = importlib.import_module("tried_network")
        for name in ("Sound", "Channels"):
            torch.manual_seed(3)
            torch.save(getattr(module, name)().state_dict(), folder / f"{name}.pt")
        yield folder


@pytest.fixture(scope="module")
def cohort(make_toy_cohort: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy_cohort(tmp_path_factory.mktemp("people"), 5)


def adopted(own: Path, out: Path, name: str, **settings: Any) -> dict[str, Any]:
    weights = own / ("Channels.pt" if name == "Channels" else "Sound.pt")
    return adopt(f"tried_network:{name}", weights, out, **{"recipe": RECIPE, **settings})


REFUSED = {
    "Chance": "its prediction for the same volume changes from pass to pass",
    "Batch": "depends on the other volumes in the batch",
    "Gradient": "the gradient of its prediction with respect to the volume does not exist",
    "Constant": "it makes the same prediction, 50.0 years for each of 6 made-up volumes",
    "Stuck": "6 of 6 predictions of made-up volumes are exactly 0.0 years: the network ends in a ReLU at its floor",
}


@pytest.mark.parametrize("name", REFUSED)
def test_adopt_refuses_what_its_trial_finds_unless_that_is_accepted(
    own: Path, tmp_path: Path, run: Callable[..., Any], name: str
) -> None:
    words = (
        "adopt",
        f"tried_network:{name}",
        own / "Sound.pt",
        "--out",
        tmp_path / "model",
        "--voxel-size",
        4,
        "--shape",
        "10x12x8",
    )
    code, _, said = run(*words)
    assert (code, said.count("\n")) == (3, 1) and REFUSED[name] in said
    assert f"`--accept {name.lower()}`" in said and not (tmp_path / "model").exists()
    code, _, said = run(*words, "--accept", name.lower())
    assert code == 0 and said.startswith("WARNING: ") and REFUSED[name] in said
    record = read_model_record(tmp_path / "model")
    assert record["trial"]["accepted"] == [name.lower()] and record["trial"]["found"] == [name.lower()]
    (sentence,) = doubts_of(record)
    assert REFUSED[name] in sentence


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Two", r"tried_network:Two needs 2 inputs \(x, sex\), but a predictor gets only the volume"),
        ("Channels", r"first convolution, 'conv', is a Conv3d of 2 input channels"),
        ("Pair", r"returns 2 outputs .* -o column=N \(column 0 is output 0"),
    ],
)
def test_what_takes_or_gives_more_than_one_is_refused(own: Path, tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        adopted(own, tmp_path / "model", name)
    assert "\n" not in str(caught.value) and not (tmp_path / "model").exists()


def test_a_sound_network_has_its_trial_on_record_and_no_doubt(own: Path, tmp_path: Path) -> None:
    for name, options in (("Sound", {}), ("Optional", {}), ("Pair", {"column": 1})):
        record = adopted(own, tmp_path / name, name, options=options)
        assert record["trial"]["found"] == [] and record["trial"]["largest_gradient"] > 0
        assert record["warnings"] == [] and doubts_of(record) == ()
        assert record["options"]["column"] == options.get("column")


def test_what_can_be_accepted_is_named(own: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"chance, batch, gradient, constant, stuck, got 'bach'. Did you mean 'batch'"):
        adopted(own, tmp_path / "model", "Sound", accept=["bach"])


class Still(Explainer):
    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        return volumes[:, 0].abs()


def test_what_was_accepted_goes_with_every_result(
    own: Path, cohort: Path, tmp_path: Path, toy_plugin: Any, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_plugin.offer("explainer", "still", Still)
    model, drawn = tmp_path / "model", []
    (doubt,) = adopted(own, model, "Batch", accept=["batch"])["warnings"]
    words = ("--predictor", model, "--method", "still", "--out", tmp_path / "maps", "--split", "all", "--device", "cpu")
    code, _, said = run("explain", cohort, *words)
    assert code == 0 and said.count(doubt) == 1
    sidecars = [json.loads(path.read_text()) for path in (tmp_path / "maps").glob("sub-*/*.json")]
    assert len(sidecars) == 5 and all(one["predictor_warnings"] == [doubt] for one in sidecars)
    assert all(doubt in one["warnings"] for one in sidecars)
    assert predict(cohort, model, tmp_path / "p.tsv", device="cpu")["warnings"] == [doubt]
    import interpbench.report.pictures as pictures

    real = pictures.six_slices
    monkeypatch.setattr(pictures, "six_slices", lambda *given, **named: drawn.append(named) or real(*given, **named))
    recipe = {**RECIPE, "centre": (0.0, -4.0, 8.0)}
    adopted(own, tmp_path / "placed", "Batch", accept=["batch"], recipe=recipe)
    explain(cohort, tmp_path / "placed", tmp_path / "there", method="still", split=None, device="cpu")
    summary = aggregate(tmp_path / "there", tmp_path / "population")
    assert [one for one in summary["warnings"] if doubt in one] == [doubt]
    assert drawn[0]["doubt"] == doubt


@pytest.mark.slow
def test_predictions_at_the_clamp_are_counted_wherever_they_are_made(
    own: Path, cohort: Path, tmp_path: Path, run: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    model = tmp_path / "model"
    record = adopted(own, model, "Clamped")
    assert "years: the network ends in a clamp at its" in record["warnings"][0]
    predicted = predict(cohort, model, tmp_path / "p.tsv", device="cpu")
    values = [float(line.split("\t")[2]) for line in (tmp_path / "p.tsv").read_text().splitlines()[1:]]
    most = max(values.count(45.0), values.count(80.0))
    assert most >= 2
    value = 45.0 if values.count(45.0) == most else 80.0
    said = f"{most} of 5 predictions are exactly {value} years: the network ends in"
    assert any(said in one for one in predicted["warnings"])
    caplog.clear()
    held = values.count(45.0) + values.count(80.0)
    try:
        explain(cohort, model, tmp_path / "maps", method="saliency", split=None, device="cpu")
    except InterpbenchError as error:  # whose prediction is held has a map of zeros
        failed = error
    assert said in caplog.text
    assert held == 5 or isinstance(failed, SubjectsFailed)
    assert caplog.text.count("where gradients are zero).") >= held
    kept = tmp_path / "check.json"
    code, _, told = run("check", cohort, "--predictor", model, "--json", kept)
    assert code == 0 and said in told
    assert any(said in one for one in json.loads(kept.read_text())["predictor_warnings"])


def test_a_record_from_before_columns_were_asked_for_predicts_as_it_did(own: Path, tmp_path: Path) -> None:
    """Its options say column 0, which then was the first of all, and was no choice."""
    adopted(own, tmp_path / "model", "Pair", options={"column": 0})
    volumes = torch.randn(2, 1, *SHAPE)
    found = load_predictor(tmp_path / "model")
    torch.testing.assert_close(found.predict(volumes), found.module(volumes)[0][:, 0])
