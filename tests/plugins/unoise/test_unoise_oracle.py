"""A trained mask approaches the closed form that a linear predictor has."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.stats import spearmanr

from interpbench import Sample
from interpbench.testing import linear_predictor, toy_brain
from interpbench_unoise.explainer import UNoise
from interpbench_unoise.noise import Noise, standard_normal
from interpbench_unoise.objective import objective
from interpbench_unoise.oracle import closed_form_mask
from interpbench_unoise.recalibration import Recalibration

SHAPE = (6, 7, 8)
NOISES = [Noise(v_min, v_min + 1.0, form) for v_min in (0.0, 1.0) for form in ("scaled", "equation1")]
NAMES = [f"{noise.form}-{noise.v_min:g}" for noise in NOISES]


def random_weights(seed: int = 0) -> torch.Tensor:
    return 0.3 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def free_mask(noise: Noise, weights: torch.Tensor, r: float, estimator: str, steps: int, batch: int) -> torch.Tensor:
    """Train one logit a voxel, with no network in front, for targets that the clean predictor hits."""
    predictor = linear_predictor(weights)
    generator = torch.Generator().manual_seed(1)
    logits = torch.zeros(1, 1, *SHAPE, requires_grad=True)
    optimiser = torch.optim.Adam([logits], 0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, total_steps=steps + 1)
    recalibration = Recalibration()
    for _ in range(steps):
        # subjects far apart: the recalibration's slope is then that of the noiseless prediction, 1
        volumes = 30 * torch.randn((batch, 1, *SHAPE), generator=generator)
        surrogate, predictions, _ = objective(
            predictor,
            volumes,
            predictor.predict(volumes),
            logits.expand(batch, -1, -1, -1, -1),
            torch.ones_like(volumes),
            noise=noise,
            r=r,
            epsilon=standard_normal(volumes, generator),
            estimator=estimator,
            slope=recalibration.slope,
        )
        recalibration.update(predictions, predictor.predict(volumes))
        optimiser.zero_grad()
        surrogate.backward()
        optimiser.step()
        schedule.step()
    return torch.sigmoid(logits.detach())[0, 0].double()


@pytest.mark.parametrize("noise", NOISES, ids=NAMES)
def test_the_closed_form_minimises_the_expected_objective_of_each_voxel(noise: Noise) -> None:
    weights = random_weights()
    best = closed_form_mask(weights, noise, r=5.0)
    floor = noise.sigma(torch.zeros(())).item()
    for place in ((0, 0, 0), (3, 4, 5), (5, 6, 7)):
        w = float(weights[place])

        def expected(mask: float, w: float = w) -> float:
            sigma = floor + noise.span * mask
            return (w * sigma) ** 2 - 5.0 / weights.numel() * float(torch.tensor(mask).double().log())

        found = minimize_scalar(expected, bounds=(1e-9, 1.0), method="bounded", options={"xatol": 1e-10})
        assert found.x == pytest.approx(float(best[place]), rel=1e-4)


def test_a_voxel_that_does_not_count_takes_all_the_noise() -> None:
    assert closed_form_mask(torch.tensor([0.0, 1.0]), Noise(1.0, 2.0), r=0.1)[0] == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("noise", NOISES, ids=NAMES)
def test_a_free_mask_ends_within_five_percent_of_the_closed_form(noise: Noise) -> None:
    weights, r = random_weights(), 20.0
    expected = closed_form_mask(weights, noise, r)
    trained = free_mask(noise, weights, r, "recalibrated", steps=600, batch=4)
    inner = expected < 0.95  # at the bound of 1 a sigmoid only comes close
    assert float(inner.double().mean()) > 0.3
    assert float((trained[inner] / expected[inner] - 1).abs().max()) < 0.05
    assert float(trained[~inner].min()) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ["paper", "antithetic"])
@pytest.mark.parametrize("noise", NOISES, ids=NAMES)
def test_the_estimators_with_cross_terms_end_at_the_same_mask(noise: Noise, estimator: str) -> None:
    if estimator == "paper" and noise.shift:
        pytest.skip("its constant error of the shift multiplies the cross-terms: antithetic noise is for that")
    weights, r = random_weights(), 20.0
    expected = closed_form_mask(weights, noise, r)
    trained = free_mask(noise, weights, r, estimator, steps=3000, batch=64)
    inner = expected < 0.95
    ratio = trained[inner] / expected[inner]
    assert abs(float(ratio.median()) - 1) < 0.05
    assert spearmanr(trained[inner], expected[inner]).statistic > 0.95


@pytest.mark.slow
@pytest.mark.parametrize(("v_min", "r"), [(0.0, 1.0), (1.0, 2.0)])
def test_the_u_net_ranks_voxels_as_the_closed_form_on_held_out_inputs(v_min: float, r: float) -> None:
    # r is small enough for few voxels to end at B = 1, where the closed form has ties that no ranking can meet
    weights = random_weights(3)
    predictor = linear_predictor(weights)
    brain = toy_brain(SHAPE)
    generator = torch.Generator().manual_seed(0)
    # a fixed anatomy under the noise tells the network where it is, as brains do
    anatomy = torch.randn(SHAPE, generator=generator)
    volumes = [brain * (anatomy + 0.3 * torch.randn(SHAPE, generator=generator)) for _ in range(72)]
    samples = [
        Sample(str(number), volume[None], brain, float(predictor.predict(volume[None, None])))
        for number, volume in enumerate(volumes)
    ]
    explainer = UNoise(
        v_min=v_min,
        v_max=v_min + 1,
        r=r,
        blocks=2,
        channels=16,
        epochs=60,
        pretrain_epochs=2,
        patience=0,
        learning_rate=1e-2,
        batch_size=8,
    )
    fitted = explainer.fit(predictor, samples[:56], samples[56:64])
    maps = fitted.explain(predictor, torch.stack(volumes[64:])[:, None])
    expected = 1 - closed_form_mask(weights[brain], Noise(v_min, v_min + 1), r)
    assert float((expected == 0).double().mean()) < 0.25
    for map in maps:
        assert spearmanr(map[brain].numpy(), expected.numpy()).statistic >= 0.95


def test_more_weight_on_the_penalty_means_more_noise() -> None:
    weights = random_weights()
    means = [float(closed_form_mask(weights, Noise(0.0, 1.0), r).mean()) for r in (1e-6, 1e-2, 1.0, 1e4)]
    assert means[0] < 0.01 and means[-1] > 0.99 and all(low < high for low, high in pairwise(means))
