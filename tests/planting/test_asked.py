"""What the user asks for is understood, or refused in one line."""

from __future__ import annotations

import numpy as np
import pytest

from interpbench.errors import InputError, UsageError
from interpbench.planting.asked import DISTRACTOR, SUPPRESSOR, signals_asked, sphere_of, values_of
from interpbench.planting.atrophy import Atrophy
from interpbench.planting.regions import FEWEST, Region, Sphere, region_in
from interpbench.planting.tissue import Tissue, tissue_of


def test_words_and_numbers_mean_the_same() -> None:
    assert values_of("47,48") == values_of([47, 48]) == (47, 48)
    assert sphere_of("-27,-22,-15,8") == sphere_of("-27/-22/-15/8") == Sphere((-27, -22, -15), 8)
    main, first, second, third = signals_asked(
        "atrophy",
        "47,48",
        [],
        {"filled_by": "fluid"},
        ["contrast:59,60:0.2", "atrophy:35"],
        ["contrast:1/2/3/9"],
    )
    assert (main.kind, main.region) == (Atrophy(filled_by="fluid"), Region((47, 48)))
    assert (first.role, first.name, first.region.values, first.strength) == (DISTRACTOR, "contrast", (59, 60), 0.2)
    assert second.kind == main.kind and second.strength is None
    assert (third.role, third.region.spheres) == (SUPPRESSOR, (Sphere((1, 2, 3), 9),))


@pytest.mark.parametrize(
    ("changed", "told"),
    {
        "kind": ({"kind": "contrst"}, "Did you mean 'contrast'"),
        "option": ({"options": {"filled": "fluid"}}, "no option 'filled'"),
        "region in words": ({"region": "hippocampus"}, "integers above 0"),
        "region 0": ({"region": "0"}, "integers above 0"),
        "half a region": ({"region": [1.5]}, "integers above 0"),
        "no region": ({"region": None}, "needs a place"),
        "both": ({"spheres": ["1,2,3,4"]}, "not both"),
        "sphere of three": ({"region": None, "spheres": ["1,2,3"]}, "a sphere is X,Y,Z,R"),
        "sphere of no size": ({"region": None, "spheres": ["1,2,3,0"]}, "a sphere is X,Y,Z,R"),
        "sphere nowhere": ({"region": None, "spheres": ["nan,2,3,4"]}, "a sphere is X,Y,Z,R"),
        "distractor without a place": ({"distractors": ["contrast"]}, "a distractor is KIND:VALUES"),
        "distractor of no kind": ({"distractors": ["noise:3"]}, "kind must be one of"),
        "distractor in the truth": ({"distractors": ["contrast:48"]}, "values of the target's region"),
        "suppressor of no strength": ({"suppressors": ["contrast:3:-1"]}, "must be a number above 0"),
        "suppressor of strength x": ({"suppressors": ["contrast:3:x"]}, "must be a number above 0"),
    }.items(),
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_cannot_be_is_refused(changed: object, told: object) -> None:
    changed, told = (changed, told) if isinstance(changed, dict) else told  # a pair of name and case
    given = {"kind": "atrophy", "region": "47,48", "spheres": [], "options": {}, "distractors": [], "suppressors": []}
    with pytest.raises(UsageError, match=str(told)):
        signals_asked(**{**given, **changed})  # type: ignore[arg-type]


def test_a_region_is_cut_to_the_brain_and_must_be_there(plain: Tissue) -> None:
    labels = np.zeros(plain.brain.shape, dtype=np.int64)
    labels[10:16, 10:14] = 5
    found = region_in(Region((5,)), plain.brain, plain.affine, labels)
    assert np.array_equal(found, (labels == 5) & plain.brain) and found.sum() < (labels == 5).sum()
    with pytest.raises(InputError, match=f"region 6 has only 0 voxels in the image; at least {FEWEST}"):
        region_in(Region((6,)), plain.brain, plain.affine, labels)
    with pytest.raises(InputError, match="there is no label image"):
        region_in(Region((6,)), plain.brain, plain.affine, None)
    labels[:, 0, :] = 7
    with pytest.raises(InputError, match="0 voxels in the brain"):
        region_in(Region((7,)), plain.brain, plain.affine, labels)
    ball = region_in(Region((), (Sphere((7.3, 0.4, 0.7), 9.0),)), plain.brain, plain.affine, None)
    assert ball.sum() * 8 == pytest.approx(4 / 3 * np.pi * 9**3, rel=0.05)
    assert region_in(Region(), plain.brain, plain.affine, None) is plain.brain


def test_an_image_without_a_scale_is_refused(plain: Tissue) -> None:
    scaled = (plain.values - np.median(plain.values[plain.brain])) * plain.brain
    with pytest.raises(InputError, match="not above the background"):
        tissue_of(scaled, plain.brain, plain.affine)


def test_fluid_is_the_dark_middle(plain: Tissue) -> None:
    assert 30 < plain.fluid < 150
