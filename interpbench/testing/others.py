"""Other people for the case of a toy: their ground truths lie beside the toy's own."""

from __future__ import annotations

import torch
from torch import Tensor

from interpbench.contract.everyone import Everyone

SHIFTS = ((-3, 0, 0), (0, 3, 0), (0, 0, 3), (-3, 3, 0))  # voxels along I, J and K, one for each other person


def toy_everyone(truth: Tensor, brain: Tensor, label: str) -> Everyone | None:
    """The toy's person and four others, whose perfect maps are their truths; all have one brain.

    Args:
        truth: `(I, J, K)` bool, of the person `label`.

    Returns:
        None where that leaves fewer than three people with a truth that is neither empty nor the whole brain.
    """
    names = [label, *(f"{label}+{place}" for place in range(1, 1 + len(SHIFTS)))]
    truths = [truth & brain, *(truth.roll(shift, (0, 1, 2)) & brain for shift in SHIFTS)]
    known = {name: one for name, one in zip(names, truths, strict=True) if 0 < int(one.sum()) < int(brain.sum())}
    if len(known) < 3:
        return None
    masks = torch.stack(list(known.values())).double()
    return Everyone(
        labels=tuple(known),
        truth_of=known.__getitem__,
        common_brain=brain,
        mean_importance=(masks / masks.sum(dim=(1, 2, 3), keepdim=True)).mean(dim=0),
        mean_truth=masks.mean(dim=0),
    )
