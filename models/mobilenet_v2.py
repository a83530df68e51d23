"""MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381) for small images: inverted residuals, depthwise, ReLU6.

The parameters' names are torchvision's. The first convolution alone has the stride that 224x224 gets five times over.
"""

from __future__ import annotations

import torch
from torch import nn

# Expansion, channels, blocks, stride of the first one.
SMALL = ((1, 8, 1, 1), (4, 16, 2, 1), (4, 24, 2, 2), (4, 48, 2, 2))
STEM, HEAD = 16, 128


class ConvNormActivation(nn.Sequential):
    """A convolution that keeps its size at stride 1, batch norm, ReLU6."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        convolution = nn.Conv2d(
            in_channels, out_channels, kernel, stride, padding=kernel // 2, groups=groups, bias=False
        )
        super().__init__(convolution, nn.BatchNorm2d(out_channels), nn.ReLU6())


class InvertedResidual(nn.Module):
    """Expand by a 1x1 convolution, filter each channel by itself, project back; a sum where the shape stays."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        layers: list[nn.Module] = [ConvNormActivation(in_channels, hidden, 1)] if expansion > 1 else []
        layers += [
            ConvNormActivation(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        ]
        self.conv = nn.Sequential(*layers)
        self.adds = stride == 1 and in_channels == out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv(x)
        return x + y if self.adds else y


class MobileNetV2(nn.Module):
    """A strided 3x3 convolution, inverted residuals, a 1x1 convolution, global mean, one linear layer."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [ConvNormActivation(3, STEM, 3, stride=2)]
        channels = STEM
        for expansion, out_channels, blocks, stride in SMALL:
            for block in range(blocks):
                layers.append(InvertedResidual(channels, out_channels, stride if block == 0 else 1, expansion))
                channels = out_channels
        layers.append(ConvNormActivation(channels, HEAD, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(HEAD, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x).mean((2, 3))
        return self.classifier(x)  # type: ignore[no-any-return]  # nn.Module.__call__ is untyped


def mobilenet_v2(num_classes: int = 10) -> nn.Module:
    """A network for 32x32 images with fresh weights."""
    return MobileNetV2(num_classes)


def blow_up(network: nn.Module, factor: float) -> None:
    """Make one channel's range `factor` times larger in a projection and in each depthwise layer behind an expansion.

    The network computes the same: what takes the channel has weights as much smaller, or what makes it. A depthwise
    layer's is one that stays far below ReLU6's 6, which does not scale.
    """
    features = network.get_submodule("features")
    blocks = [(block, block.conv[0]) for block in features if isinstance(block, InvertedResidual)]
    (first, _), (_, taking), *_ = blocks
    with torch.no_grad():
        norm = first.conv[-1]
        widest = int(norm.weight.abs().argmax())
        for values in (norm.weight, norm.bias):
            values[widest] *= factor
        taking[0].weight[:, widest] /= factor
        for block, expand in blocks[1:]:
            norm = expand[1]
            lowest = int((norm.bias + 4 * norm.weight.abs()).argmin())
            for values in (norm.weight, norm.bias):
                values[lowest] /= factor
            block.conv[1][0].weight[lowest] *= factor
