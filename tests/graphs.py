"""Small graphs that several tests share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq import ops
from edgeq.graph import Graph, Node, QuantParams, Tensor


class Builder:
    """Collects tensors and nodes; every method returns the name of the tensor it adds."""

    def __init__(self, name: str, seed: int = 0) -> None:
        self.name = name
        self.rng = np.random.default_rng(seed)
        self.tensors: dict[str, Tensor] = {}
        self.nodes: list[Node] = []

    def activation(self, name: str, shape: tuple[int, ...], scale: float, zero_point: int) -> str:
        return self._add(Tensor(name, shape, "int8", QuantParams.per_tensor(scale, zero_point)))

    def like(self, name: str, source: str, shape: tuple[int, ...]) -> str:
        """An activation with the quantisation of `source`."""
        return self._add(Tensor(name, shape, "int8", self.tensors[source].quant))

    def constant(self, name: str, values: NDArray[Any], quant: QuantParams | None = None) -> str:
        return self._add(Tensor(name, tuple(values.shape), str(values.dtype), quant, values))

    def weights(self, name: str, *shape: int, scale: float = 0.01) -> str:
        """Seeded int8 weights, per channel along axis 0."""
        scales = tuple(float(np.float32(s)) for s in self.rng.uniform(scale / 2, scale, shape[0]))
        quant = QuantParams(scales, (0,) * len(scales), 0) if len(scales) > 1 else QuantParams(scales, (0,))
        return self.constant(name, self.rng.integers(-127, 128, shape, dtype=np.int8), quant)

    def bias(self, name: str, x: str, weights: str) -> str:
        """Seeded int32 values at the scale of x times weights."""
        quant, channels = self.tensors[weights].quant, self.tensors[weights].shape[0]
        assert quant is not None
        products = tuple(float(np.float32(self.tensors[x].scale) * np.float32(s)) for s in quant.scale)
        values = self.rng.integers(-500, 500, channels, dtype=np.int32)
        return self.constant(name, values, QuantParams(products, quant.zero_point, quant.axis))

    def node(self, op: str, inputs: list[str], output: str, **attrs: Any) -> str:
        self.nodes.append(Node(op, output, tuple(inputs), (output,), attrs))
        return output

    def conv(self, x: str, weights: str, bias: str, output: str, padding: str, activation: str = "NONE") -> str:
        attrs = dict(stride_h=1, stride_w=1, dilation_h=1, dilation_w=1, padding=padding, activation=activation)
        return self.node("CONV_2D", [x, weights, bias], output, **attrs)

    def depthwise(self, x: str, output: str) -> str:
        """3x3, stride 1, SAME, one filter per channel, per tensor."""
        channels = self.tensors[x].shape[3]
        quant = QuantParams.per_tensor(0.01, 0)
        values = self.rng.integers(-127, 128, (1, 3, 3, channels), dtype=np.int8)
        weights = self.constant(f"{output}/w", values, quant)
        attrs = dict(stride_h=1, stride_w=1, dilation_h=1, dilation_w=1, padding="SAME", activation="NONE")
        product = QuantParams.per_tensor(float(np.float32(self.tensors[x].scale) * np.float32(quant.scale[0])), 0)
        bias = self.constant(f"{output}/b", self.rng.integers(-500, 500, channels, dtype=np.int32), product)
        inputs = [x, weights, bias]
        return self.node("DEPTHWISE_CONV_2D", inputs, output, **attrs, depth_multiplier=1)

    def pool(self, op: str, x: str, output: str, size: int, stride: int) -> str:
        attrs = dict(filter_h=size, filter_w=size, stride_h=stride, stride_w=stride)
        return self.node(op, [x], output, **attrs, padding="VALID", activation="NONE")

    def split(self, x: str, outputs: list[str], axis: int) -> list[str]:
        """The outputs are parts of x along the axis."""
        sizes = np.array([self.tensors[name].shape[axis] for name in outputs], np.int32)
        inputs = (x, self.constant(f"{x}/sizes", sizes), self.constant(f"{x}/axis", np.array(axis, np.int32)))
        self.nodes.append(Node("SPLIT_V", outputs[0], inputs, tuple(outputs), {"num_splits": len(outputs)}))
        return outputs

    def graph(self, output: str) -> Graph:
        return Graph(self.name, self.tensors, tuple(self.nodes), ("x",), (output,))

    def _add(self, tensor: Tensor) -> str:
        self.tensors[tensor.name] = tensor
        return tensor.name


def every_kernel() -> Graph:
    """A network of a few kilobytes that runs every kernel, folds two PADs, keeps one, adds in place and has a view.

    Its output is int32.
    """
    b = Builder("every-kernel")
    amounts = b.constant("amounts", np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
    x = b.activation("x", (1, 8, 8, 3), 0.02, -3)
    stem = b.activation("stem", (1, 8, 8, 4), 0.05, -128)
    weights = b.weights("w1", 4, 3, 3, 3)
    b.conv(x, weights, b.bias("b1", x, weights), stem, "SAME", "RELU")
    lowest = b.constant("lowest", np.array([-128], np.int8), b.tensors[stem].quant)
    twice = b.node("ADD", [stem, stem], b.like("twice", stem, (1, 8, 8, 4)), activation="NONE")
    padded = b.node("PADV2", [twice, amounts, lowest], b.like("stem/pad", stem, (1, 10, 10, 4)))
    pooled = b.pool("MAX_POOL_2D", padded, b.like("pooled", stem, (1, 4, 4, 4)), 3, 2)
    padded = b.node("PAD", [pooled, amounts], b.like("pooled/pad", stem, (1, 6, 6, 4)))
    branch = b.activation("branch", (1, 4, 4, 4), 0.04, 5)
    weights = b.weights("w2", 4, 3, 3, 4)
    b.conv(padded, weights, b.bias("b2", padded, weights), branch, "VALID")
    total = b.activation("total", (1, 4, 4, 4), 0.06, -128)
    b.node("ADD", [branch, pooled], total, activation="RELU")
    padded = b.node("PAD", [total, amounts], b.like("total/pad", total, (1, 6, 6, 4)))
    average = b.pool("AVERAGE_POOL_2D", padded, b.like("average", total, (1, 3, 3, 4)), 2, 2)
    filtered = b.activation("filtered", (1, 3, 3, 4), 0.07, 11)
    b.depthwise(average, filtered)
    filtered = _element_wise(b, filtered)
    mean = b.activation("mean", (1, 1, 1, 4), 0.03, -100)
    b.node("MEAN", [filtered, b.constant("axes", np.array([1, 2], np.int32))], mean, keep_dims=True)
    flat = b.node("RESHAPE", [mean, b.constant("shape", np.array([1, 4], np.int32))], b.like("flat", mean, (1, 4)))
    y = b.activation("y", (1, 3), 0.05, 7)
    weights = b.weights("w3", 3, 4)
    operands = [flat, weights, b.bias("b3", flat, weights)]
    b.node("FULLY_CONNECTED", operands, y, activation="NONE", keep_num_dims=False)
    shares = b.node("SOFTMAX", [y], b.activation("shares", (1, 3), 1 / 256, -128), beta=1.0)
    return b.graph(_moved(b, shares))


def _moved(b: Builder, x: str) -> str:
    """The kernels that move data: parts of x [1, 3] in another order, with a constant behind them."""
    parts = b.split(x, [b.like(f"part {i}", x, (1, size)) for i, size in enumerate((1, 2))], 1)
    constant = b.constant("constant", np.array([[-128, 5]], np.int8), b.tensors[x].quant)
    row = b.like("row", x, (1, 5))
    b.node("CONCATENATION", [parts[1], constant, parts[0]], row, axis=1, activation="NONE")
    shape = b.constant("pixel shape", np.array([1, 1, 1, 5], np.int32))
    pixel = b.node("RESHAPE", [row, shape], b.like("pixel", x, (1, 1, 1, 5)))
    return _spread(b, pixel)


def _spread(b: Builder, x: str) -> str:
    """The kernels that make one pixel [1, 1, 1, 5] many, a convolution in groups behind them, its maxima's places."""
    rule = dict(align_corners=False, half_pixel_centers=True)
    spread = b.activation("spread", (1, 2, 2, 4), 0.01, 4)
    weights = b.weights("w4", 4, 2, 2, 5)
    operands = [b.constant("spread shape", np.array([1, 2, 2, 4], np.int32)), weights, x, b.bias("b4", x, weights)]
    attrs = dict(stride_h=2, stride_w=2, padding="VALID", activation="NONE")
    b.node("TRANSPOSE_CONV", operands, spread, **attrs)
    smooth = b.like("smooth", spread, (1, 3, 4, 4))
    b.node("RESIZE_BILINEAR", [spread, b.constant("3x4", np.array([3, 4], np.int32))], smooth, **rule)
    near = b.like("near", spread, (1, 5, 6, 4))
    b.node("RESIZE_NEAREST_NEIGHBOR", [smooth, b.constant("5x6", np.array([5, 6], np.int32))], near, **rule)
    groups = b.activation("groups", (1, 5, 6, 2), 0.05, 0)
    weights = b.weights("w5", 2, 1, 1, 2)
    b.conv(near, weights, b.bias("b5", near, weights), groups, "VALID")
    places = b._add(Tensor("places", (1, 5, 6), "int32"))
    return b.node("ARG_MAX", [groups, b.constant("last", np.array(-1, np.int32))], places, output_type=2)


