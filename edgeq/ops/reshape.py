"""RESHAPE: another shape for the same bytes. The shape is input 1; the options' copy of it is not needed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.layout import reshaped
from edgeq.ops.operator import Array, Lowering, Operator, constant_ints, require_int8, require_same_quantisation


def output_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """The shape that input 1 gives, with at most one -1."""
    shape = constant_ints(graph, node, 1)
    elements = graph.input(node, 0).elements
    known = math.prod(d for d in shape if d != -1)
    if shape.count(-1) > 1 or min(shape, default=0) < -1 or (-1 in shape and (known == 0 or elements % known)):
        raise Unsupported(f"RESHAPE to {shape}", where=f"node {node.name}")
    return tuple(elements // known if d == -1 else d for d in shape)


def check(graph: Graph, node: Node) -> None:
    """int8 or the int32 of ARG_MAX, equal quantisation, equal number of elements."""
    x, y = graph.input(node, 0), graph.output(node)
    if not (x.dtype == y.dtype == "int32" and not x.is_constant):
        require_int8(graph, node, x, y)
    require_same_quantisation(graph, node, x, y)
    if x.elements != y.elements:
        raise Unsupported(f"RESHAPE of {list(x.shape)} to {list(y.shape)}", where=f"node {node.name}")


def reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
    """The same values."""
    return inputs[0].reshape(inputs[0].shape[0], *graph.output(node).shape[1:])


def from_onnx(low: Lowering, node: Node) -> None:
    """Reshape, Flatten, Squeeze, Unsqueeze; the shape is the one that shape inference found."""
    x, y = low.graph.input(node, 0), low.graph.output(node)
    shape = low.constant(f"{y.name}/shape", np.array(y.shape, np.int32))
    low.emit("RESHAPE", node.name, [x.name, shape], node.outputs)


def cases() -> Iterable[Graph]:
    """To fewer and to more dimensions."""
    for src, dst in (((1, 2, 3, 4), (1, 24)), ((1, 12), (1, 2, 2, 3))):
        quant = QuantParams.per_tensor(0.1, 1)
        tensors = {
            "x": Tensor("x", src, "int8", quant),
            "s": Tensor("s", (len(dst),), "int32", None, np.array(dst, np.int32)),
            "y": Tensor("y", dst, "int8", quant),
        }
        node = Node("RESHAPE", "reshape", ("x", "s"), ("y",))
        yield Graph("reshape", tensors, (node,), ("x",), ("y",))


OPERATOR = Operator(
    name="RESHAPE", code=22, options="ReshapeOptions", fields={}, version=1,
    output_shape=output_shape, check=check, reference=reference, cases=cases,
    onnx=("Reshape", "Flatten", "Squeeze", "Unsqueeze"), from_onnx=from_onnx, turn=reshaped,
)  # fmt: skip
