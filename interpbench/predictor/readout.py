"""Refuses a predictor whose output is saturated, or the same for all subjects: its maps would show nothing.

Where a classifier's softmax or a sigmoid is left on, the answer saturates: hiding a region changes 0.999 to 0.998,
gradients vanish, and every map is flat. Numbers alone cannot show that, so the graph is read (`last_layer`). The
expectation over soft bins is a softmax too, and all right: the walk through the graph ends at its sum.

The same walk finds the layer that holds a prediction at a floor or ceiling, such as a ReLU at the end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from interpbench.contract.interfaces import Predictor
from interpbench.errors import InputError, message_of
from interpbench.host.foreign import asking
from interpbench.host.untouched import untouched
from interpbench.predictor.last_layer import (
    FEW,
    Bound,
    Squash,
    bound_at,
    bounding_node,
    graph_without_activations,
    squash_of,
)

log = logging.getLogger("interpbench")

SAME = 1e-6  # predictions that differ by less, as a part of 1 or of their size, are one number in float32
ALIKE = 1e-3  # volumes whose voxels differ by less, as a part of their SD, are of one head


def check_readout(
    predictor: Predictor, volumes: Tensor, who: str, *, strict: bool = False, stuck: bool = False
) -> tuple[str, ...]:
    """Refuse a predictor that ends in a softmax or sigmoid, or answers the same to every subject; one forward each.

    A sigmoid whose result is multiplied, `100 * sigmoid(z)` say, may be meant as a range: that is told and goes on.
    What keeps no graph, or cannot predict, is left to those who use it.

    Args:
        volumes: of one subject, `(1, 1, I, J, K)`, or of several, whose predictions must then differ; none, no check.
        who: how the message calls the predictor: the folder that the user named.
        strict: refuse whatever has bounds: a network that is to be trained must reach every number.
        stuck: only warn where a rectifier at the end is what makes the answers the same; it was accepted.

    Returns:
        Sentences to pass on; they are logged.

    Raises:
        InputError: with what the predictor ends in, and what would be right.
    """
    if not len(volumes):
        return ()
    try:
        with untouched(predictor.module, volumes):
            found, predictions = _first(predictor, volumes[:1])
            with torch.no_grad():
                predictions += [float(predictor.predict(volume[None])) for volume in volumes[1:]]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # another's code: whoever predicts with it next tells what went wrong
        log.debug("%s: the output could not be checked: %s", who, message_of(error))
        return ()
    told = () if found is None else _told(found, predictor, who, strict)
    if len(predictions) > 1 and _differ(volumes) and _same(predictions):
        bound = bound_of(predictor, volumes[:1])
        if bound is not None and (stuck or not bound.shut):  # others may lie within its range
            log.warning(
                "%s: the first %d predictions are %.6g %s: the network ends in %s, where gradients are zero.",
                who,
                len(predictions),
                predictions[0],
                predictor.unit,
                bound,
            )
            return told
        raise InputError(
            f"{who}: predicts the same number, {predictions[0]:.6g} {predictor.unit}, for {len(predictions)} different"
            " subjects: it uses nothing that a map could show. Train it again, or check its weights and its recipe."
        )
    for sentence in told:
        log.warning("%s", sentence)
    return told


def ends_in_bound(predictor: Predictor, volume: Tensor) -> bool:
    """Whether a network ends in a layer with a floor or ceiling, whether or not it holds this prediction there."""
    return _at_the_end(predictor, volume, lambda _node: True) is not None


def bound_of(predictor: Predictor, volume: Tensor) -> Bound | None:
    """The floor or ceiling that the last layer holds the prediction of a volume `(1, 1, I, J, K)` at; one forward.

    None where nothing does, as far as the graph tells, or where the predictor fails.
    """
    found: Bound | None = _at_the_end(predictor, volume, bound_at)
    return found


def _at_the_end(predictor: Predictor, volume: Tensor, look: Callable[[Any], Any]) -> Any:
    """What a look at the bounding node finds; None where there is none."""
    try:
        looking = asking("the predictor", volume)
        with looking, untouched(predictor.module, volume), torch.enable_grad(), graph_without_activations(FEW):
            node = bounding_node(predictor.predict(volume.detach().clone().requires_grad_(True)).grad_fn)
            return None if node is None else look(node)
    except Exception as error:  # as in `check_readout`
        log.debug("the end of the network could not be examined: %s", error)
        return None


def _differ(volumes: Tensor) -> bool:
    """Whether they are of different heads; one head that is stored in two ways differs by rounding."""
    apart = (volumes - volumes[:1]).square().flatten(1).mean(1).sqrt()
    return bool((apart > ALIKE * volumes[0].std()).any())


def _first(predictor: Predictor, volume: Tensor) -> tuple[Squash | None, list[float]]:
    with torch.enable_grad(), graph_without_activations():
        prediction = predictor.predict(volume.detach().clone().requires_grad_(True))
        return squash_of(prediction), [float(prediction.detach())]


def _told(found: Squash, predictor: Predictor, who: str, strict: bool) -> tuple[str, ...]:
    """Sentences about what may be meant so.

    Raises:
        InputError: about what cannot be.
    """
    if found.name == "log-softmax" and predictor.classes:
        return ()  # the logit of a class is the same from log-probabilities
    article = "an" if found.name[0] in "aeiou" else "a"
    ending = f"{who}: the output ends in {article} {found.name}"
    if found.outputs == 1:
        raise InputError(f"{ending} over one number, so it is the same for every volume. Remove the {found.name}.")
    if "softmax" in found.name:
        wrong = "probabilities saturate, so maps of them are flat"
        raise InputError(f"{ending}: {wrong}. Explain the logit: remove the {found.name}.")
    meant = found.name == "tanh" or abs(found.factor) != 1
    if meant and not strict and not predictor.classes:
        return (f"{ending}: where it saturates, maps are flat. If this is not intended, remove it.",)
    if strict and not predictor.classes:
        raise InputError(f"{ending}: it is bounded, but a standardised target is not. Remove the {found.name}.")
    raise InputError(f"{ending}: it saturates, so maps of it are flat. Explain the logit: remove the {found.name}.")


def _same(predictions: list[float]) -> bool:
    allowed = SAME * max(1.0, *(abs(one) for one in predictions))
    return max(predictions) - min(predictions) <= allowed
