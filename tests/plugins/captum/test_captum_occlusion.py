"""Captum's occlusion against a loop, against a linear model's closed form, and against our own `occlusion`."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from interpbench import Predictor, UsageError
from interpbench.options import parse_options
from interpbench.progress import progress_bars
from interpbench.testing import cube_predictor, linear_predictor, toy_brains
from interpbench_captum.occlusion import CaptumOcclusion
from interpbench_occlusion.explainer import Occlusion

SHAPE = (6, 7, 8)


def by_hand(predictor: Predictor, volume: Tensor, box: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """The mean effect of the boxes that cover each voxel, `(I, J, K)`, of one volume `(1, I, J, K)`."""
    total, covering = torch.zeros(SHAPE).double(), torch.zeros(SHAPE)
    places = [range(0, size - edge + step, step) for size, edge, step in zip(SHAPE, box, stride, strict=True)]
    for start in itertools.product(*places):
        place = tuple(slice(at, at + edge) for at, edge in zip(start, box, strict=True))
        hidden = volume.clone()
        hidden[0][place] = 0
        with torch.no_grad():
            total[place] += float(predictor.predict(volume[None]) - predictor.predict(hidden[None]))
        covering[place] += 1
    return (total / covering).float()


@pytest.mark.parametrize(
    ("box", "stride"), [((2, 3, 4), (2, 3, 4)), ((3, 3, 3), (2, 1, 3)), ((6, 7, 8), (1, 1, 1)), ((4, 2, 5), (3, 2, 2))]
)
def test_a_voxels_effect_is_the_mean_over_the_boxes_that_cover_it(box, stride) -> None:
    predictor, volumes = cube_predictor(SHAPE, nonlinear=True), toy_brains(2, SHAPE)
    maps, extras = CaptumOcclusion(box=box, stride=stride, batch_size=5).explain_with_extras(predictor, volumes)
    expected = torch.stack([by_hand(predictor, volume, box, stride) for volume in volumes])
    torch.testing.assert_close(extras["effect"], expected, atol=1e-4, rtol=0)  # of predictions around 60 years
    assert torch.equal(maps, extras["effect"].abs())


def test_of_a_linear_predictor_boxes_of_one_voxel_give_weight_times_intensity() -> None:
    weights = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    volumes = toy_brains(1, SHAPE)
    _, extras = CaptumOcclusion(box=1, stride=1).explain_with_extras(linear_predictor(weights, bias=0.0), volumes)
    torch.testing.assert_close(extras["effect"][0], weights * volumes[0, 0], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "options",
    [
        {"box": 3, "stride": 3},
        {"box": (2, 3, 4), "stride": (1, 3, 2)},
        {"box": (4, 3, 5), "stride": 3, "replacement": "blur", "sigma": 1.0},
        {"box": 4, "stride": (3, 2, 4), "replacement": "image_mean"},
    ],
)
def test_it_agrees_with_our_own_occlusion(options) -> None:
    predictor = cube_predictor(SHAPE, nonlinear=True)
    volumes = toy_brains(2, SHAPE) + torch.randn(2, 1, *SHAPE, generator=torch.Generator().manual_seed(5)) / 10
    theirs, theirs_extras = CaptumOcclusion(**options).explain_with_extras(predictor, volumes)
    ours, ours_extras = Occlusion(**options).explain_with_extras(predictor, volumes)
    allowed = 1e-5 * float(theirs.max() - theirs.min())
    torch.testing.assert_close(ours, theirs, atol=allowed, rtol=0)
    torch.testing.assert_close(ours_extras["effect"], theirs_extras["effect"], atol=allowed, rtol=0)


def test_boxes_without_brain_have_no_effect_where_the_background_is_zero() -> None:
    predictor, volumes = cube_predictor((12, 14, 10), nonlinear=True), toy_brains(1, (12, 14, 10))
    options = {"box": (2, 3, 2), "stride": (2, 3, 2)}
    theirs, ours = (
        CaptumOcclusion(**options).explain(predictor, volumes),
        Occlusion(**options).explain(predictor, volumes),
    )
    assert not bool((volumes[0, 0, :2, :3, :2]).any()) and not bool(theirs[0, :2, :3, :2].any())
    torch.testing.assert_close(ours, theirs, atol=1e-5 * float(theirs.max()), rtol=0)


def test_a_box_and_a_stride_are_one_number_or_one_for_each_axis() -> None:
    options = parse_options(CaptumOcclusion, ["box=8", "stride=4x8x2"])
    assert options == {"box": 8, "stride": (4, 8, 2)}
    CaptumOcclusion(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"box": 0}, r"box of CaptumOcclusion must be at least 1 voxel along each axis, got 0"),
        (
            {"box": 4, "stride": 5},
            r"stride of CaptumOcclusion must be between 1 and box \(4\), got 5\. A smaller box needs a smaller stride",
        ),
        ({"box": (4, 4, 4), "stride": (4, 5, 4)}, r"must be between 1 and box \(4x4x4\), got 4x5x4"),
        ({"stride": 0}, r"stride of CaptumOcclusion must be between 1 and box \(8\), got 0"),
        (
            {"replacement": "noise"},
            r"replacement of CaptumOcclusion must be one of zero, image_mean, blur, got 'noise'",
        ),
    ],
)
def test_options_that_cannot_be_right_are_refused(options, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        CaptumOcclusion(**options)


def test_a_box_that_is_larger_than_the_volume_is_refused() -> None:
    with pytest.raises(UsageError, match=r"box must fit into the network's grid of 6x7x8 voxels, got 8x8x8"):
        CaptumOcclusion().explain(cube_predictor(SHAPE), toy_brains(1, SHAPE))


def test_progress_counts_the_passes_and_leaves_no_line_behind(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars(True):
        CaptumOcclusion(box=3, stride=3, batch_size=4).explain(cube_predictor(SHAPE), toy_brains(1, SHAPE))
    shown = capsys.readouterr().err
    assert "occlusion by Captum" in shown and "0/6" in shown  # 2 x 3 x 3 boxes by fours, and the volume itself
    assert "\n" not in shown and shown.endswith(" \r")
