"""A forgotten fixture of the metrics' suite is told in words."""

from __future__ import annotations

import inspect

import pytest

from interpbench.testing import MetricContract


def test_a_forgotten_fixture_is_told_in_words() -> None:
    with pytest.raises(NotImplementedError, match="MetricContract must define the fixture `metric`"):
        inspect.unwrap(vars(MetricContract)["metric"])(MetricContract())
