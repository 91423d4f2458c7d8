"""A recipe by its options: kept by JSON and the command line, refused by name where it cannot be."""

from __future__ import annotations

import pytest

from interpbench.errors import UsageError
from interpbench.images.recipe import Recipe
from interpbench.options import typed_options


def recipe(**changes):
    return Recipe(**{"shape": (18, 19, 17), "voxel_size": 2.0, "centre": (3.0, -8.0, 5.0), **changes})


def test_a_recipe_survives_json_and_the_command_line():
    for one in (recipe(), recipe(centre=None, normalise="volume", orientation="LPS", apply_mask=False)):
        assert Recipe.from_json(one.to_json()) == one
    words = {"shape": "18x19x17", "voxel_size": "2", "centre": "3,-8,5", "apply_mask": "yes"}
    assert Recipe(**typed_options(Recipe, words)) == recipe()


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": (18, 0, 17)},
        {"shape": (18, 19)},
        {"voxel_size": 0.0},
        {"voxel_size": float("nan")},
        {"orientation": "RLS"},
        {"normalise": "minmax"},
        {"centre": (0.0, float("inf"), 0.0)},
    ],
)
def test_a_recipe_that_cannot_be_is_refused_by_name(changes):
    with pytest.raises(UsageError, match=next(iter(changes))):
        recipe(**changes)


def test_a_recipe_of_other_names_is_refused():
    with pytest.raises(UsageError, match="voxel_size"):
        Recipe.from_json({**recipe().to_json(), "voxelsize": 2.0})
    with pytest.raises(UsageError, match="needs shape"):
        Recipe.from_json({"voxel_size": 2.0})
