"""What tests of the suites put back."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
import torch


@pytest.fixture
def everything_put_back() -> Iterator[None]:
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    yield
    torch.set_grad_enabled(True)
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])
    random.setstate(states[2])
