"""A user's own network: finding its factory, and reading one number out of what it returns."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from interpbench import Predictor, Recipe
from interpbench.errors import InputError, UsageError
from interpbench.testing import PredictorContract
from interpbench_networks.torch_module import TorchModule, import_factory


def test_the_factory_is_imported_and_called_with_its_arguments() -> None:
    arguments = '{"in_channels": 1, "out_channels": 3, "kernel_size": 2}'
    predictor = TorchModule(factory="torch.nn:Conv3d", arguments=arguments)
    network = predictor.build((6, 7, 8))
    assert isinstance(network, nn.Conv3d)
    assert network.out_channels == 3


@pytest.mark.parametrize("arguments", ["depth=3", "[3]"])
def test_arguments_that_are_no_json_object_are_refused(arguments: str) -> None:
    with pytest.raises(UsageError, match="arguments of TorchModule must be"):
        TorchModule(arguments=arguments)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("torch.nn.Conv3d", "module:function or module:Class"),
        ("no_such_module:Net", "No module named 'no_such_module'"),
        ("torch.nn:NoSuchNet", "has no 'NoSuchNet'"),
        ("torch:__version__", "which cannot be called"),
    ],
)
def test_a_factory_that_is_not_there_is_told_in_one_line(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        import_factory(name)
    assert "\n" not in str(caught.value)


def test_a_factory_that_makes_no_network_is_refused() -> None:
    with pytest.raises(UsageError, match=r"must return a torch\.nn\.Module, got dict"):
        TorchModule(factory="builtins:dict").build((6, 7, 8))


def test_one_output_is_the_number() -> None:
    values = torch.tensor([[3.0], [4.0]])
    assert torch.equal(TorchModule().read_out(values), values[:, 0])
    assert torch.equal(TorchModule().read_out(values[:, 0]), values[:, 0])


def test_a_column_is_picked_out_of_several_outputs() -> None:
    outputs = torch.arange(6.0).reshape(2, 3)
    assert TorchModule(column=2).read_out(outputs).tolist() == [2.0, 5.0]
    with pytest.raises(InputError, match="below 3, its outputs, got 3"):
        TorchModule(column=3).read_out(outputs)


def test_the_expectation_over_bins_is_the_sum_of_centres_weighted_by_probability() -> None:
    probabilities = torch.rand(4, 40).softmax(1)
    centres = torch.linspace(42.5, 81.5, 40)
    expected = (probabilities * centres).sum(1)
    like_sfcn = [probabilities.log().reshape(4, 40, 1, 1, 1)]
    found = TorchModule(bins_start=42.0, bins_stop=82.0).read_out(like_sfcn)
    torch.testing.assert_close(found, expected)


def test_logits_and_log_probabilities_give_the_same_expectation() -> None:
    logits = torch.randn(3, 10) * 4
    predictor = TorchModule(bins_start=0.0, bins_stop=100.0)
    torch.testing.assert_close(predictor.read_out(logits), predictor.read_out(logits.log_softmax(1)))


def test_probabilities_are_not_put_through_a_second_softmax() -> None:
    certain = torch.eye(4)
    predictor = TorchModule(bins_start=0.0, bins_stop=4.0, bins_hold="probabilities")
    assert predictor.read_out(certain).tolist() == [0.5, 1.5, 2.5, 3.5]


def test_gradients_flow_through_the_bins() -> None:
    logits = torch.randn(2, 5, requires_grad=True)
    TorchModule(bins_start=0.0, bins_stop=5.0).read_out(logits).sum().backward()
    assert logits.grad is not None
    assert logits.grad.abs().sum() > 0


@pytest.mark.parametrize("edges", [{"bins_start": 1.0}, {"bins_start": 5.0, "bins_stop": 4.0}])
def test_half_given_or_reversed_bins_are_refused(edges: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="bins_stop"):
        TorchModule(**edges)


def test_bins_of_a_network_with_one_output_are_refused() -> None:
    with pytest.raises(InputError, match="no soft bins"):
        TorchModule(bins_start=0.0, bins_stop=4.0).read_out(torch.zeros(2, 1))


class SmallSFCN(nn.Module):
    """Soft bins of log-probabilities in a list, as SFCN hands them over."""

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv3d(1, 4, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten())
        self.head = nn.Linear(4, bins)

    def forward(self, volumes: torch.Tensor) -> list[torch.Tensor]:
        return [self.head(self.layers(volumes)).log_softmax(1)[:, :, None, None, None]]


class TestAsPredictor(PredictorContract):
    @pytest.fixture
    def predictor(self) -> Predictor:
        torch.manual_seed(0)
        recipe = Recipe(shape=(12, 14, 10), voxel_size=4.0)
        return TorchModule(bins_start=42.0, bins_stop=82.0).loaded(SmallSFCN(40), recipe)
