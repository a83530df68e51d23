"""ResNet-18 (He et al. 2015, arXiv:1512.03385) with torchvision's parameter names and shapes.

At width 1.0 with the ImageNet stem, a checkpoint of torchvision's `resnet18` loads strictly: 122 entries,
11,689,512 parameters. `width` scales every channel count. `stem="imagenet"` is a 7x7 convolution of stride 2 and
a 3x3 max pool of stride 2; `stem="small"`, usual for images of 32x32, a 3x3 convolution of stride 1 alone.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; a 1x1 convolution on the shortcut where the shape changes."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + shortcut)  # type: ignore[no-any-return]  # nn.Module.__call__ is untyped


class ResNet18(nn.Module):
    """Stem, four stages of two blocks, global average pool, one linear layer. NCHW in, [N, classes] out."""

    def __init__(self, width: float, num_classes: int, stem: str, in_channels: int) -> None:
        super().__init__()
        channels = [max(1, round(base * width)) for base in (64, 128, 256, 512)]
        if stem == "imagenet":
            self.conv1 = nn.Conv2d(in_channels, channels[0], 7, stride=2, padding=3, bias=False)
            self.maxpool: nn.Module = nn.MaxPool2d(3, stride=2, padding=1)
        elif stem == "small":
            self.conv1 = nn.Conv2d(in_channels, channels[0], 3, stride=1, padding=1, bias=False)
            self.maxpool = nn.Identity()
        else:
            raise ValueError(f'stem is "imagenet" or "small", not {stem!r}')
        self.bn1 = nn.BatchNorm2d(channels[0])
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = self._stage(channels[0], channels[0], stride=1)
        self.layer2 = self._stage(channels[0], channels[1], stride=2)
        self.layer3 = self._stage(channels[1], channels[2], stride=2)
        self.layer4 = self._stage(channels[2], channels[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(channels[3], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @staticmethod
    def _stage(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
        return nn.Sequential(BasicBlock(in_channels, out_channels, stride), BasicBlock(out_channels, out_channels, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = torch.flatten(self.avgpool(x), 1)
        return self.fc(x)  # type: ignore[no-any-return]  # nn.Module.__call__ is untyped


def resnet18(
    width: float = 1.0,
    num_classes: int = 1000,
    stem: Literal["imagenet", "small"] = "imagenet",
    in_channels: int = 3,
) -> nn.Module:
    """A ResNet-18 with fresh weights; `width` multiplies 64, 128, 256 and 512 channels."""
    return ResNet18(width, num_classes, stem, in_channels)
