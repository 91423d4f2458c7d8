"""What a metric is told of the other people of a benchmark, to see whether a map follows its own person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class Everyone:
    """The people with whom a method's subjects are compared: the same people for all of its maps.

    Each of them has a map by this method, and a ground truth that is neither empty in the common brain nor all of it.
    Tensors are on the network's grid, and on the predictor's device; they must not be changed.
    """

    labels: tuple[str, ...]  # of three people or more; of many subjects a sample, so perhaps without the case's own
    truth_of: Callable[[str], Tensor]  # label -> (I, J, K) bool: that person's ground truth in the common brain
    common_brain: Tensor  # (I, J, K) bool: what is brain in every subject with a ground truth
    mean_importance: Tensor  # (I, J, K) float64: mean of |map| in the common brain, each divided by its sum there
    mean_truth: Tensor  # (I, J, K) float64: the share of these people for whom a voxel is true
