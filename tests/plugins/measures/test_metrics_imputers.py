"""Hidden voxels hold what their imputer says, and nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy.ndimage import gaussian_filter

from interpbench import Case, NotApplicable, UsageError
from interpbench.options import parse_options
from interpbench.testing import linear_predictor, toy_brain, toy_brains
from interpbench_measures.deletion import Deletion
from interpbench_measures.imputers import IMPUTERS, blurred, check_imputers, filling, impute

SHAPE = (6, 7, 8)
BRAIN = toy_brain(SHAPE)


def toy_case(method: str = "one", **changes: Any) -> Case:
    volume = 2 + 3 * toy_brains(1, SHAPE)[0]
    values: dict[str, Any] = {
        "subject": "01",
        "method": method,
        "predictor": linear_predictor(torch.ones(SHAPE)),
        "volume": volume,
        "brain": BRAIN,
        "map": torch.rand(SHAPE),
        "signed": False,
        "learned": False,
        "prediction": 60.0,
        "target": 60.0,
        "seed": 5,
        "voxel_size": 4.0,
        "mean_volume": torch.full((1, *SHAPE), 7.0),
    }
    return Case(**(values | changes))


def some_hidden(sets: int = 3, share: float = 0.4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return (torch.rand((sets, *SHAPE), generator=generator) < share) & BRAIN


@pytest.mark.parametrize("imputer", IMPUTERS)
def test_visible_voxels_stay_and_hidden_ones_change(imputer: str) -> None:
    case, hidden = toy_case(), some_hidden()
    before = case.volume.clone()
    found = impute(case, hidden, imputer)
    assert found.shape == (3, 1, *SHAPE) and found.dtype == torch.float32 and bool(found.isfinite().all())
    for row, chosen in zip(found, hidden, strict=True):
        assert torch.equal(row[0][~chosen], case.volume[0][~chosen])
        assert float((row[0][chosen] != case.volume[0][chosen]).float().mean()) > 0.99
    assert torch.equal(case.volume, before)


@pytest.mark.parametrize("imputer", IMPUTERS)
def test_every_method_of_a_subject_faces_the_same_imputed_volumes(imputer: str) -> None:
    first, second = (impute(toy_case(method), some_hidden(), imputer) for method in ("one", "another"))
    assert torch.equal(first, second)


@pytest.mark.parametrize("imputer", ["noise", "road"])
def test_another_subject_faces_other_noise(imputer: str) -> None:
    assert not torch.equal(*(impute(toy_case(seed=seed), some_hidden(), imputer) for seed in (1, 2)))


def test_zero_and_mean_hold_what_they_say() -> None:
    hidden = some_hidden()
    assert float(impute(toy_case(), hidden, "zero")[:, 0][hidden].abs().max()) == 0
    assert bool((impute(toy_case(), hidden, "mean")[:, 0][hidden] == 7).all())


def test_noise_has_the_mean_and_spread_of_the_brain() -> None:
    shape = (30, 31, 32)
    brain, volume = toy_brain(shape), 2 + 3 * toy_brains(1, shape)[0]
    noise = filling(toy_case(volume=volume, brain=brain), "noise")[0][brain]
    assert float(noise.mean()) == pytest.approx(2, abs=0.15)
    assert float(noise.std()) == pytest.approx(3, rel=0.03)


def test_blur_is_a_gaussian_filter_that_is_normalised_inside_the_brain() -> None:
    case, sigma = toy_case(), 1.5
    inside = BRAIN.double().numpy()
    options = {"sigma": sigma, "mode": "constant", "radius": (5, 6, 7)}  # as far as the volume reaches
    expected = gaussian_filter(case.volume[0].double().numpy() * inside, **options) / gaussian_filter(inside, **options)
    found = blurred(case.volume, BRAIN, sigma)[0]
    assert torch.allclose(found[BRAIN].double(), torch.from_numpy(expected)[BRAIN], atol=1e-5)
    assert torch.equal(found[~BRAIN], case.volume[0][~BRAIN])


def test_blur_lets_no_background_leak_in() -> None:
    flat = torch.where(BRAIN, 4.0, -1000.0)[None]
    assert torch.allclose(blurred(flat, BRAIN, 2.0)[0][BRAIN], torch.tensor(4.0))


def test_the_width_of_the_blur_is_in_millimetres() -> None:
    fine, coarse = (filling(toy_case(voxel_size=size), "blur", blur) for size, blur in ((2.0, 6.0), (4.0, 12.0)))
    assert torch.equal(fine, coarse)
    assert not torch.equal(fine, filling(toy_case(), "blur", 6.0))


def test_without_a_mean_image_the_imputer_mean_is_not_applicable() -> None:
    with pytest.raises(NotApplicable, match="do not share a space"):
        impute(toy_case(mean_volume=None), some_hidden(), "mean")


def test_imputers_are_read_from_the_command_line() -> None:
    assert parse_options(Deletion, ["imputers=zero,blur", "steps=0,10,50"]) == {
        "imputers": ("zero", "blur"),
        "steps": (0.0, 10.0, 50.0),
    }


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("zero", "blurr"), "Did you mean 'blur'"),
        ((), "each once"),
        (("zero", "zero"), "each once"),
    ],
)
def test_imputers_that_do_not_exist_or_come_twice_are_refused(names: tuple[str, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_imputers(names, "Deletion")
    with pytest.raises(UsageError, match="imputers of Deletion"):
        Deletion(imputers=names)


def test_an_unknown_imputer_is_named() -> None:
    with pytest.raises(UsageError, match="Unknown imputer 'nosie'"):
        filling(toy_case(), "nosie")
