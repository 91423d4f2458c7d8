"""Floors that a learned mask must beat: in the locally linear regime 1 - B is a function of |gradient| alone.

With g = df/dX, the gradient of the prediction by the volume:

- `gradient`: |g| at the clean volume;
- `noisy gradient`: the mean of |g(X + sigma epsilon)| over samples;
- `smoothgrad squared`: the mean of g(X + sigma epsilon)^2;

and each of them smoothed. The noise is matched: each subject's sigma is the root mean square, over its brain, of the
sigma that the learned mask places there, so that both disturb the predictor with the same energy.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from case import Case
from torch import Tensor

from interpbench.kit import settle
from interpbench_unoise.batches import collate
from interpbench_unoise.noise import standard_normal
from interpbench_unoise.objective import response


def floors(
    case: Case, sigmas: Sequence[float], *, samples: int, blur: float, device: torch.device, seed: int = 0
) -> list[dict[str, Any]]:
    """Localise the truth with each floor, as it is and smoothed.

    Args:
        sigmas: of the noise, one a test subject.
        samples: noisy volumes a subject.
        blur: SD of the smoothing, in voxels.
    """
    settle(case.predictor.module, device)
    generator = torch.Generator().manual_seed(seed)
    maps: dict[str, list[Tensor]] = {"gradient": [], "noisy gradient": [], "smoothgrad squared": []}
    seconds = dict.fromkeys(maps, 0.0)
    for sample, sigma in zip(case.test, sigmas, strict=True):
        started = time.perf_counter()
        batch = collate([sample], device)
        clean = response(case.predictor, batch.volumes)[1][0, 0].abs().cpu()
        seconds["gradient"] += time.perf_counter() - started
        started = time.perf_counter()
        total, squares = torch.zeros_like(clean), torch.zeros_like(clean)
        for _ in range(samples):
            noisy = batch.volumes + sigma * batch.brains * standard_normal(batch.volumes, generator)
            slope = response(case.predictor, noisy)[1][0, 0].cpu()
            total, squares = total + slope.abs(), squares + slope.square()
        for name, map in (("noisy gradient", total), ("smoothgrad squared", squares)):
            maps[name].append(map / samples)
            seconds[name] += time.perf_counter() - started
        maps["gradient"].append(clean)
    found = []
    for name, of_all in maps.items():
        cost: Mapping[str, Any] = {"seconds_a_subject": round(seconds[name] / len(case.test), 4)}
        found.append({"method": name, **case.localise(of_all), **cost})
        found.append({"method": f"{name}, smoothed", **case.localise(case.blurred(of_all, blur)), **cost})
    return found
