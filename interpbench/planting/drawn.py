"""The targets of people: drawn evenly from a normal distribution, or made uncorrelated with others.

The only sources of randomness are the seed and a person's label. People are ordered by a number that follows from the
two, and the k-th of n gets a quantile of the k-th of n strata. So who else is there moves a person's number by little
more than the width of a stratum.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from interpbench.errors import InputError

BOUND = 2.5  # SD, of what is drawn
DIGITS = 6  # of a number in the table
Numbers = NDArray[np.float64]


def random_of(seed: int, label: str, purpose: str) -> np.random.Generator:
    """A person's own generator for a purpose."""
    digest = hashlib.sha256(f"{purpose}\0{label}".encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest, dtype=np.uint32).tolist()])


def drawn(labels: Sequence[str], seed: int, purpose: str) -> Numbers:
    """A standard normal number for each label, within `BOUND`, one in each of as many strata."""
    places = np.array([random_of(seed, label, purpose).random(2) for label in labels]).reshape(-1, 2)
    rank = np.empty(len(labels))
    rank[np.lexsort((np.array(labels), places[:, 0]))] = np.arange(len(labels))
    lowest, highest = ndtr(-BOUND), ndtr(BOUND)
    return np.asarray(ndtri(lowest + (highest - lowest) * (rank + places[:, 1]) / len(labels)).round(DIGITS))


def unrelated(numbers: Numbers, others: Sequence[Numbers]) -> Numbers:
    """Numbers made uncorrelated with others in the sample, of mean 0 and SD 1.

    Raises:
        InputError: too few people for that.
    """
    if len(numbers) < len(others) + 3:
        raise InputError(
            f"{len(numbers)} subjects are too few for {len(others)} variables that are uncorrelated with another:"
            f" at least {len(others) + 3} are needed."
        )
    basis = np.column_stack([np.ones(len(numbers)), *others])
    rest = numbers - basis @ np.linalg.lstsq(basis, numbers, rcond=None)[0]
    return np.asarray(rest / rest.std())


def standardised(numbers: Numbers) -> tuple[Numbers, float, float]:
    """Numbers of mean 0 and SD 1, and the mean and SD they had.

    Raises:
        InputError: they are all the same.
    """
    mean, sd = float(numbers.mean()), float(numbers.std())
    if not sd > 1e-9 * max(1.0, abs(mean)):
        raise InputError(f"the column has the same value, {mean:g}, in every subject: there is nothing to plant.")
    return (numbers - mean) / sd, mean, sd
