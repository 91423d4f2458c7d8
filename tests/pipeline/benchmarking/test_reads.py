"""What a benchmark says that it reads: given maps, measures, and what all figures depend on, each by its content."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from interpbench.cohort.subjects import Subject
from interpbench.files.hashes import Hashes
from interpbench.files.run_folder import RunFolder
from interpbench.pipeline.benchmarking.entering import TEMPLATE
from interpbench.pipeline.benchmarking.reads import common_sha256, read_maps, read_metrics

MANIFEST = {"kind": "explain", "method": "my-own_method"}
NAME = "desc-myownmethod_importance.nii.gz"


def subject(label: str) -> Subject:
    return Subject(label, Path(f"{label}.nii.gz"))


def maps_in(folder: Path, *labels: str, network: tuple[str, ...] = ()) -> RunFolder:
    """A run with maps of some people, and with their maps on the network's grid of others."""
    run = RunFolder(folder, MANIFEST)
    for label in labels:
        path = run.product(label, NAME)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"map of {label}")
    for label in network:
        path = folder / "network" / f"sub-{label}" / f"sub-{label}_space-network_desc-myownmethod_map.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"network map of {label}")
    return run


def test_maps_are_read_by_name_and_content_both_on_the_images_and_the_networks_grid(tmp_path: Path) -> None:
    run = maps_in(tmp_path, "01", "02", "größe", network=("02",))
    part = read_maps({"my-own_method": (tmp_path, MANIFEST)}, [subject("01"), subject("02")], Hashes())
    told = part.entries["maps"]["my-own_method"]
    assert told["run"] == run.identity
    assert {name: sha == Hashes().of(next(tmp_path.rglob(name))) for name, sha in told["maps"].items()} == {
        f"sub-01_{NAME}": True,
        f"sub-02_{NAME}": True,
        "sub-02_space-network_desc-myownmethod_map.nii.gz": True,
    }
    assert sorted(file.file.name for file in part.files) == sorted(told["maps"])


def test_a_map_that_changes_or_comes_later_is_another_read_and_one_of_somebody_else_is_not(tmp_path: Path) -> None:
    def told() -> Any:
        return read_maps({"my-own_method": (tmp_path, MANIFEST)}, [subject("01"), subject("02")], Hashes()).entries

    run = maps_in(tmp_path, "01")
    first = told()
    maps_in(tmp_path, "03")
    assert told() == first
    maps_in(tmp_path, "02")
    second = told()
    run.product("01", NAME).write_text("another")
    assert len({str(one) for one in (first, second, told())}) == 3


@pytest.mark.parametrize("subjects", [[], [subject("99")]])
def test_without_any_map_there_is_nothing_but_the_run(subjects: list[Subject], tmp_path: Path) -> None:
    part = read_maps({"my-own_method": (tmp_path, MANIFEST)}, subjects, Hashes())
    assert part.entries["maps"]["my-own_method"]["maps"] == {} and list(part.files) == []
    assert read_maps({}, subjects, Hashes()).entries == {"maps": {}}


def test_without_metrics_no_measure_is_read() -> None:
    part = read_metrics([], Hashes())
    assert part.entries == {"measures": {}} and list(part.files) == []


def contestant(name: str, state: str | None, *, learned: bool = True) -> Any:
    return SimpleNamespace(name=name, state_sha256=state, explainer=SimpleNamespace(learned=learned))


def test_what_all_figures_depend_on_is_the_template_and_the_states_of_learned_methods(tmp_path: Path) -> None:
    def digest(*base: Any) -> str:
        return common_sha256(RunFolder(tmp_path, MANIFEST), base)

    one, other = contestant("a", "aa"), contestant("b", "bb")
    plain = digest(one, other)
    assert plain == digest(other, one) == digest(one, other, contestant("c", None, learned=False))
    different = [plain, digest(one), digest(), digest(one, contestant("b", "cc")), digest(one, contestant("c", "bb"))]
    (tmp_path / TEMPLATE).parent.mkdir(parents=True, exist_ok=True)
    for content in ("template", "another template"):
        (tmp_path / TEMPLATE).write_text(content)
        different.append(digest(one, other))
    assert len(set(different)) == len(different)
    (tmp_path / TEMPLATE).unlink()
    assert digest(one, other) == plain
