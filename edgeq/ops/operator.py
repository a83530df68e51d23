"""What an operator's file says about it: one `Operator` per TFLite builtin that edgeq knows."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import BadInput, Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.layout import Turn

Array = NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Operator:
    """Facts and rules of one TFLite operator; every function is pure.

    `reference` takes arrays with any leading batch size and equals TFLite Micro's kernel bit for bit. `output_shape`
    and `reference` give one value, or a list of them where the operator has several outputs.
    """

    name: str
    code: int  # TFLite's BuiltinOperator
    options: str | None  # TFLite's options table, None if the operator has none
    fields: Mapping[str, str]  # attribute -> field of that table
    version: int  # of the int8 form
    output_shape: Callable[[Graph, Node], Shape | list[Shape]]
    check: Callable[[Graph, Node], None]
    reference: Callable[[Graph, Node, Sequence[Array]], Array | list[Array]]
    cases: Callable[[], Iterable[Graph]]
    onnx: tuple[str, ...] = ()  # ONNX operators that become this one
    from_onnx: Callable[[Lowering, Node], None] | None = None
    # How the axes of its ONNX forms turn from NCHW to NHWC. None: operand by operand if it is element_wise, else not.
    turn: Turn | None = None
    macs: Callable[[Graph, Node], int] = lambda graph, node: 0
    element_wise: bool = False  # its output may overwrite an input of the same size
    # How the native engine runs it: in one step or in several. None, or an empty list: its output is a view.
    step: Callable[[Graph, Node, Locate], Step | list[Step]] | None = None


@dataclass(frozen=True)
class Step:
    """What the plan says of one step: the kernel's name and its parameters (docs/plan-format.md).

    `inputs` are the one or two int8 tensors that it reads, activations or constants; none named: the node's
    activations. `output` is the tensor, or the part of it, that it writes; none named: the node's first output.
    """

    kernel: str
    params: bytes
    inputs: tuple[str, ...] = ()
    output: str = ""


Locate = Callable[[str], int]  # a constant's offset in bytes from the start of the .tflite file


@dataclass
class Lowering:
    """Collects the TFLite nodes that ONNX nodes become. Tensors are int8 and in their layout already."""

    graph: Graph
    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tensors = dict(self.graph.tensors)

    def emit(self, op: str, name: str, inputs: Sequence[str], outputs: Sequence[str], **attrs: Any) -> None:
        """Appends a TFLite node."""
        self.nodes.append(Node(op, name, tuple(inputs), tuple(outputs), attrs))

    def constant(self, name: str, values: Array, quant: QuantParams | None = None) -> str:
        """A new constant; returns its name."""
        return self._add(Tensor(name, tuple(values.shape), str(values.dtype), quant, values))

    def activation(self, name: str, shape: tuple[int, ...], quant: QuantParams | None, dtype: str = "int8") -> str:
        """A new activation in NHWC; returns its name."""
        return self._add(Tensor(name, shape, dtype, quant))

    def _add(self, tensor: Tensor) -> str:
        if tensor.name in self.tensors:
            raise BadInput(f"two tensors are called {tensor.name}", where=self.graph.name)
        self.tensors[tensor.name] = tensor
        return tensor.name


def require_same_quantisation(graph: Graph, node: Node, *tensors: Tensor) -> None:
    """TFLite's rule that an operator's input and output share scale and zero point."""
    if len({t.quant for t in tensors}) > 1:
        shown = ", ".join(f"{t.name} {t.quant.scale[0]:g}{t.quant.zero_point[0]:+d}" for t in tensors if t.quant)
        raise Unsupported(
            f"{node.op} needs one scale and zero point for its input and output, but has {shown}",
            where=f"node {node.name}",
            hint="quantise with edgeq's own rules, which tie them together",
        )


def require_int8(graph: Graph, node: Node, *tensors: Tensor) -> None:
    """That activations are int8, quantised per tensor, and have a batch axis and no empty one."""
    for tensor in tensors:
        if min(tensor.shape, default=0) < 1:
            raise Unsupported(f"{node.op} on {tensor.name} of {list(tensor.shape)}", where=f"node {node.name}")
        if tensor.dtype != "int8" or tensor.quant is None or tensor.quant.is_per_channel:
            raise Unsupported(
                f"{node.op} needs int8 activations quantised per tensor; {tensor.name} is {tensor.dtype}",
                where=f"node {node.name}",
                hint="`edgeq lint` says all that is not int8; quantise the whole model",
            )


def constant_ints(graph: Graph, node: Node, index: int) -> list[int]:
    """The values of a constant input that holds axes, amounts or a shape."""
    values = graph.constant(node, index)
    if values.dtype.kind not in "iu":
        raise BadInput(f"input {index} of {node.op} must hold integers, not {values.dtype}", where=f"node {node.name}")
    return [int(v) for v in values.reshape(-1)]


def pack_i32(*values: int) -> bytes:
    """Little-endian int32s, as a step's parameters are."""
    return struct.pack(f"<{len(values)}i", *values)


def same_as_input(graph: Graph, node: Node) -> tuple[int, ...]:
    """The shape rule of element-wise operators with equal operands."""
    return graph.input(node, 0).shape


def seeded(*shape: int, seed: int = 0, low: int = -128, high: int = 127) -> NDArray[np.int8]:
    """Reproducible int8 values over the full range, for cases."""
    return np.random.default_rng([seed, *shape]).integers(low, high + 1, size=shape, dtype=np.int8)