def _element_wise(b: Builder, x: str) -> str:
    """Every kernel of two operands, the second a constant per channel, and one of a table."""
    n, h, w, c = b.tensors[x].shape
    quant = b.tensors[x].quant
    values = b.rng.integers(-128, 128, c, dtype=np.int8)
    for op, activation in (("MUL", True), ("SUB", True), ("MAXIMUM", False), ("MINIMUM", False), ("PRELU", False)):
        attrs = {"activation": "NONE"} if activation else {}
        per_channel = b.constant(f"{op.lower()}/c", values, quant)
        x = b.node(op, [x, per_channel], b.like(op.lower(), x, (n, h, w, c)), **attrs)
    product = b.node("BATCH_MATMUL", [x, x], b.activation("matmul", (n, h, c, c), 0.2, -7), adj_x=True, adj_y=False)
    return b.node("RELU", [product], b.like("relu", product, (n, h, c, c)))


def one_input(graph: Graph) -> Graph:
    """A graph that the engine can run in place of `graph`: it takes one input, has one output and at least one step.

    Several inputs become parts of one, taken apart by operators that keep every integer; a lone view gets an ADD
    of its result to itself behind it. Of several outputs the first stays; steps write the others too.
    """
    graph = replace(graph, outputs=graph.outputs[:1])
    if len(graph.inputs) > 1:
        return _joined(graph)
    if not any(ops.steps(graph, node, lambda constant: 0) for node in graph.nodes):
        (y,) = graph.outputs
        total = Tensor("sum", graph.tensor(y).shape, "int8", QuantParams.per_tensor(graph.tensor(y).scale * 2, -3))
        node = Node("ADD", "sum", (y, y), ("sum",), {"activation": "NONE"})
        tensors = {**graph.tensors, "sum": total}
        return replace(graph, tensors=tensors, nodes=(*graph.nodes, node), outputs=("sum",))
    return graph


