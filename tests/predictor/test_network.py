"""A classifier's prediction: the logit of one class, which is its log odds and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from interpbench import NetworkPredictor, Predictor, Recipe, check_options, load_predictor, option, save_predictor
from interpbench.contract.outputs import log_odds
from interpbench.errors import InputError, UsageError
from interpbench.predictor.forward_only import forward_only
from interpbench.testing import PredictorContract

RECIPE = Recipe(shape=(12, 14, 10), voxel_size=4.0)
CLASSES = ("adult", "child", "old")


@dataclass(frozen=True, kw_only=True)
class Small(NetworkPredictor):
    """As many outputs as are asked for, unless the option says otherwise."""

    fixed: int = option(0, "outputs, whatever is asked for; 0 for what is asked for", minimum=0)

    def __post_init__(self) -> None:
        check_options(self)

    def build(self, shape: tuple[int, int, int]) -> nn.Module:
        torch.manual_seed(0)
        layers = nn.Conv3d(1, 3, 3), nn.ReLU(), nn.AdaptiveMaxPool3d(1), nn.Flatten()
        return nn.Sequential(*layers, nn.Linear(3, self.fixed or self.outputs))


def classifier(target: str | None = None, classes: tuple[str, ...] = CLASSES, fixed: int = 0) -> NetworkPredictor:
    blank = Small(fixed=fixed).aimed_at("group", classes, target)
    return blank.loaded(blank.build(RECIPE.shape), RECIPE)


@pytest.fixture
def volumes() -> Tensor:
    return torch.randn(4, 1, *RECIPE.shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_logit_is_the_log_odds_of_the_softmax(index: int) -> None:
    scores = torch.randn(5, 3, dtype=torch.float64)
    probability = scores.softmax(1)[:, index]
    torch.testing.assert_close(log_odds(scores, index), (probability / (1 - probability)).log())


def test_of_two_classes_it_is_the_difference_of_their_scores() -> None:
    scores = torch.randn(5, 2)
    assert torch.equal(log_odds(scores, 1), scores[:, 1] - scores[:, 0])
    assert torch.equal(log_odds(scores, 0), -log_odds(scores, 1))


def test_what_shifts_all_scores_changes_no_logit_and_log_probabilities_give_the_same() -> None:
    scores = torch.randn(5, 4, dtype=torch.float64)
    expected = log_odds(scores, 2)
    torch.testing.assert_close(log_odds(scores + 100, 2), expected)
    torch.testing.assert_close(log_odds(scores.log_softmax(1), 2), expected)


def test_it_does_not_saturate_where_the_probability_does() -> None:
    scores = torch.tensor([[0.0, 40.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(log_odds(scores, 1).sum(), scores)
    assert gradient.tolist() == [[-1.0, 1.0]]


def test_the_prediction_is_the_target_classes_logit(volumes: Tensor) -> None:
    for index, name in enumerate(CLASSES):
        predictor = classifier(name)
        torch.testing.assert_close(predictor.predict(volumes), log_odds(predictor.module(volumes), index))
        torch.testing.assert_close(predictor.class_logits(volumes)[:, index], predictor.predict(volumes))
    assert classifier().target_class == "old" and classifier().unit == "logit"


def test_one_output_is_the_logit_of_the_second_of_two_classes(volumes: Tensor) -> None:
    second, first = (classifier(name, CLASSES[:2], fixed=1) for name in ("child", "adult"))
    torch.testing.assert_close(second.predict(volumes), second.module(volumes)[:, 0])
    torch.testing.assert_close(first.predict(volumes), -second.predict(volumes))


@pytest.mark.parametrize(("fixed", "said"), [(1, "has 1 output, but there are 3 classes"), (4, "has 4 outputs, but")])
def test_another_number_of_outputs_is_refused(volumes: Tensor, fixed: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        classifier(fixed=fixed).predict(volumes)


def test_scores_may_come_in_a_list_or_with_axes_of_length_one() -> None:
    scores = torch.randn(2, 3)
    blank = Small().aimed_at("group", CLASSES)
    assert torch.equal(blank.read_classes([scores[:, :, None, None, None]]), scores)


def test_an_unknown_class_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown class 'chidl'. Did you mean 'child'\? The classes are: adult,"):
        Small().aimed_at("group", CLASSES, "chidl")
    with pytest.raises(UsageError, match="no classes: omit the target class 'child'"):
        Small().aimed_at("age", (), "child")


def test_each_class_has_a_fingerprint_of_its_own_and_none_is_the_tensors(volumes: Tensor) -> None:
    prints = {classifier(name).fingerprint for name in CLASSES}
    predictor = classifier("child")
    bare = Small(fixed=3).loaded(predictor.module, RECIPE)
    assert len(prints | {bare.fingerprint}) == 4
    assert predictor.aimed_at("group", CLASSES, "adult").fingerprint == classifier("adult").fingerprint


def test_a_saved_classifier_comes_back_and_so_does_any_class_of_it(tmp_path, volumes, toy_plugin) -> None:
    toy_plugin.offer("predictor", "small", Small)
    record = save_predictor(tmp_path, classifier("child"), name="small", details={})
    assert (record["task"], record["target"], record["classes"]) == ("classification", "group", list(CLASSES))
    assert record["target_class"] == "child"
    for target in (None, "adult", "child", "old"):
        loaded = load_predictor(tmp_path, target=target)
        torch.testing.assert_close(loaded.predict(volumes), classifier(target or "child").predict(volumes))
        assert (loaded.classes, loaded.target_column, loaded.unit) == (CLASSES, "group", "logit")
    with pytest.raises(UsageError, match=f"{tmp_path}: unknown class 'young'"):
        load_predictor(tmp_path, target="young")


def test_another_number_than_age_is_on_record_and_age_is_not(tmp_path, toy_plugin) -> None:
    toy_plugin.offer("predictor", "small", Small)
    for column in ("bmi", "age"):
        blank = Small().aimed_at(column)
        record = save_predictor(
            tmp_path / column, blank.loaded(blank.build(RECIPE.shape), RECIPE, unit="kg/m2"), name="small", details={}
        )
        assert load_predictor(tmp_path / column).target_column == column
        assert ("task" in record, record.get("target", "age")) == (column != "age", column)
    with pytest.raises(UsageError, match="no classes: omit the target class"):
        load_predictor(tmp_path / "bmi", target="child")


def test_the_frozen_network_gives_the_same_logits(volumes: Tensor) -> None:
    predictor = classifier("child")
    torch.testing.assert_close(forward_only(predictor, volumes)(volumes), predictor.predict(volumes))


class TestAsPredictor(PredictorContract):
    @pytest.fixture
    def predictor(self) -> Predictor:
        return classifier("child")
