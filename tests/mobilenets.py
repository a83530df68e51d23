"""MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381) and MobileNetV3-small (Howard et al. 2019, arXiv:1905.02244).

As their papers' tables have them, for small pictures: the stem and the first stages keep the size where `small` says
so. Weights are seeded, batch norms have seen random pictures, so that ranges are like a trained network's.
"""

from __future__ import annotations

import torch
from torch import nn

CLASSES = 10


class Residual(nn.Module):
    """A block with a sum around it where input and output have one shape."""

    def __init__(self, block: nn.Sequential, around: bool) -> None:
        super().__init__()
        self.block = block
        self.around = around

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.block(x)
        return x + y if self.around else y


class SqueezeExcite(nn.Module):
    """A factor per channel from the channels' means."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.factors = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, squeezed, 1), nn.ReLU(), nn.Conv2d(squeezed, channels, 1),
            nn.Hardsigmoid(),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = x * self.factors(x)
        return y


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int, groups: int, act: nn.Module | None
) -> list[nn.Module]:
    made: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)
    ]  # fmt: skip
    return made if act is None else [*made, act]


def inverted(
    inputs: int, wide: int, outputs: int, kernel: int, stride: int, act: type[nn.Module], squeezed: int = 0
) -> nn.Module:
    """Widen, convolve each channel, scale the channels where asked for, narrow."""
    parts = convolution(inputs, wide, 1, 1, 1, act()) if wide != inputs else []
    parts += convolution(wide, wide, kernel, stride, wide, act())
    if squeezed:
        parts.append(SqueezeExcite(wide, squeezed))
    parts += convolution(wide, outputs, 1, 1, 1, None)
    return Residual(nn.Sequential(*parts), stride == 1 and inputs == outputs)


def mobilenet_v2(width: float = 0.25) -> nn.Module:
    """Table 2, the first two strides left out."""
    channels = max(8, round(32 * width))
    parts = convolution(3, channels, 3, 1, 1, nn.ReLU6())
    for expansion, outputs, count, first in (
        (1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)
    ):  # fmt: skip
        for i in range(count):
            made = max(8, round(outputs * width / 4) * 4)
            parts.append(inverted(channels, channels * expansion, made, 3, first if i == 0 else 1, nn.ReLU6))
            channels = made
    last = max(64, round(1280 * width))
    parts += convolution(channels, last, 1, 1, 1, nn.ReLU6())
    return seeded(
        nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(last, CLASSES))
    )


def mobilenet_v3_small() -> nn.Module:
    """Table 2 at a quarter of its width, the first two strides left out."""
    channels = 8
    parts = convolution(3, channels, 3, 1, 1, nn.Hardswish())
    for kernel, wide, outputs, squeeze, hard, stride in (
        (3, 8, 8, True, False, 1), (3, 24, 8, False, False, 2), (3, 24, 8, False, False, 1), (5, 24, 12, True, True, 2),
        (5, 60, 12, True, True, 1), (5, 60, 12, True, True, 1), (5, 32, 12, True, True, 1), (5, 36, 12, True, True, 1),
        (5, 72, 24, True, True, 2), (5, 144, 24, True, True, 1), (5, 144, 24, True, True, 1),
    ):  # fmt: skip
        act = nn.Hardswish if hard else nn.ReLU
        parts.append(inverted(channels, wide, outputs, kernel, stride, act, max(8, wide // 4) if squeeze else 0))
        channels = outputs
    parts += convolution(channels, 144, 1, 1, 1, nn.Hardswish())
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(144, 64), nn.Hardswish(), nn.Linear(64, CLASSES)]
    return seeded(nn.Sequential(*parts, *head))


def seeded(net: nn.Module) -> nn.Module:
    """Weights and statistics that depend on nothing but the seed."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim > 1:
                fan_in = parameter[0].numel()
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * (2 / fan_in) ** 0.5)
        net.train()
        for _ in range(4):
            net(torch.randn(8, 3, 32, 32, generator=generator))
    return net.eval()
