"""ResNet-20 to ResNet-110 for CIFAR-10 (He et al. 2015, arXiv:1512.03385, section 4.2).

The parameters' names and shapes are those of the checkpoints of github.com/akamaster/pytorch_resnet_cifar10 without
the `module.` of their DataParallel. Shortcuts that change the shape have no parameters (option A): every second pixel,
which a 1x1 pooling of stride 2 takes, and zeros for the new channels, half of them on either side.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.stride = stride
        self.new_channels = out_channels - in_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.new_channels:
            half = self.new_channels // 2
            x = F.pad(F.max_pool2d(x, 1, self.stride), (0, 0, 0, 0, half, self.new_channels - half))
        return F.relu(y + x)


class ResNetCifar(nn.Module):
    """A 3x3 convolution, three stages of `blocks` blocks with 16, 32 and 64 channels, global mean, one linear layer."""

    def __init__(self, blocks: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self._stage(16, 16, blocks, 1)
        self.layer2 = self._stage(16, 32, blocks, 2)
        self.layer3 = self._stage(32, 64, blocks, 2)
        self.linear = nn.Linear(64, num_classes)

    @staticmethod
    def _stage(in_channels: int, out_channels: int, blocks: int, stride: int) -> nn.Sequential:
        first = BasicBlock(in_channels, out_channels, stride)
        return nn.Sequential(first, *(BasicBlock(out_channels, out_channels, 1) for _ in range(blocks - 1)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))  # type: ignore[no-any-return]  # nn.Module.__call__ is untyped


def resnet_cifar(depth: int = 20, num_classes: int = 10) -> nn.Module:
    """A network of `depth` = 6 n + 2 layers with fresh weights; 20, 32, 44, 56 and 110 are the published ones."""
    if depth < 8 or (depth - 2) % 6:
        raise ValueError(f"depth is 6 n + 2, not {depth}")
    return ResNetCifar((depth - 2) // 6, num_classes)
