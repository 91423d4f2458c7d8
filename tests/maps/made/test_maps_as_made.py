"""A map is 0 outside the brain on its image's grid, and what the method made is measured, however the image lies."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest
import torch

from interpbench import read_volume
from interpbench.errors import PluginError
from interpbench.files.atomic import sha256_of
from interpbench.images.prepared import Prepared
from interpbench.pipeline.verifying import verify

IMAGES = [f"{number:02d}" for number in range(1, 10)]
PLACED_EXACTLY = ("01", "02")


def test_a_map_and_its_extras_are_zero_outside_the_images_brain_and_the_share_that_lay_there_is_told(
    run, cohort, brain_on_disk, made_of, path_of, record_of
):
    maps = run()
    for label in IMAGES:
        brain = brain_on_disk(cohort, label)
        for name in ("importance", "size"):
            values = nibabel.load(path_of(maps, label, name)).get_fdata()
            assert values[brain].any() and not values[~brain].any(), label
        made, inside = made_of(cohort, label)
        share = float(made[~inside].abs().double().sum() / made.abs().double().sum())
        record = record_of(path_of(maps, label))
        assert record["mass_outside_brain"] == pytest.approx(share, abs=1e-9) and record["whole"] is False
        told = [words for words in record["warnings"] if "outside the brain" in words and "mass" in words]
        assert len(told) == (share > 0.1), label
        assert not told or told[0].startswith(f"{share:.0%} ")
    assert record_of(path_of(maps, "01"))["mass_outside_brain"] > 0.1


def test_in_the_brain_the_cut_changes_nothing(run, cohort, prepared_of, made_of, path_of):
    maps = run()
    for label in PLACED_EXACTLY:
        made, brain = made_of(cohort, label)
        back = prepared_of(cohort, label).to_network_grid(read_volume(path_of(maps, label)).data[0])
        assert torch.equal(back, torch.where(brain, made, 0.0))


@pytest.mark.slow
def test_the_whole_map_is_kept_where_that_is_asked_for_and_it_is_another_run(
    run, cohort, prepared_of, made_of, path_of, record_of, everywhere
):
    maps = run(whole=True)
    for label in IMAGES:
        made, _ = made_of(cohort, label)
        prepared = prepared_of(cohort, label)
        values = nibabel.load(path_of(maps, label)).get_fdata(dtype=np.float32)
        assert np.array_equal(values, prepared.to_source_grid(made))
        record = record_of(path_of(maps, label))
        assert record["whole"] is True
        told = [words for words in record["warnings"] if "lies outside the brain" in words]
        assert len(told) == (record["mass_outside_brain"] > 0.1)
    assert values[0, 0, 0] != 0 and json.loads((maps / "manifest.json").read_text())["whole"] is True
    number = len(everywhere.calls)
    run(whole=True)
    assert len(everywhere.calls) == number
    run()
    assert len(everywhere.calls) == 2 * number
    assert not nibabel.load(path_of(maps, "01")).get_fdata()[0, 0, 0]


def test_a_map_of_which_nothing_lies_in_the_brain_is_refused_with_the_reason(run, tmp_path, path_of, record_of):
    with pytest.raises(PluginError, match=r"None of 9 subjects.*zero everywhere in the brain.*--whole keeps them"):
        run("corner")
    assert len((tmp_path / "maps" / "failures.tsv").read_text().splitlines()) == 1 + len(IMAGES)
    assert not list((tmp_path / "maps").glob("sub-*/*"))
    whole = run("corner", "whole", participants=["03"], whole=True)
    assert record_of(path_of(whole, "03", method="corner"))["mass_outside_brain"] == 1.0


def test_a_map_that_has_nothing_left_on_the_images_grid_is_refused_too(run, tmp_path, monkeypatch):
    back = Prepared.to_source_grid
    monkeypatch.setattr(Prepared, "to_source_grid", lambda self, map: 0 * back(self, map))
    with pytest.raises(PluginError, match="zero everywhere in the brain on the image's own grid"):
        run(participants=["03", "04"])
    assert not list((tmp_path / "maps").glob("sub-*/*"))
    assert len((tmp_path / "maps" / "failures.tsv").read_text().splitlines()) == 3


@pytest.mark.parametrize("method", ["everywhere", "inside"])
def test_what_the_method_made_is_kept_beside_unless_the_map_gives_it_back_bit_by_bit(
    run, cohort, method, texture, prepared_of, path_of, kept_of, record_of
):
    maps = run(method)
    for label in IMAGES:
        path, kept = path_of(maps, label, method=method), kept_of(maps, label, method)
        prepared = prepared_of(cohort, label)
        made = texture(prepared.volume[None])[0]
        made = made if method == "everywhere" else made.abs() * (prepared.volume[0] != 0)
        record = record_of(path)
        if label in PLACED_EXACTLY and method == "inside":
            assert record["network_map"] is None and not kept.exists()
            assert torch.equal(prepared.to_network_grid(read_volume(path).data[0]), made)
            continue
        assert record["network_map"] == {"file": kept.name, "sha256": sha256_of(kept)}
        volume = read_volume(kept)
        assert torch.equal(volume.data[0], made) and np.allclose(volume.affine, prepared.affine, atol=1e-5)
        assert record_of(kept)["run"] == record["run"] and record_of(kept)["space"] == "network"
    assert not verify(maps).misfits


@pytest.mark.parametrize("harm", ["gone", "sidecar gone", "changed"])
def test_a_map_whose_kept_one_is_lost_is_made_again(run, harm, kept_of, everywhere):
    maps = run(participants=["03", "04"])
    kept = kept_of(maps, "03")
    content = kept.read_bytes()
    if harm == "changed":
        kept.write_bytes(content[:-1])
    else:
        (kept if harm == "gone" else kept.with_name(kept.name.replace(".nii.gz", ".json"))).unlink()
    everywhere.calls.clear()
    run(participants=["03", "04"])
    assert len(everywhere.calls) == 1 and kept.read_bytes() == content


def test_a_kept_map_of_an_earlier_run_goes_where_there_is_none_any_more(run, cohort, path_of, kept_of, record_of):
    maps = run(participants=["01"])
    assert kept_of(maps, "01").is_file()
    run(participants=["01"], whole=True)  # in whose box the whole map lies
    assert record_of(path_of(maps, "01"))["network_map"] is None
    assert not list((maps / "network" / "sub-01").iterdir())
    assert not verify(maps).misfits


def test_the_command_line_has_the_option(run, cohort, tmp_path, monkeypatch, path_of, record_of):
    from click.testing import CliRunner

    from interpbench.cli.explain import explain as command

    words = [
        str(cohort),
        "--predictor",
        "line",
        "--method",
        "everywhere",
        "--split",
        "all",
        "--device",
        "cpu",
        "--participant-label",
        "03",
        "--whole",
        "--out",
        str(tmp_path / "maps"),
    ]
    assert CliRunner().invoke(command, words).exit_code == 0
    assert record_of(path_of(tmp_path / "maps", "03"))["whole"] is True
