"""QuantParams, Tensor, Node and Graph: plain frozen values, validated when built.

A finished graph holds TFLite operators on int8 activations in NHWC. While `convert` is on its way from ONNX, the same
classes hold ONNX operators and float tensors; `edgeq.convert` says at which pass which of the two is true.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import BadInput

DTYPES = {
    "int8": np.int8,
    "uint8": np.uint8,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "float32": np.float32,
    "bool": np.bool_,
}
ABSENT = ""  # the name of an optional input that is not there


@dataclass(frozen=True)
class QuantParams:
    """Affine quantisation: real = scale * (q - zero_point).

    `scale` holds float32 values exactly; one of them per tensor, or one per slice along `axis`. One scale has no axis,
    as TFLite reads it.
    """

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int | None = None

    def __post_init__(self) -> None:
        if not self.scale or len(self.scale) != len(self.zero_point):
            raise BadInput(f"{len(self.scale)} scales and {len(self.zero_point)} zero points do not belong together")
        if (self.axis is None) != (len(self.scale) == 1):
            raise BadInput(f"{len(self.scale)} scales with axis {self.axis}; an axis goes with more than one scale")
        for s in self.scale:
            if not (math.isfinite(s) and s > 0):
                raise BadInput(f"a scale must be finite and above zero, not {s}")

    @classmethod
    def per_tensor(cls, scale: float, zero_point: int) -> QuantParams:
        """One scale and one zero point for the whole tensor."""
        return cls((float(np.float32(scale)),), (int(zero_point),))

    @property
    def is_per_channel(self) -> bool:
        """Whether each slice along `axis` has its own scale."""
        return self.axis is not None

    def quantise(self, real: NDArray[Any], dtype: str) -> NDArray[Any]:
        """Real values to integers of `dtype`: round half to even after a float32 division, as ONNX's QuantizeLinear."""
        info = np.iinfo(DTYPES[dtype])
        scale, zero = self._broadcast(real.ndim)
        q = np.rint(real.astype(np.float32) / scale) + zero
        return np.asarray(np.clip(q, info.min, info.max).astype(DTYPES[dtype]))

    def dequantise(self, q: NDArray[Any]) -> NDArray[np.float32]:
        """Integers to real values, float32."""
        scale, zero = self._broadcast(q.ndim)
        return np.asarray((q.astype(np.int64) - zero).astype(np.float32) * scale, dtype=np.float32)

    def _broadcast(self, rank: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        shape = [1] * rank
        if self.axis is not None:
            shape[self.axis] = len(self.scale)
        return (
            np.asarray(self.scale, np.float32).reshape(shape if rank else ()),
            np.asarray(self.zero_point, np.int64).reshape(shape if rank else ()),
        )


@dataclass(frozen=True)
class Tensor:
    """A named array: an activation (`data` is None) or a constant. Shapes are NHWC, weights OHWI."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    quant: QuantParams | None = None
    data: NDArray[Any] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise BadInput(f"type {self.dtype} is not known", where=f"tensor {self.name}")
        if any(d < 0 for d in self.shape):
            raise BadInput(f"shape {list(self.shape)} is not fixed", where=f"tensor {self.name}")
        if self.data is not None and tuple(self.data.shape) != self.shape:
            raise BadInput(
                f"holds an array of {list(self.data.shape)} but says {list(self.shape)}",
                where=f"tensor {self.name}",
            )
        q = self.quant
        if (
            q is not None
            and q.axis is not None
            and (not 0 <= q.axis < len(self.shape) or self.shape[q.axis] != len(q.scale))
        ):
            raise BadInput(
                f"{len(q.scale)} scales along axis {q.axis} of {list(self.shape)}",
                where=f"tensor {self.name}",
            )
        kind = np.dtype(DTYPES[self.dtype])
        if q is not None and kind.kind in "iu" and not all(_holds(kind, z) for z in q.zero_point):
            raise BadInput(f"a zero point does not fit {self.dtype}", where=f"tensor {self.name}")

    @property
    def is_constant(self) -> bool:
        """Whether the values are part of the graph."""
        return self.data is not None

    @property
    def elements(self) -> int:
        """How many elements the shape holds."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """How many bytes the elements take."""
        return self.elements * np.dtype(DTYPES[self.dtype]).itemsize

    @property
    def scale(self) -> float:
        """The one scale of a per-tensor quantised tensor."""
        return self._single().scale[0]

    @property
    def zero_point(self) -> int:
        """The one zero point of a per-tensor quantised tensor."""
        return self._single().zero_point[0]

    def _single(self) -> QuantParams:
        if self.quant is None or self.quant.is_per_channel:
            raise BadInput("is not quantised per tensor", where=f"tensor {self.name}")
        return self.quant


def _holds(kind: np.dtype[Any], value: int) -> bool:
    return bool(np.iinfo(kind).min <= value <= np.iinfo(kind).max)


@dataclass(frozen=True)
class Node:
    """One operator: `op` is a TFLite builtin's name; inputs and outputs are tensor names (ABSENT: left out)."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """Tensors by name, nodes in an order in which each tensor is written before it is read."""

    name: str
    tensors: Mapping[str, Tensor]
    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check()

    def tensor(self, name: str) -> Tensor:
        """The tensor of that name."""
        return self.tensors[name]

    def input(self, node: Node, index: int) -> Tensor:
        """The node's input at `index`, which must be there."""
        if index >= len(node.inputs) or node.inputs[index] == ABSENT:
            raise BadInput(f"{node.op} has no input {index}", where=f"node {node.name}")
        return self.tensors[node.inputs[index]]

    def optional_input(self, node: Node, index: int) -> Tensor | None:
        """The node's input at `index`, or None where it is left out."""
        there = index < len(node.inputs) and node.inputs[index] != ABSENT
        return self.tensors[node.inputs[index]] if there else None

    def output(self, node: Node) -> Tensor:
        """The node's first output."""
        return self.tensors[node.outputs[0]]

    def constant(self, node: Node, index: int) -> NDArray[Any]:
        """The values of a constant input."""
        tensor = self.input(node, index)
        if tensor.data is None:
            raise BadInput(f"input {index} of {node.op} must be a constant", where=f"node {node.name}")
        return tensor.data

    def consumers(self) -> dict[str, list[Node]]:
        """For each tensor that is read: the nodes that read it."""
        out: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                if name != ABSENT:
                    out.setdefault(name, []).append(node)
        return out

    def rebuilt(self, nodes: Iterable[Node], tensors: Mapping[str, Tensor] | None = None, **changes: Any) -> Graph:
        """This graph with other nodes (and tensors), without the tensors that nothing mentions any more."""
        nodes = tuple(nodes)
        pool = dict(self.tensors if tensors is None else tensors)
        ends = (*changes.get("inputs", self.inputs), *changes.get("outputs", self.outputs))
        used = {n for node in nodes for n in (*node.inputs, *node.outputs)} | set(ends)
        kept = {name: tensor for name, tensor in pool.items() if name in used}
        return replace(self, nodes=nodes, tensors=kept, **changes)

    def _check(self) -> None:
        ready = set(self.inputs) | {t.name for t in self.tensors.values() if t.is_constant}
        for name, tensor in self.tensors.items():
            if name != tensor.name:
                raise BadInput(f"tensor {tensor.name} is filed under {name}", where=self.name)
        for name in (*self.inputs, *self.outputs):
            if name not in self.tensors:
                raise BadInput(f"the graph's input or output {name} is not among its tensors", where=self.name)
        for node in self.nodes:
            for name in node.inputs:
                if name != ABSENT and name not in self.tensors:
                    raise BadInput(f"reads {name}, which does not exist", where=f"node {node.name}")
                if name != ABSENT and name not in ready:
                    raise BadInput(f"reads {name} before it is written (a cycle?)", where=f"node {node.name}")
            for name in node.outputs:
                if name not in self.tensors:
                    raise BadInput(f"writes {name}, which does not exist", where=f"node {node.name}")
                if name in ready:
                    raise BadInput(f"writes {name}, which is written already", where=f"node {node.name}")
                ready.add(name)
        for name in self.outputs:
            if name not in ready:
                raise BadInput(f"nothing writes the output {name}", where=self.name)
