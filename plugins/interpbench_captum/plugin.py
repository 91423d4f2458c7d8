"""The methods of Captum that this plugin offers."""

from __future__ import annotations

from interpbench import Component, hookimpl

# DeepLift and LRP are not offered: DeepLift fails where a network uses a ReLU twice, as residual networks do, and LRP
# has no rule for 3D convolutions.
METHODS = {
    "saliency": ("gradients:Saliency", "Absolute gradient of the prediction with respect to the image"),
    "inputxgradient": ("gradients:InputXGradient", "Gradient times image intensity"),
    "integratedgradients": ("path:IntegratedGradients", "Gradient integrated along the path from a baseline"),
    "gradientshap": ("path:GradientShap", "Mean gradient at random points on the path from a baseline"),
    "smoothgrad": ("noise_tunnel:SmoothGrad", "Mean gradient under noise"),
    "smoothgradsquared": ("noise_tunnel:SmoothGradSquared", "Mean squared gradient under noise"),
    "vargrad": ("noise_tunnel:VarGrad", "Variance of the gradient under noise"),
    "guidedbackprop": ("guided:GuidedBackprop", "Guided backpropagation: only positive gradients pass active ReLUs"),
    "deconvolution": ("guided:Deconvolution", "Deconvolution: only positive gradients pass every ReLU"),
    "gradcam": ("layer:GradCam", "Feature maps of a layer, weighted by their mean gradients"),
    "guidedgradcam": ("layer:GuidedGradCam", "Guided backpropagation times rectified Grad-CAM"),
    "captumocclusion": ("occlusion:CaptumOcclusion", "Change of the prediction when a box is hidden (Captum's code)"),
}


@hookimpl
def interpbench_explainers() -> list[Component]:
    """The methods that this plugin offers."""
    return [Component(name, f"interpbench_captum.{where}", summary) for name, (where, summary) in METHODS.items()]
