"""A squashed or constant answer is refused by what the graph shows; what only looks like it goes through."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interpbench import NetworkPredictor, Predictor, Recipe
from interpbench.errors import InputError
from interpbench.predictor.last_layer import squash_of
from interpbench.predictor.readout import check_readout
from interpbench.testing import constant_predictor, cube_predictor, failing, linear_predictor, toy_brains
from interpbench.testing.predictor import PredictorContract

SHAPE = (6, 7, 8)
RECIPE = Recipe(shape=SHAPE, voxel_size=4.0)
VOLUMES = toy_brains(3, SHAPE, seed=1)
CENTRES = torch.tensor([50.0, 60.0, 70.0])


class Network(nn.Module):
    """A small network whose last step is given: scores `(B, outputs)` in, anything out."""

    def __init__(self, ending: Callable[[Tensor], Tensor], outputs: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv3d(1, 4, 3), nn.Sigmoid(), nn.AdaptiveAvgPool3d(2), nn.Flatten())
        self.attention = nn.Softmax(dim=1)  # inside a network, either is all right
        self.head = nn.Linear(32, outputs)
        self.ending = ending

    def forward(self, volumes: Tensor) -> Tensor:
        features = self.features(volumes)
        return self.ending(self.head(features * self.attention(features)))


class Plain(NetworkPredictor):
    def build(self, shape: tuple[int, int, int]) -> nn.Module:
        raise NotImplementedError


def predictor(ending: Callable[[Tensor], Tensor], outputs: int = 3, **loaded: float) -> Predictor:
    torch.manual_seed(0)
    return Plain().loaded(Network(ending, outputs), RECIPE, **loaded)


SQUASHED: dict[str, Callable[[Tensor], Tensor]] = {
    "a softmax": lambda z: z.softmax(1)[:, 1],
    "a softmax, by its module and reshaped": lambda z: nn.Softmax(dim=-1)(z).view(z.shape[0], 3, 1, 1)[:, 2, 0, 0],
    "a softmax with a temperature, as doubles": lambda z: F.softmax(z / 2, 1).double().select(1, 0) * 1.0,
    "a softmax over one number": lambda z: z[:, :1].softmax(1),
    "a softmax whose largest is taken": lambda z: z.softmax(1).max(dim=1).values,
    "a scaled softmax": lambda z: 100 * z.softmax(1)[:, 1],
    "a log-softmax": lambda z: z.log_softmax(1)[:, 1],
    "a sigmoid": lambda z: torch.sigmoid(z[:, 0]),
    "a sigmoid, squeezed and shifted": lambda z: z[:, :1].sigmoid().squeeze(1).clone() + 40,
    "a sigmoid, as its complement": lambda z: 1 - z[:, 0].sigmoid(),
    "a log-sigmoid": lambda z: F.logsigmoid(z[:, 0]),
    "a hard sigmoid": lambda z: F.hardsigmoid(z[:, 0]),
}


@pytest.mark.parametrize("name", SQUASHED)
def test_a_squash_left_on_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(InputError, match=r"^MODEL: the output ends in a") as caught:
        check_readout(predictor(SQUASHED[name]), VOLUMES[:1], "MODEL")
    kind = next(word for word in ("log-softmax", "softmax", "log-sigmoid", "hard sigmoid", "sigmoid") if word in name)
    assert f"a {kind}" in str(caught.value) and "\n" not in str(caught.value)


def test_the_sentences_say_what_to_leave_out() -> None:
    with pytest.raises(InputError) as caught:
        check_readout(predictor(SQUASHED["a softmax"]), VOLUMES[:1], "model")
    assert str(caught.value) == (
        "model: the output ends in a softmax: probabilities saturate, so maps of them are flat."
        " Explain the logit: remove the softmax."
    )
    with pytest.raises(InputError, match="over one number, so it is the same for every volume"):
        check_readout(predictor(SQUASHED["a softmax over one number"]), VOLUMES[:1], "model")


SOUND: dict[str, Callable[[Tensor], Tensor]] = {
    "a number": lambda z: z[:, 0],
    "a line": lambda z: 7 * z[:, 1] + 60,
    "soft bins, as a product": lambda z: z.softmax(1) @ CENTRES,
    "soft bins, as a sum": lambda z: (z.softmax(1) * CENTRES).sum(1),
    "soft bins, one after the other": lambda z: sum(z.softmax(1)[:, bin] * CENTRES[bin] for bin in range(3)),
    "ordinal steps": lambda z: 40 + z.sigmoid().sum(1),
    "a number with a bounded correction": lambda z: z[:, 0] + torch.tanh(z[:, 1]),
    "a rectifier": lambda z: 100 - F.relu(5 - z[:, 0]),
    "the gap between two scores": lambda z: z[:, 0] - z[:, 1],
}


@pytest.mark.parametrize("name", SOUND)
def test_what_only_looks_like_a_squash_goes_through(name: str) -> None:
    assert check_readout(predictor(SOUND[name]), VOLUMES, "model") == ()


@pytest.mark.parametrize("ending", [lambda z: 100 * z[:, 0].sigmoid(), lambda z: z[:, 0].tanh()])
def test_a_range_that_may_be_meant_is_told_and_goes_on(
    ending: Callable[[Tensor], Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    (sentence,) = check_readout(predictor(ending), VOLUMES[:1], "model")
    assert "where it saturates, maps are flat" in sentence
    assert sentence in caplog.text


def test_the_scale_of_an_adopted_network_counts_as_meant() -> None:
    assert check_readout(predictor(lambda z: z[:, 0].sigmoid(), scale=40.0, offset=40.0), VOLUMES[:1], "model")


@pytest.mark.parametrize("ending", [lambda z: 100 * z[:, 0].sigmoid(), lambda z: z[:, 0].tanh()])
def test_a_network_that_is_to_be_trained_may_have_no_bounds_at_all(ending: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(InputError, match="it is bounded, but a standardised target is not"):
        check_readout(predictor(ending), VOLUMES[:1], "model", strict=True)


@pytest.mark.parametrize("strict", [False, True])
def test_a_classifier_may_end_in_log_probabilities_and_in_nothing_else(strict: bool) -> None:
    def classifier(ending: Callable[[Tensor], Tensor], outputs: int = 3) -> Predictor:
        torch.manual_seed(0)
        classes = ("a", "b", "c")[: max(2, outputs)]
        return Plain().aimed_at("group", classes).loaded(Network(ending, outputs), RECIPE)

    check_readout(classifier(lambda z: z), VOLUMES, "model", strict=strict)
    check_readout(classifier(lambda z: z.log_softmax(1)), VOLUMES, "model", strict=strict)
    for ending, outputs in ((lambda z: z.softmax(1), 3), (lambda z: z.sigmoid(), 3), (lambda z: 9 * z.sigmoid(), 1)):
        with pytest.raises(InputError, match=r"Explain the logit: remove the (softmax|sigmoid)"):
            check_readout(classifier(ending, outputs), VOLUMES, "model", strict=strict)


def test_one_number_for_different_subjects_is_refused_and_for_the_same_subject_twice_is_not() -> None:
    constant = constant_predictor(SHAPE, 61.5)
    with pytest.raises(InputError, match=r"predicts the same number, 61.5 years, for 2 different subjects"):
        check_readout(constant, VOLUMES[:2], "model")
    assert check_readout(constant, VOLUMES[:1], "model") == ()
    assert check_readout(linear_predictor(torch.ones(SHAPE)), VOLUMES[[0, 0]], "model") == ()
    turned = torch.stack([VOLUMES[0], VOLUMES[0] * (1 + 1e-6)])  # as one image that is stored in two orientations
    assert check_readout(linear_predictor(torch.ones(SHAPE) / SHAPE[0] ** 3), turned, "model") == ()


def test_a_difference_in_the_last_digits_is_none() -> None:
    almost = linear_predictor(torch.full(SHAPE, 1e-9))
    with pytest.raises(InputError, match="the same number"):
        check_readout(almost, VOLUMES, "model")


class Odd(Predictor):
    """A third party's predictor: whatever it answers is given."""

    def __init__(self, answer: Callable[[Tensor], Tensor]) -> None:
        self.answer, self.recipe = answer, RECIPE

    @property
    def module(self) -> nn.Module:
        return nn.Identity()

    def predict(self, volumes: Tensor) -> Tensor:
        return self.answer(volumes)


