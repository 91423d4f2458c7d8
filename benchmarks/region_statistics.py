"""Regional importance of many people as figures: means with intervals, and correlations with anatomy, age and error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from interpbench.comparison.statistics import interval

VENTRICLES = ("lateral ventricle", "inferior lateral ventricle", "third ventricle", "fourth ventricle")
Values = NDArray[np.float64]


def collected(folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures of all folds together.

    Args:
        folds: the content of each fold's `figures.json`.

    Returns:
        `subjects` (n), `mae`, `regions` (method -> group -> figures), `claim` (method -> figures of the hippocampus and
        of the ventricles against other tissue of the same size).
    """
    groups = list(folds[0]["groups"])
    people = {label: one for fold in folds for label, one in fold["subjects"].items()}
    labels = sorted(people)
    age = np.array([people[label]["age"] for label in labels])
    gap = np.array([people[label]["prediction"] for label in labels]) - age
    volumes = np.array([people[label]["volumes_ml"] for label in labels])
    shares = volumes[:, :-1] / volumes[:, -1:]
    regions: dict[str, Any] = {}
    claim: dict[str, Any] = {}
    for method in folds[0]["methods"]:
        measured = {label: one for fold in folds for label, one in fold["methods"][method].items()}
        relative = np.array([measured[label]["relative"] for label in labels], dtype=np.float64)
        by_size = {
            name: np.array([measured[label]["by_size"][name] for label in labels], dtype=np.float64)
            for name in measured[labels[0]]["by_size"]
        }
        regions[method] = {
            group: {
                "relative": estimate(relative[:, place]),
                "by_size": estimate(by_size[group]) if group in by_size else None,
                "with_volume": correlation(relative[:, place], shares[:, place]),
                "with_age": correlation(relative[:, place], age),
                "with_gap_at_one_age": correlation(relative[:, place], gap, given=age),
            }
            for place, group in enumerate(groups)
        }
        claim[method] = {
            "hippocampus": estimate(by_size["hippocampus"]),
            "ventricles": estimate(np.mean([by_size[name] for name in VENTRICLES], axis=0)),
        }
    return {
        "subjects": len(labels),
        "mae": estimate(np.abs(gap)),
        "volumes_ml": {group: estimate(volumes[:, place]) for place, group in enumerate([*groups, "brain"])},
        "regions": regions,
        "claim": claim,
    }


def estimate(values: Values) -> dict[str, Any]:
    """Mean of the known values, its 95 % BCa interval over subjects, and n."""
    known = values[np.isfinite(values)]
    return {"mean": float(known.mean()) if len(known) else None, "interval": interval(known), "n": len(known)}


def correlation(a: Values, b: Values, given: Values | None = None) -> dict[str, Any]:
    """Spearman's correlation with its 95 % interval by Fisher's z.

    Its standard error is that of Bonett and Wright (2000), `sqrt((1 + r^2 / 2) / (n - 3))`.

    Args:
        given: a third value a subject, whose ranks are regressed out of both.
    """
    known = np.isfinite(a) & np.isfinite(b)
    ranks = [rankdata(one[known]) for one in (a, b, *(() if given is None else (given,)))]
    n = int(known.sum())
    if n < 4 or any(np.ptp(one) == 0 for one in ranks):
        return {"r": None, "interval": None, "n": n}
    if given is not None:
        design = np.column_stack([np.ones(n), ranks[2]])
        ranks = [one - design @ np.linalg.lstsq(design, one, rcond=None)[0] for one in ranks[:2]]
    r = float(np.clip(np.corrcoef(ranks[0], ranks[1])[0, 1], -1, 1))
    if abs(r) > 1 - 1e-12:
        return {"r": r, "interval": [r, r], "n": n}
    half = norm.ppf(0.975) * np.sqrt((1 + r**2 / 2) / (n - 3 - (given is not None)))
    return {"r": r, "interval": [float(np.tanh(np.arctanh(r) + sign * half)) for sign in (-1, 1)], "n": n}