def _joined(graph: Graph) -> Graph:
    b = Builder(graph.name)
    b.tensors.update(graph.tensors)
    parts = [graph.tensor(name) for name in graph.inputs]
    pixels = {part.shape[:3] if len(part.shape) == 4 else None for part in parts}
    together = len(pixels) == 1 and None not in pixels  # as channels of the same pixels, else as one row
    sizes = [part.shape[3] if together else part.elements for part in parts]
    b.activation("x", (*parts[0].shape[:3], sum(sizes)) if together else (1, sum(sizes)), 1.0, 0)
    for i, (part, size) in enumerate(zip(parts, sizes, strict=True)):
        chosen = np.eye(size, sum(sizes), sum(sizes[:i]), np.int8)
        quant = QuantParams.per_tensor(part.scale, 0)  # a factor of exactly one
        weights = b.constant(f"{part.name}/w", chosen.reshape(size, 1, 1, -1) if together else chosen, quant)
        bias = b.constant(f"{part.name}/b", np.full(size, -part.zero_point, np.int32), quant)
        if together:
            b.conv("x", weights, bias, part.name, "VALID")
            continue
        row = b.like(f"{part.name}/row", part.name, (1, size))
        b.node("FULLY_CONNECTED", ["x", weights, bias], row, activation="NONE", keep_num_dims=False)
        b.node("RESHAPE", [row, b.constant(f"{part.name}/shape", np.array(part.shape, np.int32))], part.name)
    return Graph(graph.name, b.tensors, (*b.nodes, *graph.nodes), ("x",), graph.outputs)