def refuses(volumes: Tensor) -> Tensor:
    raise ValueError("not today")


@pytest.mark.parametrize(
    "answer",
    [lambda v: v.detach().amax((1, 2, 3, 4)), lambda v: v.amax((1, 2, 3, 4)), lambda v: v, lambda v: None, refuses],
)
def test_a_predictor_that_keeps_no_graph_or_fails_is_left_to_others(answer: Callable[[Tensor], Tensor]) -> None:
    assert check_readout(Odd(answer), VOLUMES, "model") == ()


def test_no_volume_no_check() -> None:
    assert check_readout(constant_predictor(SHAPE), VOLUMES[:0], "model") == ()


@pytest.mark.parametrize("toy", [cube_predictor(SHAPE), cube_predictor(SHAPE, nonlinear=True)])
def test_the_kits_toys_pass(toy: Predictor) -> None:
    assert check_readout(toy, VOLUMES, "model") == ()
    assert check_readout(failing(toy), VOLUMES, "model") == ()


def test_the_check_changes_nothing_and_goes_forward_once_a_subject() -> None:
    toy = failing(cube_predictor(SHAPE), call=0)
    volumes, before, state = VOLUMES.clone(), toy.fingerprint, torch.get_rng_state()
    check_readout(toy, volumes, "model")
    assert toy.charge.calls == 3
    assert torch.equal(volumes, VOLUMES) and not volumes.requires_grad
    assert toy.fingerprint == before and torch.equal(torch.get_rng_state(), state)


def test_the_graph_is_kept_without_its_activations() -> None:
    seen: list[torch.Size] = []

    class Watched(Plain):
        def predict(self, volumes: Tensor) -> Tensor:
            prediction = super().predict(volumes)
            node = prediction.grad_fn
            while node is not None and not node.name().startswith("Convolution"):
                node = next((one for one, _ in node.next_functions if one is not None), None)
            if node is not None:
                assert node._saved_input.device.type == "meta"
                seen.append(node._saved_input.shape)
            return prediction

    torch.manual_seed(0)
    check_readout(Watched().loaded(Network(lambda z: z[:, 0]), RECIPE), VOLUMES[:1], "model")
    assert seen == [VOLUMES[:1].shape]


def test_of_a_squash_the_name_the_factor_and_the_number_of_outputs_are_known() -> None:
    scores = torch.randn(1, 5, requires_grad=True)
    assert squash_of(scores[:, 0]) is None
    found = squash_of(3 * (scores.softmax(1)[:, 0] / 2))
    assert found is not None and (found.name, found.factor, found.outputs) == ("softmax", 1.5, 5)
    several = squash_of((scores.sigmoid() * torch.arange(5.0))[:, 0])
    assert several is not None and several.factor != several.factor  # NaN: other than 1, and nobody knows what


class TestALogitIsAPrediction(PredictorContract):
    @pytest.fixture
    def predictor(self) -> Predictor:
        torch.manual_seed(0)
        return Plain().aimed_at("group", ("a", "b", "c"), "b").loaded(Network(lambda z: z), RECIPE)
