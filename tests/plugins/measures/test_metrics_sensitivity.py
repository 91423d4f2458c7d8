"""Max-sensitivity: against Captum's, and where it has a closed form."""

from __future__ import annotations

import math

import pytest
import torch
from captum.metrics import sensitivity_max

from interpbench import NotApplicable, UsageError
from interpbench.testing import cube_predictor, linear_predictor, toy_brain, toy_case, toy_volume
from interpbench.testing.cases import slope
from interpbench_measures.sensitivity import Sensitivity, max_sensitivity, perturbed

SHAPE = (6, 7, 8)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("shape", [(5, 6, 7), (1, 9, 11)], ids=["3D", "2D"])
@pytest.mark.parametrize("samples", [1, 4])
def test_it_is_captums_where_all_is_brain(shape: tuple, samples: int) -> None:
    weights = torch.randn(shape, generator=generator())
    volume = torch.randn((1, *shape), generator=generator(1))

    def explain(volume: torch.Tensor) -> torch.Tensor:  # some map of a curved function
        return weights * torch.tanh(volume[0]) + volume[0] ** 2

    everywhere = torch.ones(shape, dtype=torch.bool)
    volumes = perturbed(volume, everywhere, radius=0.2, samples=samples, generator=generator(2))
    theirs = sensitivity_max(
        lambda volumes: (torch.stack([explain(one) for one in volumes[0]])[:, None],),
        volume[None],
        perturb_func=lambda *_: (torch.stack(volumes),),
        n_perturb_samples=samples,
    )
    ours = max_sensitivity(explain, explain(volume), volumes, everywhere)
    assert ours == pytest.approx(float(theirs), rel=1e-5)


def test_the_gradient_of_a_linear_model_never_moves() -> None:
    predictor = linear_predictor(torch.randn(SHAPE, generator=generator()))
    map = slope(predictor, toy_volume(SHAPE))
    case = toy_case(predictor, map, again=lambda **changed: slope(predictor, changed["volume"]))
    assert Sensitivity().measure(case)["max_sensitivity"] == 0.0


def test_a_map_that_is_the_image_moves_as_far_as_the_image() -> None:
    volume, brain = toy_volume(SHAPE), toy_brain(SHAPE)
    volumes = perturbed(volume, brain, radius=0.5, samples=3, generator=generator())
    found = max_sensitivity(lambda volume: volume[0], volume[0], volumes, brain)
    furthest = max(float((one - volume).norm() / volume.norm()) for one in volumes)  # 0 outside the brain
    assert found == pytest.approx(furthest, rel=1e-5)


def test_the_worst_of_the_perturbations_counts() -> None:
    brain = toy_brain(SHAPE)
    volumes = [torch.full((1, *SHAPE), level) for level in (1.0, 4.0, 2.0)]
    assert max_sensitivity(lambda volume: volume[0], torch.ones(SHAPE), volumes, brain) == pytest.approx(3.0)


def test_the_background_stays_as_it_is_and_the_radius_is_in_standard_deviations() -> None:
    seen = []
    brain = toy_brain(SHAPE)
    volume = 5.0 * toy_volume(SHAPE)

    def again(**changed) -> torch.Tensor:
        seen.append(changed["volume"] - volume)
        return torch.ones(SHAPE)

    Sensitivity(radius=0.1, samples=8).measure(
        toy_case(cube_predictor(SHAPE), torch.ones(SHAPE), volume=volume, again=again)
    )
    moved, spread = torch.stack(seen), float(volume[0][brain].std())
    assert len(seen) == 8
    assert not moved[:, :, ~brain].any()
    assert 0.099 * spread < float(moved.abs().max()) <= 0.101 * spread


def test_every_method_faces_the_same_perturbations() -> None:
    seen: list[torch.Tensor] = []
    predictor = cube_predictor(SHAPE)

    def again(**changed) -> torch.Tensor:
        seen.append(changed["volume"])
        return torch.ones(SHAPE)

    shared: dict = {}
    for method, known in (("one", shared), ("two", shared), ("alone", {})):
        Sensitivity(samples=2).measure(toy_case(predictor, torch.ones(SHAPE), method=method, again=again, shared=known))
    assert seen[0] is seen[2]  # the same tensor, not its equal: whoever makes the maps may keep them
    assert torch.equal(torch.stack(seen[:2]), torch.stack(seen[4:]))
    assert not torch.equal(seen[0], seen[1])


def test_a_map_of_zeros_has_no_size_to_compare_with() -> None:
    assert math.isnan(Sensitivity().measure(toy_case(cube_predictor(SHAPE), torch.zeros(SHAPE)))["max_sensitivity"])


def test_a_map_that_is_given_cannot_be_asked_again() -> None:
    with pytest.raises(NotApplicable, match="cannot be made again"):
        Sensitivity().measure(toy_case(cube_predictor(SHAPE), torch.ones(SHAPE), without=["again"]))


def test_a_radius_of_zero_is_refused() -> None:
    with pytest.raises(UsageError, match="radius of Sensitivity must be above 0"):
        Sensitivity(radius=0.0)
