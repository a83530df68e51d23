"""SOFTMAX over the last dimension; the output is 1/256, -128 by rule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.fixed_point import exp_on_negative, reciprocal
from edgeq.ops.layout import Turning
from edgeq.ops.numerics import (
    INT8_MIN,
    Ints,
    quantize_multiplier,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
    to_int8,
)
from edgeq.ops.operator import Array, Locate, Lowering, Operator, Step, pack_i32, require_int8, same_as_input

OUTPUT = QuantParams((1 / 256,), (-128,))
_DIFFERENCE_BITS = 5  # integer bits of an input's distance from its row's maximum
_SUM_BITS = 12  # integer bits of the sum of exponentials


def check(graph: Graph, node: Node) -> None:
    """int8, and the output's scale and zero point that TFLite prescribes."""
    x, y = graph.input(node, 0), graph.output(node)
    require_int8(graph, node, x, y)
    if y.quant != OUTPUT:
        raise Unsupported(
            f"SOFTMAX gives 1/256 and -128, not {y.scale:g} and {y.zero_point}", where=f"node {node.name}"
        )
    _exponentials(x.scale, float(node.attrs["beta"]), node)


def _exponentials(scale: float, beta: float, node: Node) -> Ints:
    """exp(beta * scale * -d) in Q0 for each distance d = 0..255 below the maximum; 0 where it is too small."""
    factor = min(beta * scale * (1 << (31 - _DIFFERENCE_BITS)), (1 << 31) - 1.0)
    if not factor > 1:
        raise Unsupported(f"SOFTMAX of an input scale of {scale:g} with beta {beta:g}", where=f"node {node.name}")
    multiplier, shift = quantize_multiplier(factor)
    lowest = -math.floor((2**_DIFFERENCE_BITS - 1) * 2 ** (31 - _DIFFERENCE_BITS) / 2**shift)
    distance = -np.arange(256, dtype=np.int64)
    kept = np.maximum(distance, lowest)  # what is below is not used, and would overflow
    values = exp_on_negative(saturating_rounding_doubling_high_mul(kept << shift, multiplier))
    return np.where(distance >= lowest, values, 0)


def reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
    """numerics.md#softmax."""
    table = _exponentials(graph.input(node, 0).scale, float(node.attrs["beta"]), node)
    rows = inputs[0].reshape(-1, graph.input(node, 0).shape[-1]).astype(np.int64)
    exponentials = table[rows.max(axis=1, keepdims=True) - rows]
    sums = rounding_divide_by_pot(exponentials, _SUM_BITS).sum(axis=1)
    out = np.empty_like(rows)
    for i, total in enumerate(sums):
        scale, bits = reciprocal(int(total), _SUM_BITS)
        share = saturating_rounding_doubling_high_mul(exponentials[i], scale)
        # A distance too large for the table gives the lowest value, as a share of zero does.
        out[i] = rounding_divide_by_pot(share, bits + 31 - 8) + INT8_MIN
    return to_int8(out).reshape(inputs[0].shape)


def step(graph: Graph, node: Node, locate: Locate) -> Step:
    """plan-format.md#softmax_s8."""
    table = _exponentials(graph.input(node, 0).scale, float(node.attrs["beta"]), node)
    return Step("softmax_s8", pack_i32(*table.tolist()))


def turn(turning: Turning, node: Node) -> None:
    """The axis last: of a map's channels it is already."""
    x = turning.graph.input(node, 0)
    axis = int(node.attrs.get("axis", -1)) % len(x.shape)
    layout = (*(a for a in turning.layout(x.name) if a != axis), axis)
    turning.emit(node, [turning.read(x.name, layout)], [turning.write(node.outputs[0], layout)], axis=-1)


def from_onnx(low: Lowering, node: Node) -> None:
    """Softmax, whose axis is the last."""
    x = low.graph.input(node, 0)
    low.emit("SOFTMAX", node.name, [x.name], node.outputs, beta=1.0)


def _case(shape: tuple[int, ...], scale: float, beta: float = 1.0) -> Graph:
    tensors = {
        "x": Tensor("x", shape, "int8", QuantParams.per_tensor(scale, 3)),
        "y": Tensor("y", shape, "int8", OUTPUT),
    }
    return Graph("softmax", tensors, (Node("SOFTMAX", "softmax", ("x",), ("y",), {"beta": beta}),), ("x",), ("y",))


def cases() -> Iterable[Graph]:
    """Few and many classes, flat and steep scales, rows of a feature map."""
    for n in (1, 2, 10, 12, 33):
        yield _case((1, n), 0.1)
    yield _case((1, 500), 0.05)  # 512 equal inputs or more abort TFLM (numerics.md#softmax)
    yield _case((1, 10), 0.9, 1.0)
    yield _case((1, 7), 0.0005)
    yield _case((1, 3, 4, 5), 0.08, 0.5)


OPERATOR = Operator(
    name="SOFTMAX", code=25, options="SoftmaxOptions", fields={"beta": "beta"}, version=2, output_shape=same_as_input,
    check=check, reference=reference, cases=cases, onnx=("Softmax",), from_onnx=from_onnx, turn=turn,
    step=step,
)  # fmt: skip
