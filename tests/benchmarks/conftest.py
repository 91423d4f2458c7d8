"""The modules of the folder `benchmarks`, which is no package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NAMES = (
    "case",
    "cross_validation",
    "estimators",
    "estimators_page",
    "estimators_picture",
    "floors",
    "full_size",
    "ixi",
    "ixi_page",
    "machine",
    "noise_run",
    "noise_step",
    "noise_to_auc",
    "person_gain",
    "phantom",
    "phantom_page",
    "person_regions",
    "personal_phantom",
    "pixar",
    "plain_noise",
    "pretraining",
    "pretraining_run",
    "random_case",
    "region_statistics",
    "result_file",
)


@pytest.fixture(scope="module")
def benchmarks() -> Iterator[SimpleNamespace]:
    """Each module by its name, imported anew for a file of tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield SimpleNamespace(**{name: import_module(name) for name in NAMES})
        for name in NAMES:
            sys.modules.pop(name, None)
