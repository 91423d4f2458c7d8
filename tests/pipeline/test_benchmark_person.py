"""A benchmark of people with truths of their own: whose maps follow the person, and what is measured again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import nibabel
import numpy as np
import pytest
import torch

from interpbench import Explainer, Predictor, Recipe, benchmark
from interpbench.parallel.side_by_side import hindrance
from interpbench.testing import linear_predictor

forks = pytest.mark.skipif(bool(hindrance(torch.device("cpu"))), reason="no processes are forked here")
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*backward hook.*:UserWarning", "ignore:Setting forward, backward hooks"
)

SHAPE, NUMBER = (12, 14, 10), 9
AFFINE = np.array([[4.0, 0, 0, -22], [0, 4, 0, -30], [0, 0, 4, -10], [0, 0, 0, 1]])
MEASURES = ["person", "localisation", "complexity"]


class Line(Predictor):
    """60 + a weighted sum of the voxels."""

    def __init__(self) -> None:
        self.toy = linear_predictor(0.01 * torch.rand(10, 12, 8, generator=torch.Generator().manual_seed(0)))
        self.recipe = Recipe(shape=(10, 12, 8), voxel_size=4.0, centre=self.centre)

    centre: Any = (0.0, -4.0, 8.0)

    @property
    def module(self):
        return self.toy.module

    def predict(self, volumes):
        return self.toy.predict(volumes)


class Native(Line):
    """The same, of images that share no space."""

    centre = None


class Oracle(Explainer):
    """How bright a voxel is: each person's truth is."""

    def explain(self, predictor, volumes):
        return volumes[:, 0].clamp(min=0)


class Dogma(Explainer):
    """One map for everybody."""

    def explain(self, predictor, volumes):
        map = torch.rand(volumes.shape[2:], generator=torch.Generator().manual_seed(1))
        return map.expand(len(volumes), -1, -1, -1).clone()


class Choosy(Dogma):
    """The same, but none for the third image that it is asked about."""

    seen: ClassVar[list[float]] = []

    def explain(self, predictor, volumes):
        which = float(volumes.sum())
        if which not in self.seen:
            self.seen.append(which)
        if self.seen.index(which) == 2:
            raise ValueError("no map of the third")
        return super().explain(predictor, volumes)


