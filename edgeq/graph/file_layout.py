"""Where a graph's parts lie in the bytes of its `.tflite` file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FileLayout:
    """What the plan refers to: indices of tensors and operators, offsets of constants in bytes."""

    file_bytes: int
    tensor_index: Mapping[str, int]
    operator_index: Mapping[str, int]  # by the tensor that the operator writes
    constant_offset: Mapping[str, int]
