"""The table of Captum's methods that this plugin offers."""

from __future__ import annotations

from interpbench import Component, hookimpl

# DeepLift and LRP are left out: the one fails where a network uses a ReLU twice, as residual networks do, the other
# has no rule for 3D convolutions.
METHODS = {
    "saliency": ("gradients:Saliency", "|gradient|"),
    "inputxgradient": ("gradients:InputXGradient", "Gradient times intensity"),
    "integratedgradients": ("path:IntegratedGradients", "Gradients on the way from a baseline, integrated"),
    "gradientshap": ("path:GradientShap", "Gradients at random places on the way from a baseline"),
    "smoothgrad": ("noise_tunnel:SmoothGrad", "Mean gradient under noise"),
    "smoothgradsquared": ("noise_tunnel:SmoothGradSquared", "Mean squared gradient under noise"),
    "vargrad": ("noise_tunnel:VarGrad", "Variance of the gradient under noise"),
    "guidedbackprop": ("guided:GuidedBackprop", "Gradient through open ReLUs, what raises the prediction"),
    "deconvolution": ("guided:Deconvolution", "Gradient through all ReLUs, what raises the prediction"),
    "gradcam": ("layer:GradCam", "A layer's feature maps, weighted by their mean gradients"),
    "guidedgradcam": ("layer:GuidedGradCam", "Guided backpropagation times rectified Grad-CAM"),
    "captumocclusion": ("occlusion:CaptumOcclusion", "Hide a box, watch the prediction move, as Captum does it"),
}


@hookimpl
def interpbench_explainers() -> list[Component]:
    """The methods that this plugin offers."""
    return [Component(name, f"interpbench_captum.{where}", summary) for name, (where, summary) in METHODS.items()]
