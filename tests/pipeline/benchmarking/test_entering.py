"""Contestants made ready: who takes part, where learned methods find what they learned, and the template."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from interpbench import Recipe, read_volume
from interpbench.cohort.subjects import Subject
from interpbench.errors import InputError, NotApplicable, PluginError, UsageError
from interpbench.pipeline.benchmarking import entering
from interpbench.pipeline.benchmarking.entering import (
    TEMPLATE,
    LearnedMethods,
    divided,
    entered_methods,
    fitted_folders,
    with_template,
)
from interpbench.pipeline.benchmarking.maps import explained_before
from interpbench.pipeline.benchmarking.participants import MEAN_OF, REFIT_VALIDATION, participants_of
from interpbench.run.asked import AskedSubjects

# Who takes part


def people(count: int, split: str = "test") -> list[Subject]:
    return [Subject(f"{split}{at:03}", Path("x.nii"), 50.0) for at in range(count)]


def taking_part(
    number: int = 15, *, labels: Any = None, refit: int = 32, seed: int = 0, training: int = 90, test: int = 40
) -> Any:
    everybody = [*people(training, "train"), *people(30, "validation"), *people(test)]
    splits = {one.id: one.id[:-3] for one in everybody}
    study: Any = SimpleNamespace(splits=splits, cohort=SimpleNamespace(subjects=everybody))
    study.chosen = lambda asked, splits: [one for one in everybody if splits[one.id] == "test"]
    work: Any = SimpleNamespace(subjects=AskedSubjects(labels=labels), number=number)
    return participants_of(study, work, refit, seed)


@pytest.mark.parametrize(
    ("number", "labels", "count"), [(15, None, 15), (0, None, 40), (99, None, 40), (15, ["x"], 40)]
)
def test_so_many_are_explained_as_asked_for_and_all_who_are_named(number: int, labels: Any, count: int) -> None:
    assert len(taking_part(number, labels=labels).chosen) == count


def test_who_is_drawn_depends_on_the_seed_alone_and_keeps_the_order_of_the_table() -> None:
    first, again, other = taking_part(), taking_part(), taking_part(seed=1)
    assert first == again and first.chosen != other.chosen
    for one in (first, other):
        for some in (one.chosen, one.learners, one.held_out):
            assert [subject.id for subject in some] == sorted({subject.id for subject in some})


def test_more_that_are_drawn_are_more_of_the_same() -> None:
    few, many = taking_part(10), taking_part(20)
    assert {one.id for one in few.chosen} < {one.id for one in many.chosen}
    assert few.learners == many.learners


@pytest.mark.parametrize(
    ("refit", "training", "learners"),
    [(MEAN_OF - 1, 200, MEAN_OF), (MEAN_OF + 1, 200, MEAN_OF + 1), (MEAN_OF, 20, 20), (0, 200, MEAN_OF)],
)
def test_those_who_are_learned_from_are_drawn_from_the_training_split(refit: int, training: int, learners: int) -> None:
    found = taking_part(refit=refit, training=training)
    assert len(found.learners) == learners
    assert {one.id[:-3] for one in found.learners} == {"train"}
    assert [one.id[:-3] for one in found.held_out] == ["validation"] * REFIT_VALIDATION
    assert found.everybody == [*found.chosen, *found.learners, *found.held_out]


def test_without_a_training_split_one_learns_from_those_who_are_explained() -> None:
    found = taking_part(training=0, test=20)
    assert {one.id[:-3] for one in found.learners} == {"test"}
    assert {one.id for one in found.learners} <= {one.id for one in found.chosen}


# Where a method finds what it learned


def learned_methods(tmp_path: Path, **given: Any) -> LearnedMethods:
    nothing: Any = SimpleNamespace(trusted=())
    usual = {"study": nothing, "out": tmp_path / "out", "learners": nothing, "seed": 0, "fitted": {}, "explained": {}}
    return LearnedMethods(**{**usual, **given})


def folder_with(folder: Path, file: str = "fitted.json", **record: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(json.dumps(record))
    return folder


def test_the_folder_that_was_given_comes_before_that_of_the_maps_and_that_before_the_one_they_name(
    tmp_path: Path,
) -> None:
    named, maps = folder_with(tmp_path / "named"), tmp_path / "maps"
    maps.mkdir()
    explained = {"m": (maps, {"command": {"fitted": str(named)}})}
    assert learned_methods(tmp_path).folder("m") is None
    assert learned_methods(tmp_path, explained=explained).folder("m") == named
    own = folder_with(maps / "fitted")
    assert learned_methods(tmp_path, explained=explained).folder("m") == own
    given = {"m": tmp_path / "given"}
    assert learned_methods(tmp_path, explained=explained, fitted=given).folder("m") == tmp_path / "given"


@pytest.mark.parametrize("command", [None, {}, {"fitted": None}, {"fitted": "gone"}])
def test_maps_whose_fit_is_gone_ask_for_it(command: Any, tmp_path: Path) -> None:
    methods = learned_methods(tmp_path, explained={"m": (tmp_path, {"command": command})})
    with pytest.raises(UsageError, match="these maps are of a fitted method; give its folder of `fit` with --fitted"):
        methods.folder("m")


@pytest.mark.parametrize("error", [InputError, NotApplicable, PluginError])
def test_a_method_that_cannot_be_made_ready_does_not_stop_the_rest(
    error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    def ready(name: str, options: Any) -> Any:
        if name == "b":
            raise error("no layer")
        return name, options

    learned: Any = SimpleNamespace(ready=ready)
    with caplog.at_level(logging.WARNING, "interpbench"):
        entered, excluded = entered_methods(learned, ["a", "b", "c"], {"c": {"box": 8}})
    assert entered == [("a", {}), ("c", {"box": 8})]
    assert excluded == {"b": "no layer"} and "b is excluded: no layer" in caplog.text


def test_wrong_options_stop_a_benchmark() -> None:
    learned: Any = SimpleNamespace(ready=lambda name, options: (_ for _ in ()).throw(UsageError("no such option")))
    with pytest.raises(UsageError, match="no such option"):
        entered_methods(learned, ["a"], {})


def test_folders_of_fits_are_known_by_their_methods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entering, "read_fitted", lambda folder: {"method": folder.name[0]})
    folders = [tmp_path / "a1", str(tmp_path / "b1")]
    assert fitted_folders(folders, ["a", "b", "c"]) == {"a": tmp_path / "a1", "b": tmp_path / "b1"}
    with pytest.raises(UsageError, match=r"Both .*a1 and .*a2 were fitted with 'a': give one of them"):
        fitted_folders([*folders, tmp_path / "a2"], ["a", "b"])
    with pytest.raises(UsageError, match=r"b1 was fitted with 'b', which is not in this benchmark"):
        fitted_folders(folders, ["a"])


# Maps that were made before


def explained_in(folder: Path, **other: Any) -> Path:
    manifest = {"kind": "explain", "method": "m", "options": {}, "predictor_sha256": "same", **other}
    return folder_with(folder, "manifest.json", **{name: value for name, value in manifest.items() if value != "gone"})


def test_folders_of_maps_are_known_by_their_methods(tmp_path: Path) -> None:
    study: Any = SimpleNamespace(fingerprint="same")
    folders = [explained_in(tmp_path / "a"), str(explained_in(tmp_path / "b", method="n"))]
    found = explained_before(folders, study)
    assert {name: folder for name, (folder, _) in found.items()} == {"m": tmp_path / "a", "n": tmp_path / "b"}
    with pytest.raises(UsageError, match=r"Both .*a and .*c hold maps of 'm': give one of them"):
        explained_before([*folders, explained_in(tmp_path / "c")], study)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "fit"}, "is not a folder of maps; `interpbench explain` writes one"),
        ({"kind": None}, "kind"),
        ({"method": None}, "method"),
        ({"options": "gone"}, "options"),
        ({"options": []}, "options"),
        ({"command": {"fitted": 5}}, "fitted"),
        ({"predictor_sha256": "other"}, "its maps explain another predictor than this one"),
    ],
    ids=["another run", "no kind", "no method", "no options", "options as a list", "a number as a path", "another one"],
)
def test_what_is_no_folder_of_these_maps_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        explained_before([explained_in(tmp_path / "a", **change)], SimpleNamespace(fingerprint="same"))  # type: ignore[arg-type]


def test_a_folder_without_a_manifest_has_no_maps(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder of maps"):
        explained_before([tmp_path], SimpleNamespace(fingerprint="same"))  # type: ignore[arg-type]


# The template


def base(*names: str, learned: str = "", floors: str = "") -> list[Any]:
    return [
        SimpleNamespace(
            name=name, kind="floor" if name in floors else "method", explainer=SimpleNamespace(learned=name in learned)
        )
        for name in names
    ]


def means(*names: str) -> Any:
    maps = {name: torch.full((2, 3, 4), float(at + 1)) + torch.arange(4.0) for at, name in enumerate(names)}
    return SimpleNamespace(means=maps, affine=np.diag([2.0, 2, 2, 1]))


SHARED: Any = SimpleNamespace(recipe=Recipe(shape=(2, 3, 4), voxel_size=2.0, centre=(0, 0, 0)))
APART: Any = SimpleNamespace(recipe=Recipe(shape=(2, 3, 4), voxel_size=2.0))


@pytest.mark.parametrize(
    ("learned", "chosen", "of"),
    [("", None, 0), ("b", None, 1), ("bc", None, 1), ("b", "a", 0), ("", "f", 2)],
    ids=["the first", "the learned one", "the first learned one", "the chosen one", "a floor that was chosen"],
)
def test_the_template_is_the_mean_map_of_the_learned_the_first_or_the_chosen_method(
    learned: str, chosen: str | None, of: int, tmp_path: Path
) -> None:
    found = means("a", "b", "f")
    entered = with_template(
        base("f", "a", "b", "c", learned=learned, floors="f"), ["template"], found, tmp_path, SHARED, chosen
    )
    assert [one.name for one in entered] == ["f", "a", "b", "c", "template"]
    assert entered[-1].explainer.file == str(tmp_path / TEMPLATE)
    assert torch.equal(read_volume(tmp_path / TEMPLATE).data[0], found.means["abf"[of]])


@pytest.mark.parametrize(
    ("model", "names", "why"), [(APART, "a", "recipe has no centre"), (SHARED, "", "no method has maps")]
)
def test_without_a_common_space_or_any_map_there_is_no_template(
    model: Any, names: str, why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "interpbench"):
        entered = with_template(base("a"), ["template"], means(*names), tmp_path, model, None)
    assert [one.name for one in entered] == ["a"] and not (tmp_path / TEMPLATE).exists()
    assert "excluded: template: " in caplog.text and why in caplog.text


def test_a_template_of_somebody_without_maps_is_refused_with_a_likely_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"template_of: no maps of 'saliencie'\. Did you mean 'saliency'"):
        with_template(base("saliency"), ["template"], means("saliency"), tmp_path, SHARED, "saliencie")


def test_only_a_template_without_its_file_waits() -> None:
    assert divided(["smoothrandom", "template", "random"], {}) == (["smoothrandom", "random"], ["template"])
    assert divided(["template", "random"], {"template": {"file": "x"}}) == (["template", "random"], [])
