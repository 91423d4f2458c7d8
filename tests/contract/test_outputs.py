"""What a network gives: one number, or several, of which one must be named."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from typing import Any

import pytest
import torch
from torch import Tensor

from interpbench.contract.outputs import outputs_of
from interpbench.errors import InputError, PluginError
from interpbench_networks.torch_module import TorchModule

AGE = torch.tensor([[40.0], [50.0]])
FEATURES = torch.arange(24.0).reshape(2, 3, 2, 2, 1)
Pair = namedtuple("Pair", "age features")

ONE: dict[str, Any] = {
    "a column": AGE,
    "no axis but the batch": AGE[:, 0],
    "axes of length one": AGE[:, :, None, None, None],
    "alone in a list": [AGE],
    "alone in a tuple in a list": [(AGE,)],
    "alone in a mapping": {"age": AGE[:, 0]},
    "beside what is no tensor": (AGE, None, "done", 3.0),
}


@pytest.mark.parametrize("given", ONE.values(), ids=ONE)
def test_one_number_needs_no_column(given: Any) -> None:
    assert TorchModule(factory="nets:Net").read_out(given).tolist() == [40.0, 50.0]


def test_one_number_of_one_volume_may_have_lost_all_its_axes() -> None:
    assert TorchModule(factory="nets:Net").read_out(torch.tensor(41.5)).tolist() == [41.5]


SEVERAL: dict[str, tuple[Any, str]] = {
    "columns": (torch.cat([AGE, AGE + 1], 1), "returns 2 numbers.*columns 0 to 1 are its output (2 numbers)"),
    "a list": ([AGE, -AGE], "returns 2 outputs.*column 0 is output 0 (1 number), column 1 is output 1 (1 number)"),
    "a tuple": ((AGE, FEATURES), "column 0 is output 0 (1 number), columns 1 to 12 are output 1 (3x2x2x1)"),
    "a named tuple": (Pair(AGE, FEATURES), "column 0 is 'age' (1 number), columns 1 to 12 are 'features' (3x2x2x1)"),
    "a mapping": ({"features": FEATURES, "age": AGE}, "columns 0 to 11 are 'features' (3x2x2x1), column 12 is 'age'"),
    "an ordered mapping": (OrderedDict(mean=AGE, spread=AGE), "column 0 is 'mean' (1 number), column 1 is 'spread'"),
    "lists in a tuple": ((AGE, [AGE, AGE]), "column 1 is output 1, output 0 (1 number), column 2 is"),
    "many": ([AGE] * 9, "column 5 is output 5 (1 number), and 3 more"),
}


@pytest.mark.parametrize(("given", "said"), SEVERAL.values(), ids=SEVERAL)
def test_of_several_numbers_one_must_be_named(given: Any, said: str) -> None:
    pattern = said.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(InputError, match=r"^nets:Net returns \d.* -o column=N \(.*") as caught:
        TorchModule(factory="nets:Net").read_out(given)
    assert caught.match(pattern) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "column", "expected"),
    [
        (SEVERAL["columns"][0], 1, [41.0, 51.0]),
        (SEVERAL["a list"][0], 1, [-40.0, -50.0]),
        (SEVERAL["a tuple"][0], 0, [40.0, 50.0]),
        (SEVERAL["a tuple"][0], 12, [11.0, 23.0]),
        (SEVERAL["a mapping"][0], 12, [40.0, 50.0]),
        (AGE, 0, [40.0, 50.0]),
        ([AGE], 0, [40.0, 50.0]),
    ],
)
def test_a_column_counts_over_all_outputs_in_their_order(given: Any, column: int, expected: list[float]) -> None:
    assert TorchModule(column=column).read_out(given).tolist() == expected


def test_a_column_beyond_all_outputs_is_refused() -> None:
    with pytest.raises(InputError, match="below 13, its outputs, got 13"):
        TorchModule(factory="nets:Net", column=13).read_out((AGE, FEATURES))


def test_soft_bins_are_the_only_output_or_begin_at_the_column() -> None:
    bins = torch.eye(4)[:2] * 1e4
    expected = [0.5, 1.5]
    edges = {"factory": "nets:Net", "bins_start": 0.0, "bins_stop": 4.0}
    assert TorchModule(**edges).read_out([bins]).tolist() == expected
    assert TorchModule(**edges, column=1).read_out({"age": AGE, "bins": bins}).tolist() == expected
    assert TorchModule(**edges, column=0).read_out((bins, AGE)).tolist() == expected
    for column in (None, 2):
        with pytest.raises(InputError, match=r"2 outputs .* one holds the soft bins.*columns 1 to 4 are"):
            TorchModule(**edges, column=column).read_out({"age": AGE, "bins": bins})


def test_the_scores_of_classes_are_the_output_that_has_one_for_each() -> None:
    scores = torch.tensor([[1.0, 2.0, 3.0]])
    blank = TorchModule(factory="nets:Net").aimed_at("group", ("a", "b", "c"))
    for given in ([scores], (torch.ones(1, 8), scores), {"features": torch.ones(1, 5), "scores": scores}):
        assert torch.equal(blank.read_classes(given), scores)
    with pytest.raises(InputError, match=r"2 outputs for a volume \(.*\), and 2 of them could be the scores of 3"):
        blank.read_classes((scores, scores))
    with pytest.raises(InputError, match="0 of them could be the scores of 3 classes"):
        blank.read_classes((torch.ones(1, 8), torch.ones(1, 2)))


@pytest.mark.parametrize("given", [None, [], {}, "40", 40.0, [None], {"age": 40.0}])
def test_what_holds_no_tensor_is_refused(given: Any) -> None:
    with pytest.raises(PluginError, match="nets:Net must return a tensor, got"):
        outputs_of(given, "nets:Net")


def test_gradients_flow_through_the_column() -> None:
    values: Tensor = AGE.clone().requires_grad_(True)
    TorchModule(column=1).read_out((FEATURES[:, :1, 0, 0, 0], values)).sum().backward()
    assert values.grad is not None and values.grad.tolist() == [[1.0], [1.0]]
