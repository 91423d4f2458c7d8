"""Measures of how good an importance map is; one file a family, and its functions by name here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names for type checkers
    from interpbench.metrics.complexity import entropy as entropy
    from interpbench.metrics.complexity import gini as gini
    from interpbench.metrics.localisation import auc as auc
    from interpbench.metrics.localisation import average_precision as average_precision
    from interpbench.metrics.localisation import mass_outside as mass_outside
    from interpbench.metrics.localisation import near_to as near_to
    from interpbench.metrics.localisation import pointing_game as pointing_game
    from interpbench.metrics.localisation import relevance_mass as relevance_mass
    from interpbench.metrics.localisation import relevance_rank as relevance_rank
    from interpbench.metrics.memory import peak_memory as peak_memory
    from interpbench.metrics.randomisation import likeness as likeness
    from interpbench.metrics.repeatability import icc as icc
    from interpbench.metrics.sensitivity import max_sensitivity as max_sensitivity
    from interpbench.metrics.sensitivity import perturbed as perturbed
    from interpbench.metrics.shuffling import randomised as randomised
    from interpbench.metrics.similarity import on_common_scale as on_common_scale
    from interpbench.metrics.similarity import spearman as spearman
    from interpbench.metrics.similarity import ssim as ssim
    from interpbench.metrics.surrogate import random_like as random_like
    from interpbench.metrics.surrogate import smoothness as smoothness

# Imported when first used: `interpbench methods` imports the plugin in this folder, and with it this file.
_LAZY = {
    "auc": "localisation",
    "average_precision": "localisation",
    "entropy": "complexity",
    "gini": "complexity",
    "icc": "repeatability",
    "likeness": "randomisation",
    "mass_outside": "localisation",
    "max_sensitivity": "sensitivity",
    "near_to": "localisation",
    "on_common_scale": "similarity",
    "peak_memory": "memory",
    "perturbed": "sensitivity",
    "pointing_game": "localisation",
    "random_like": "surrogate",
    "randomised": "shuffling",
    "relevance_mass": "localisation",
    "relevance_rank": "localisation",
    "smoothness": "surrogate",
    "spearman": "similarity",
    "ssim": "similarity",
}

__all__ = sorted(_LAZY)  # noqa: PLE0605  a list


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'interpbench.metrics' has no attribute {name!r}")
    value = getattr(import_module(f"interpbench.metrics.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
