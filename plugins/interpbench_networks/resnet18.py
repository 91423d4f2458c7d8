"""The paper's predictor: a 3D ResNet-18 with one output, or one for each class.

Four stages of two basic blocks (He et al., Deep Residual Learning, 2016; in 3D: Hara et al., 2018), as MONAI builds it.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from interpbench import NetworkPredictor, check_options, option


@dataclass(frozen=True, kw_only=True)
class ResNet18(NetworkPredictor):
    """MONAI's 3D ResNet-18 with one input channel and one output, or one for each class."""

    width: int = option(
        64, "number of channels of the first stage; each of the three later stages doubles it", minimum=1
    )
    first_stride: int = option(
        1, "stride of the first convolution, in voxels; 2 needs an eighth of the computation", minimum=1
    )

    def __post_init__(self) -> None:
        check_options(self)

    def build(self, shape: tuple[int, int, int]) -> nn.Module:
        from monai.networks.nets.resnet import ResNet

        network: nn.Module = ResNet(
            block="basic",
            layers=[2, 2, 2, 2],
            block_inplanes=[self.width * factor for factor in (1, 2, 4, 8)],
            spatial_dims=3,
            n_input_channels=1,
            num_classes=self.outputs,
            conv1_t_stride=self.first_stride,
        )
        return network
