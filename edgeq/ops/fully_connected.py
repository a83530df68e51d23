"""FULLY_CONNECTED: weights [out, in] per tensor or per channel (axis 0), int32 bias."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.layout import Turning
from edgeq.ops.numerics import activation_range, exact_matmul, requantise
from edgeq.ops.operator import Array, Locate, Lowering, Operator, Step, pack_i32, require_int8, seeded
from edgeq.ops.weights import bias_values, channel_multipliers, check_weights, constant_offsets, lower_bias


def output_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """[N, out], or with keep_num_dims the input's shape with `out` as its last axis."""
    x, weights = graph.input(node, 0), graph.input(node, 1)
    if node.attrs["keep_num_dims"]:
        return (*x.shape[:-1], weights.shape[0])
    return x.elements // weights.shape[1], weights.shape[0]


def check(graph: Graph, node: Node) -> None:
    """int8 activations, weights [out, in]; one row of inputs per sample, or with keep_num_dims along the last axis."""
    x, weights = graph.input(node, 0), graph.input(node, 1)
    require_int8(graph, node, x, graph.output(node))
    check_weights(graph, node, axis=0)
    row = x.shape[-1] if node.attrs["keep_num_dims"] else x.elements // x.shape[0]
    if len(weights.shape) != 2 or row != weights.shape[1] or len(x.shape) < 2:
        raise Unsupported(
            f"FULLY_CONNECTED with weights {list(weights.shape)} and an input of {list(x.shape)}",
            where=f"node {node.name}",
        )
    bias, quant = graph.optional_input(node, 2), weights.quant
    if bias is None or quant is None or quant.is_per_channel:
        return
    # TFLite Micro's own bound; it refuses the model beyond it.
    if bias.quant is None or abs(x.scale * weights.scale - bias.scale) > 0.02 * graph.output(node).scale:
        raise Unsupported("the bias' scale is not that of the input times the weights", where=f"node {node.name}")


def reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
    """numerics.md#fully-connected."""
    x, y, weights = graph.input(node, 0), graph.output(node), graph.constant(node, 1)
    channels, row = weights.shape
    rows = inputs[0].reshape(-1, row).astype(np.int16) - x.zero_point
    acc = exact_matmul(rows, weights.T) + bias_values(graph, node, channels)
    clamp = activation_range(node.attrs["activation"], y.scale, y.zero_point)
    out = requantise(acc, *channel_multipliers(graph, node, channels), y.zero_point, clamp)
    return out.reshape(-1, *y.shape[1:])


def macs(graph: Graph, node: Node) -> int:
    """One per weight and row."""
    return graph.output(node).elements * graph.input(node, 1).shape[1]


def step(graph: Graph, node: Node, locate: Locate) -> Step:
    """plan-format.md#fully_connected_s8."""
    x, y, weights = graph.input(node, 0), graph.output(node), graph.input(node, 1)
    multipliers, shifts = channel_multipliers(graph, node, weights.shape[0])
    clamp = activation_range(node.attrs["activation"], y.scale, y.zero_point)
    rows = y.elements // y.shape[-1]
    fields = (rows, x.zero_point, y.zero_point, *clamp, *constant_offsets(graph, node, locate))
    return Step("fully_connected_s8", pack_i32(*fields, *multipliers.tolist(), *shifts.tolist()))


def turn(turning: Turning, node: Node) -> None:
    """Weights [outputs, inputs] or [inputs, outputs] in the order of a flattened map's features."""
    x, weights = turning.graph.input(node, 0), turning.graph.input(node, 1)
    features = turning.features(x.name)
    operands = [turning.read(x.name, tuple(range(len(x.shape)))), turning.read(weights.name)]
    if features is not None and weights.data is not None:
        axis = 1 if int(node.attrs.get("transB", 0)) else 0
        if weights.quant is not None and weights.quant.axis == axis:
            raise Unsupported("weights with a scale per input feature", where=f"node {node.name}")
        operands[1] = turning.constant(f"{node.outputs[0]}/weights", weights.data.take(features, axis), weights.quant)
    outputs = [turning.write(n, tuple(range(len(turning.graph.tensor(n).shape)))) for n in node.outputs]
    turning.emit(node, [*operands, *map(turning.read, node.inputs[2:])], outputs)


def from_onnx(low: Lowering, node: Node) -> None:
    """Gemm with alpha = beta = 1, and MatMul by a constant of rank 2, which a pass has turned into one."""
    a = node.attrs
    if int(a.get("transA", 0)) or float(a.get("alpha", 1)) != 1 or float(a.get("beta", 1)) != 1:
        raise Unsupported("Gemm with transA, or with alpha or beta other than 1", where=f"node {node.name}")
    x, weights = low.graph.input(node, 0), low.graph.input(node, 1)
    if weights.data is None or not int(a.get("transB", 0)):
        raise Unsupported("Gemm whose weights are no constant", where=f"node {node.name}")
    bias = lower_bias(low, node, x, weights)
    low.emit(
        "FULLY_CONNECTED", node.name, [x.name, weights.name, bias], node.outputs,
        activation=a.get("activation", "NONE"), keep_num_dims=len(x.shape) > 2,
    )  # fmt: skip


def case(
    inputs: int,
    outputs: int,
    *,
    per_channel: bool,
    bias: bool = True,
    activation: str = "NONE",
    front: tuple[int, ...] = (1,),
    out_scale: float = 0.11,
) -> Graph:
    """A graph of one fully connected layer with seeded values."""
    rng = np.random.default_rng([inputs, outputs])
    count = outputs if per_channel else 1
    axis = 0 if per_channel else None
    scale = tuple(float(np.float32(s)) for s in rng.uniform(0.001, 0.01, count))
    bias_scale = tuple(float(np.float32(0.04) * np.float32(s)) for s in scale)
    tensors = [
        Tensor("x", (*front, inputs), "int8", QuantParams.per_tensor(0.04, -11)),
        Tensor(
            "w",
            (outputs, inputs),
            "int8",
            QuantParams(scale, (0,) * count, axis),
            seeded(outputs, inputs, low=-127),
        ),
        Tensor("y", (*front, outputs), "int8", QuantParams.per_tensor(out_scale, 4)),
    ]
    if bias:
        values = rng.integers(-5000, 5000, outputs, dtype=np.int32)
        tensors.append(Tensor("b", (outputs,), "int32", QuantParams(bias_scale, (0,) * count, axis), values))
    attrs = {"activation": activation, "keep_num_dims": len(front) > 1}
    node = Node("FULLY_CONNECTED", "fc", ("x", "w", "b") if bias else ("x", "w"), ("y",), attrs)
    return Graph("fully_connected", {t.name: t for t in tensors}, (node,), ("x",), ("y",))


def cases() -> Iterable[Graph]:
    """Sizes around the vector widths, per tensor and per channel, with and without bias, several rows."""
    for n in (1, 3, 7, 8, 15, 16, 17):
        yield case(n, 5, per_channel=False)
    yield case(64, 10, per_channel=True)
    yield case(33, 1, per_channel=False, bias=False, activation="RELU")
    yield case(9, 4, per_channel=True, front=(1, 6))
    yield case(8, 3, per_channel=False, bias=False, front=(1, 2, 5))


OPERATOR = Operator(
    name="FULLY_CONNECTED", code=9, options="FullyConnectedOptions",
    fields={"activation": "fusedActivationFunction", "keep_num_dims": "keepNumDims"}, version=4,
    output_shape=output_shape, check=check, reference=reference, cases=cases,
    onnx=("Gemm",), from_onnx=from_onnx, turn=turn, macs=macs, step=step,
)  # fmt: skip