def place_of(number: int) -> tuple[slice, ...]:
    """A box in the brain, of its own size."""
    start = (3 + number % 3 * 2, 4 + number // 3 * 2, 3 + number % 2)
    return tuple(slice(at, at + 2 + number % 2) for at in start)


def write_truth(folder: Path, number: int, place: tuple[slice, ...] | None) -> None:
    truth = np.zeros(SHAPE, np.uint8)
    if place is not None:
        truth[place] = 1
    nibabel.save(nibabel.Nifti1Image(truth, AFFINE), folder / f"{number}-truth.nii.gz")


def write_people(folder: Path, truths: int = NUMBER - 1) -> Path:
    """People with brains of their own, each with a bright box that is true; one truth is empty, one unknown."""
    folder.mkdir()
    axes = np.meshgrid(*(np.linspace(-1.1, 1.1, edge) for edge in SHAPE), indexing="ij")
    rows = ["participant_id\tage\timage\ttruth"]
    for number in range(NUMBER):
        random = np.random.default_rng(number)
        inside = sum(axis**2 for axis in axes) < 1 - 0.02 * (number % 3)
        voxels = np.where(inside, 100 + 10 * random.standard_normal(SHAPE), 0)
        voxels[place_of(number)] += 30 * (voxels[place_of(number)] > 0)
        nibabel.save(nibabel.Nifti1Image(voxels.astype(np.float32), AFFINE), folder / f"{number}.nii.gz")
        write_truth(folder, number, place_of(number) if number != truths - 1 else None)
        rows.append(
            f"sub-{number}\t{50 + number}\t{number}.nii.gz\t{f'{number}-truth.nii.gz' if number < truths else 'n/a'}"
        )
    (folder / "participants.tsv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def compared(toy_plugin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    for name, explainer in (("oracle", Oracle), ("dogma", Dogma), ("choosy", Choosy)):
        toy_plugin.offer("explainer", name, explainer)
    toy_plugin.offer("predictor", "line", Line)
    toy_plugin.offer("predictor", "native", Native)
    monkeypatch.setattr("interpbench.pipeline.benchmarking.pages.write_benchmark_pages", lambda *_: None)
    monkeypatch.setattr("interpbench.pipeline.benchmarking.participants.drawn", lambda some, number, seed: [])

    def compared(cohort: Path, name: str, methods: tuple[str, ...] = ("oracle",), **settings: Any) -> dict[str, Any]:
        given = {"measures": MEASURES, "subjects": 0, "processes": 1, "floors": False, **settings}
        predictor = given.pop("predictor", "line")
        return benchmark(cohort, predictor, tmp_path / name, methods=methods, device="cpu", **given)

    return compared


def tables(folder: Path) -> dict[str, bytes]:
    own = str(folder).encode()
    files = [folder / name for name in ("measures.tsv", "summary.tsv", "benchmark.json")]
    return {path.name: path.read_bytes().replace(own, b"") for path in [*files, *sorted(folder.glob("sub-*/*.tsv"))]}


@pytest.mark.slow
def test_maps_that_follow_the_person_lead_and_one_map_for_all_gains_nothing(compared, tmp_path):
    cohort = write_people(tmp_path / "cohort")
    found = compared(cohort, "out", ("dogma", "oracle", "template"), template_of="oracle", measures=["person"])
    gains = found["results"]["person_gain"]
    assert gains["best"][0] in ("oracle", "oracle+blur") and gains["methods"]["oracle"]["interval"][0] > 0.1
    assert gains["methods"]["oracle"]["n"] == NUMBER - 2  # one truth is empty, one unknown
    for name in ("template", "dogma"):
        assert gains["methods"][name]["mean"] == 0.0 and gains["methods"][name]["sd"] > 0
        assert found["results"]["person_rank"]["methods"][name]["mean"] == pytest.approx(0.5)
        why = found["results"]["deviation_correlation"]["left_out"][name]
        assert why == "the map does not differ from the mean map of all subjects"
    assert found["results"]["person_rank"]["methods"]["oracle"]["mean"] > 0.9
    assert found["results"]["deviation_correlation"]["methods"]["oracle"]["mean"] > 0.5
    assert any(line.startswith("Points at the own truth more than at others', higher") for line in found["verdict"])
    rows = (tmp_path / "out" / "measures.tsv").read_text().splitlines()
    notes = {row.split("\t")[0]: row.split("\t")[-1] for row in rows if "oracle\tperson_gain" in row}
    assert notes["sub-8"] == "no ground truth of this subject is known"
    assert notes["sub-7"] == "this subject's ground truth is no voxel of the brain that all subjects share"


@pytest.mark.slow
@forks
def test_the_number_of_processes_changes_no_byte(compared, tmp_path):
    cohort = write_people(tmp_path / "cohort")
    for number in (1, 2):
        compared(cohort, f"by{number}", ("oracle", "dogma"), processes=number)
    assert tables(tmp_path / "by1") == tables(tmp_path / "by2")


CHANGES: dict[str, Callable[[Path], None]] = {
    "truth": lambda cohort: write_truth(cohort, 2, place_of(7)),
    "image": lambda cohort: brighten(cohort, 2),
    "nobody": lambda cohort: None,
}


def brighten(cohort: Path, number: int) -> None:
    image = nibabel.load(cohort / f"{number}.nii.gz")
    voxels = image.get_fdata(dtype=np.float32)
    voxels[5:7, 6:8, 4:6] += 40
    nibabel.save(nibabel.Nifti1Image(voxels, image.affine), cohort / f"{number}.nii.gz")


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_one_person_reaches_what_compares_people_and_nothing_else(compared, tmp_path, monkeypatch, change):
    from interpbench_measures.complexity import Complexity

    cohort, measured = write_people(tmp_path / "cohort"), list[str]()
    compared(cohort, "out")
    plain = Complexity.measure
    monkeypatch.setattr(Complexity, "measure", lambda self, case: measured.append(case.subject) or plain(self, case))
    before = tables(tmp_path / "out")
    CHANGES[change](cohort)
    compared(cohort, "out")
    assert set(measured) == (set() if change == "nobody" else {"2"})
    after = tables(tmp_path / "out")
    compared(cohort, "anew")
    assert after == tables(tmp_path / "anew")
    assert (after == before) == (change == "nobody")


@pytest.mark.slow
def test_somebody_without_a_map_is_left_out_of_everybodys_sum(compared, tmp_path, monkeypatch):
    cohort = write_people(tmp_path / "cohort")
    monkeypatch.setattr(Choosy, "seen", [])
    gains = compared(cohort, "out", ("choosy", "dogma"), blur=0, measures=["person"])["results"]["person_gain"][
        "methods"
    ]
    assert (gains["dogma"]["n"], gains["choosy"]["n"]) == (NUMBER - 2, NUMBER - 3)
    assert gains["dogma"]["mean"] == gains["choosy"]["mean"] == 0.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("truths", "predictor", "why"),
    [
        (0, "line", "no subject has a ground truth; at least 3 are needed to compare subjects"),
        (3, "line", "2 subjects have a ground truth inside the brain that all of them share; at least 3 are needed"),
        (NUMBER, "native", "the images share no space, so subjects cannot be compared"),
    ],
)
def test_why_nobody_is_compared_is_said_in_one_sentence(compared, tmp_path, truths, predictor, why):
    cohort = write_people(tmp_path / "cohort", truths)
    found = compared(cohort, "out", blur=0, measures=["person"], predictor=predictor)
    warnings = [line for line in found["warnings"] if "No method has a value for" in line]
    assert len(warnings) == 1 and "Points at the own truth" in warnings[0] and why in warnings[0]
    notes = (tmp_path / "out" / "sub-0" / "sub-0_desc-benchmark_measures.tsv").read_text()
    assert why in notes
    assert why in json.dumps(found["beliefs"])


@pytest.mark.slow
def test_one_truth_for_everybody_is_no_matter_of_the_person(compared, tmp_path):
    cohort = write_people(tmp_path / "cohort", 0)
    write_truth(cohort, 99, place_of(4))
    found = compared(cohort, "out", blur=0, truth=cohort / "99-truth.nii.gz", measures=["person", "localisation"])
    why = "all subjects have the same ground truth, so no map can follow one of them more than another"
    assert found["results"]["person_gain"]["left_out"] == {"oracle": why}
    assert sum(why in line for line in found["warnings"]) == 1
    assert found["results"]["auc"]["methods"]["oracle"]["n"] == NUMBER


def test_of_many_people_a_sample_is_compared_the_same_for_every_method(compared, tmp_path, monkeypatch):
    monkeypatch.setattr("interpbench.pipeline.benchmarking.everyone.MOST", 4)
    seen: dict[str, set[tuple[str, ...]]] = {}
    from interpbench_measures.person import Person

    plain = Person.measure

    def measure(self: Person, case: Any) -> Any:
        seen.setdefault(case.method, set()).add(case.everyone.labels)
        return plain(self, case)

    monkeypatch.setattr(Person, "measure", measure)
    found = compared(write_people(tmp_path / "cohort"), "out", ("oracle", "dogma"), blur=0, measures=["person"], seed=3)
    (labels,) = {labels for some in seen.values() for labels in some}
    assert 3 <= len(labels) <= 4 and found["results"]["person_gain"]["methods"]["oracle"]["n"] == NUMBER - 2
    record = json.loads((tmp_path / "out" / "sub-0" / "sub-0_desc-benchmark_measures.json").read_text())
    assert len(record["people_sha256"]) == 64
