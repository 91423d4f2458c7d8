"""Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391, Eq. 1 and 2), for a regressor in 3D.

A layer's feature maps A_k, weighted by their mean gradients: a_k = mean over voxels of df/dA_k, CAM = sum_k a_k A_k,
upsampled to the volume (trilinear). The paper takes relu(CAM): what speaks *for* a class. A regressor has no such
side. What lowers the age is as important as what raises it, and a CAM of a person younger than the average may be
below zero everywhere; so it is left as it is, unless asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from captum import attr
from torch import Tensor

from interpbench import Explainer, Predictor, check_options, option
from interpbench_captum.forward import Forward, each
from interpbench_captum.guided import rectifiers
from interpbench_captum.stages import choose_layer

LAYER_HELP = "name of the layer; none for the last convolutional stage with more than one voxel"


@dataclass(frozen=True, kw_only=True)
class GradCam(Explainer):
    """CAM = sum_k a_k A_k: where the layer's features that move the prediction are."""

    signed: ClassVar[bool] = True

    layer: str | None = option(None, LAYER_HELP)
    relu: bool = option(False, "keep only evidence that raises the prediction, as in Grad-CAM for classes")

    def __post_init__(self) -> None:
        check_options(self)

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        name = choose_layer(predictor, volumes, self.layer, "gradcam")
        method = attr.LayerGradCam(Forward(predictor), predictor.module.get_submodule(name))

        def attribute(volume: Tensor) -> Tensor:
            cam = method.attribute(volume, relu_attributions=self.relu)  # (1, 1, i, j, k)
            map: Tensor = attr.LayerAttribution.interpolate(cam, tuple(volume.shape[2:]), "trilinear")
            return map

        return each(volumes, attribute)

    def describe(self, predictor: Predictor, volumes: Tensor) -> Mapping[str, Any]:
        return {"layer": choose_layer(predictor, volumes, self.layer, "gradcam")}


@dataclass(frozen=True, kw_only=True)
class GuidedGradCam(Explainer):
    """Guided backpropagation times relu(CAM): fine detail, where the layer's features raise the prediction.

    Captum knows no CAM without the rectifier here. Where the CAM is nowhere above zero, so is the map.
    """

    signed: ClassVar[bool] = True

    layer: str | None = option(None, LAYER_HELP)

    def __post_init__(self) -> None:
        check_options(self)

    def explain(self, predictor: Predictor, volumes: Tensor) -> Tensor:
        layer = predictor.module.get_submodule(choose_layer(predictor, volumes, self.layer, "guidedgradcam"))
        method = attr.GuidedGradCam(Forward(predictor), layer)
        with rectifiers(predictor, volumes, "guidedgradcam"):
            return each(volumes, lambda volume: method.attribute(volume, interpolate_mode="trilinear"))

    def describe(self, predictor: Predictor, volumes: Tensor) -> Mapping[str, Any]:
        return {"layer": choose_layer(predictor, volumes, self.layer, "guidedgradcam")}
