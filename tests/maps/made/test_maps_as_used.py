"""Benchmarks and populations take what the method made, however the map was placed on its image's grid."""

from __future__ import annotations

import json
import shutil

import nibabel
import numpy as np
import pytest
import torch

from interpbench import aggregate, benchmark, read_volume
from interpbench.errors import InputError, SubjectsFailed
from interpbench.files.atomic import sha256_of

IMAGES = [f"{number:02d}" for number in range(1, 10)]


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_benchmark_measures_what_the_method_made_of_every_kind_of_image(
    run, cohort, tmp_path, whole, record_of, everywhere
):
    maps = run(whole=whole)
    settings = {
        "methods": ["everywhere"],
        "measures": ["localisation", "complexity"],
        "floors": False,
        "split": None,
        "subjects": 0,
        "blur": 0,
        "device": "cpu",
        "processes": 1,
    }
    everywhere.calls.clear()
    given = benchmark(cohort, "line", tmp_path / "given", maps=[maps], **settings)
    assert not everywhere.calls
    own = benchmark(cohort, "line", tmp_path / "own", **settings)
    assert given["results"] == own["results"] and given["n"] == len(IMAGES)
    for label in IMAGES:
        name = f"sub-{label}/sub-{label}_space-network_desc-everywhere_importance.nii.gz"
        taken, made = (read_volume(tmp_path / folder / name).data[0] for folder in ("given", "own"))
        assert torch.equal(taken, made)
        assert record_of(tmp_path / "given" / name)["taken_from"] == str(maps)


@pytest.mark.slow
def test_a_benchmark_makes_anew_what_was_resampled_and_says_how_many(
    run, cohort, tmp_path, caplog, kept_of, everywhere
):
    maps = run()
    for label in ("03", "06"):
        kept_of(maps, label).unlink()
    everywhere.calls.clear()
    settings = {
        "methods": ["everywhere"],
        "measures": ["complexity"],
        "floors": False,
        "split": None,
        "subjects": 0,
        "blur": 0,
        "device": "cpu",
        "processes": 1,
        "maps": [maps],
    }
    with caplog.at_level("WARNING", "interpbench"):
        found = benchmark(cohort, "line", tmp_path / "out", **settings)
    assert len(everywhere.calls) == 2
    told = [words for words in found["warnings"] if "made again" in words]
    assert len(told) == 1 and told[0].startswith("everywhere: 2 of 9 maps were made again")
    assert told[0] in caplog.messages
    again = benchmark(cohort, "line", tmp_path / "out", **settings)
    assert again["warnings"] == found["warnings"] and len(everywhere.calls) == 2
    shutil.copy(kept_of(maps, "04"), kept_of(maps, "05"))
    found = benchmark(cohort, "line", tmp_path / "changed", **settings)
    assert "no map of 1 of 9 subjects" in found["methods"][0]["note"]
    assert "changed after the map was made" in found["methods"][0]["note"]


@pytest.mark.parametrize("whole", [False, True])
def test_a_population_is_of_what_the_method_made(run, cohort, tmp_path, whole, made_of):
    maps = run(whole=whole)
    found = aggregate(maps, tmp_path / "out", aggregator="total")
    each = [
        made if whole else torch.where(brain, made, 0.0) for made, brain in (made_of(cohort, label) for label in IMAGES)
    ]
    total = read_volume(tmp_path / "out" / "population_sum.nii.gz").data[0]
    torch.testing.assert_close(total, torch.stack(each).sum(dim=0), rtol=0, atol=1e-4)
    assert found["n"] == len(IMAGES)
    assert not any("interpolated" in words for words in found["warnings"])


@pytest.mark.slow
def test_a_population_goes_on_with_a_resampled_map_and_says_so_and_leaves_out_one_that_changed(
    run, tmp_path, path_of, kept_of
):
    maps = run()
    kept_of(maps, "03").unlink()
    shutil.copy(kept_of(maps, "04"), kept_of(maps, "05"))
    with pytest.raises(SubjectsFailed, match=r"1 of 9 subjects failed.*sub-05.*changed after the map was made"):
        aggregate(maps, tmp_path / "out", aggregator="total")
    found = json.loads((tmp_path / "out" / "population.json").read_text())
    told = [words for words in found["warnings"] if "interpolated" in words]
    assert len(told) == 1 and told[0].startswith("sub-03: ")
    record = path_of(maps, "06").with_name(path_of(maps, "06").name.replace(".nii.gz", ".json"))
    damaged = {**json.loads(record.read_text()), "network_map": {"file": "../../elsewhere.nii.gz", "sha256": "0"}}
    record.write_text(json.dumps(damaged))
    with pytest.raises(SubjectsFailed, match="2 of 9"):
        aggregate(maps, tmp_path / "again", aggregator="total")
    assert "which is not a file name" in (tmp_path / "again" / "failures.tsv").read_text()


def test_a_kept_map_on_another_grid_is_refused(run, cohort, tmp_path, path_of, kept_of):
    maps = run(participants=["03"])
    kept = kept_of(maps, "03")
    image = nibabel.load(kept)
    nibabel.save(nibabel.Nifti1Image(image.get_fdata(dtype=np.float32)[:-1], image.affine), kept)
    sidecar = path_of(maps, "03").with_name(path_of(maps, "03").name.replace(".nii.gz", ".json"))
    record = json.loads(sidecar.read_text())
    sidecar.write_text(json.dumps({**record, "network_map": {"file": kept.name, "sha256": sha256_of(kept)}}))
    with pytest.raises(InputError, match="has another grid than the network"):
        aggregate(maps, tmp_path / "out", aggregator="total")
