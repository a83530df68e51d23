"""A float ONNX network as a module of aten calls, which the quantiser takes like any other.

Every ONNX operator is one function of the table at the end; what it cannot say in aten exactly is refused by the
node's name. Names of nodes become the names of activations.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import BadInput, Unsupported
from edgeq.graph import Graph, Node
from edgeq.quantize.aten_builder import AtenBuilder
from edgeq.quantize.door import torch
from edgeq.quantize.graphs import aten

Aten = torch.fx.Node
ROUNDED = ("round_prefer_floor", "round_prefer_ceil")  # ways of Resize


def network_of(graph: Graph) -> torch.fx.GraphModule:
    """The network of a graph of ONNX operators: float NCHW, fixed shapes, batch 1.

    Raises:
        Unsupported: an operator or a form of it without a counterpart; all operators without one are named.
    """
    # Shapes that an exporter computes at run time are known here, and whoever needs one asks for it by its tensor.
    nodes = [node for node in graph.nodes if graph.output(node).dtype == "float32"]
    if strange := [node for node in nodes if node.op not in OPERATORS]:
        first, *others = strange
        more = "".join(f"; {node.op} in node {node.name}" for node in others)
        raise Unsupported(
            f"there is no INT8 rule for {first.op}{more}",
            where=f"node {first.name}",
            hint="one of " + ", ".join(sorted(OPERATORS)),
        )
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise Unsupported(f"{len(graph.inputs)} inputs and {len(graph.outputs)} outputs; one of each is possible")
    building = _Building(graph)
    building.values[graph.inputs[0]] = building.builder.input()
    for node in nodes:
        try:
            OPERATORS[node.op](building, node)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise BadInput(f"{node.op} contradicts itself ({error})", where=f"node {node.name}") from error
    return building.builder.module(building.float(graph.outputs[0]))


class _Building:
    """What is known while the network is built: ONNX's tensors as nodes of aten's graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.builder = AtenBuilder()
        self.values: dict[str, Aten] = {}

    def float(self, name: str) -> Aten:
        """A float tensor, an activation or a constant."""
        if name not in self.values:
            data = self.graph.tensor(name).data
            if data is None:
                raise Unsupported("is not made by an operator on float tensors", where=f"tensor {name}")
            self.values[name] = self.builder.constant(_sound(data.astype(np.float32), name))
        return self.values[name]

    def array(self, node: Node, position: int, wanted: str) -> NDArray[Any]:
        """An input that has to be a constant."""
        tensor = self.graph.optional_input(node, position)
        if tensor is None or tensor.data is None:
            raise Unsupported(f"{node.op} whose {wanted} is not a constant", where=f"node {node.name}")
        return tensor.data

    def given(self, node: Node, position: int, attribute: str) -> list[int] | None:
        """Integers that older opsets have as an attribute and newer ones as a constant input."""
        if attribute in node.attrs:
            return [int(value) for value in node.attrs[attribute]]
        if self.graph.optional_input(node, position) is None:
            return None
        return [int(value) for value in self.array(node, position, attribute).reshape(-1)]

    def shape(self, name: str) -> tuple[int, ...]:
        return self.graph.tensor(name).shape

    def call(self, node: Node, target: object, *arguments: object) -> Aten:
        """One aten operation, known to users as the ONNX node."""
        meta: dict[str, object] = {"nn_module_stack": {node.name: (node.name, f"onnx.{node.op}")}}
        return self.builder.call(target, arguments, meta)

    def make(self, node: Node, target: object, *arguments: object) -> None:
        """The call that makes the node's output."""
        self.values[node.outputs[0]] = self.call(node, target, *arguments)


def _sound(values: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    if not np.isfinite(values).all():
        raise BadInput("holds NaN or infinity", where=f"constant {name}")
    return values


def _refuse(node: Node, what: str) -> Unsupported:
    return Unsupported(f"{node.op} {what} has no INT8 rule", where=f"node {node.name}")


def _window(b: _Building, node: Node, kernel: list[int]) -> tuple[list[int], list[int], list[int]]:
    """Strides, dilations and padding [top, left, bottom, right] of a node that slides over an image."""
    if len(b.shape(node.inputs[0])) != 4 or len(kernel) != 2:
        raise _refuse(node, "of other than two dimensions")
    strides = [int(s) for s in node.attrs.get("strides", (1, 1))]
    dilations = [int(d) for d in node.attrs.get("dilations", (1, 1))]
    pads = [int(p) for p in node.attrs.get("pads", (0, 0, 0, 0))]
    how = node.attrs.get("auto_pad", "NOTSET")
    if how in ("SAME_UPPER", "SAME_LOWER"):
        for axis, size in enumerate(b.shape(node.inputs[0])[2:]):
            reach = (math.ceil(size / strides[axis]) - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1
            total = max(reach - size, 0)
            small, large = total // 2, total - total // 2
            pads[axis], pads[2 + axis] = (small, large) if how == "SAME_UPPER" else (large, small)
    elif how == "VALID":
        pads = [0, 0, 0, 0]
    if min(pads) < 0:
        raise _refuse(node, "with a negative padding")
    return strides, dilations, pads


def _padded(b: _Building, node: Node, x: Aten, pads: list[int]) -> tuple[Aten, list[int]]:
    """The input and the padding that is left: one that differs from side to side is made in front."""
    top, left, bottom, right = pads
    if (top, left) == (bottom, right):
        return x, [top, left]
    return b.call(node, aten.pad.default, x, [left, right, top, bottom]), [0, 0]


def _conv(b: _Building, node: Node) -> None:
    weights = b.array(node, 1, "weights")
    strides, dilations, pads = _window(b, node, [int(k) for k in weights.shape[2:]])
    x, padding = _padded(b, node, b.float(node.inputs[0]), pads)
    groups = int(node.attrs.get("group", 1))
    b.make(node, aten.conv2d.default, x, b.float(node.inputs[1]), _bias(b, node), strides, padding, dilations, groups)


def _conv_transpose(b: _Building, node: Node) -> None:
    weights = b.array(node, 1, "weights")
    strides, dilations, pads = _window(b, node, [int(k) for k in weights.shape[2:]])
    if "output_shape" in node.attrs or node.attrs.get("auto_pad", "NOTSET") != "NOTSET" or pads[:2] != pads[2:]:
        raise _refuse(node, "with such a padding")
    beyond = [int(p) for p in node.attrs.get("output_padding", (0, 0))]
    b.make(
        node, aten.conv_transpose2d.input, b.float(node.inputs[0]), b.float(node.inputs[1]), _bias(b, node), strides,
        pads[:2], beyond, int(node.attrs.get("group", 1)), dilations,
    )  # fmt: skip


def _bias(b: _Building, node: Node) -> Aten | None:
    if b.graph.optional_input(node, 2) is None:
        return None
    b.array(node, 2, "bias")
    return b.float(node.inputs[2])


def _gemm(b: _Building, node: Node) -> None:
    weights = b.array(node, 1, "weights").astype(np.float32)
    if int(node.attrs.get("transA", 0)) or len(weights.shape) != 2:
        raise _refuse(node, "of such operands")
    if not int(node.attrs.get("transB", 0)):
        weights = weights.T
    arguments = [float(node.attrs.get("alpha", 1)) * weights]
    if b.graph.optional_input(node, 2) is not None:
        bias = float(node.attrs.get("beta", 1)) * b.array(node, 2, "bias").astype(np.float32)
        if bias.size not in (1, len(weights)):
            raise _refuse(node, "with a matrix for a bias")
        arguments.append(np.broadcast_to(bias.reshape(-1), (len(weights),)))
    made = [b.builder.constant(_sound(values.astype(np.float32), node.name)) for values in arguments]
    b.make(node, aten.linear.default, b.float(node.inputs[0]), *made)


def _matmul(b: _Building, node: Node) -> None:
    weights = b.array(node, 1, "second operand").astype(np.float32)
    if len(weights.shape) != 2:
        raise _refuse(node, "of such operands")
    b.make(node, aten.linear.default, b.float(node.inputs[0]), b.builder.constant(_sound(weights.T, node.inputs[1])))


def _batch_norm(b: _Building, node: Node) -> None:
    if int(node.attrs.get("training_mode", 0)):
        raise _refuse(node, "in training mode")
    constants = []
    for position, wanted in enumerate(("factor", "offset", "mean", "variance"), start=1):
        b.array(node, position, wanted)
        constants.append(b.float(node.inputs[position]))
    epsilon = float(node.attrs.get("epsilon", 1e-5))
    b.make(node, aten.batch_norm.default, b.float(node.inputs[0]), *constants, False, 0.1, epsilon, False)


def _unary(target: object) -> Callable[[_Building, Node], None]:
    return lambda b, node: b.make(node, target, b.float(node.inputs[0]))


def _two(target: object) -> Callable[[_Building, Node], None]:
    return lambda b, node: b.make(node, target, b.float(node.inputs[0]), b.float(node.inputs[1]))


def _div(b: _Building, node: Node) -> None:
    divisor = b.array(node, 1, "divisor").astype(np.float32)
    if not divisor.all():
        raise BadInput("divides by zero", where=f"node {node.name}")
    b.make(node, aten.mul.Tensor, b.float(node.inputs[0]), b.builder.constant(np.float32(1) / divisor))


def _clip(b: _Building, node: Node) -> None:
    bounds: list[float | None] = [None, None]
    for position, attribute in ((1, "min"), (2, "max")):
        if attribute in node.attrs:
            bounds[position - 1] = float(node.attrs[attribute])
        elif b.graph.optional_input(node, position) is not None:
            bounds[position - 1] = float(b.array(node, position, "bound").reshape(()))
    b.make(node, aten.clamp.default, b.float(node.inputs[0]), *bounds)


def _leaky_relu(b: _Building, node: Node) -> None:
    b.make(node, aten.leaky_relu.default, b.float(node.inputs[0]), float(node.attrs.get("alpha", 0.01)))


def _prelu(b: _Building, node: Node) -> None:
    slopes = b.array(node, 1, "slopes").astype(np.float32).reshape(-1)
    if slopes.size not in (1, b.shape(node.inputs[0])[1]):
        raise _refuse(node, "whose slopes are not one per channel")
    b.make(node, aten.prelu.default, b.float(node.inputs[0]), b.builder.constant(_sound(slopes, node.name)))


def _hard_sigmoid(b: _Building, node: Node) -> None:
    alpha, beta = float(node.attrs.get("alpha", 0.2)), float(node.attrs.get("beta", 0.5))
    if not math.isclose(alpha, 1 / 6, abs_tol=1e-4) or beta != 0.5:
        raise _refuse(node, f"of alpha {alpha:g} and beta {beta:g}")
    b.make(node, aten.hardsigmoid.default, b.float(node.inputs[0]))


def _softmax(b: _Building, node: Node) -> None:
    b.make(node, aten.softmax.int, b.float(node.inputs[0]), int(node.attrs.get("axis", -1)))


def _max_pool(b: _Building, node: Node) -> None:
    kernel = [int(k) for k in node.attrs["kernel_shape"]]
    strides, dilations, pads = _window(b, node, kernel)
    if pads[:2] != pads[2:]:
        raise _refuse(node, "with a padding that differs from side to side")
    ceil_mode = bool(int(node.attrs.get("ceil_mode", 0)))
    x = b.float(node.inputs[0])
    b.make(node, aten.max_pool2d.default, x, kernel, strides, pads[:2], dilations, ceil_mode)


def _average_pool(b: _Building, node: Node) -> None:
    kernel = [int(k) for k in node.attrs["kernel_shape"]]
    strides, dilations, pads = _window(b, node, kernel)
    if pads[:2] != pads[2:] or dilations != [1, 1]:
        raise _refuse(node, "with such a window")
    ceil_mode, counted = (bool(int(node.attrs.get(name, 0))) for name in ("ceil_mode", "count_include_pad"))
    b.make(node, aten.avg_pool2d.default, b.float(node.inputs[0]), kernel, strides, pads[:2], ceil_mode, counted)


def _global_average_pool(b: _Building, node: Node) -> None:
    b.make(node, aten.adaptive_avg_pool2d.default, b.float(node.inputs[0]), [1, 1])


def _reduce_mean(b: _Building, node: Node) -> None:
    axes = b.given(node, 1, "axes")
    if axes is None:
        raise _refuse(node, "over all axes")
    keep = bool(int(node.attrs.get("keepdims", 1)))
    b.make(node, aten.mean.dim, b.float(node.inputs[0]), axes, keep)


def _pad(b: _Building, node: Node) -> None:
    pads = b.given(node, 1, "pads") or []
    rank = len(b.shape(node.inputs[0]))
    axes = [axis % rank for axis in b.given(node, 3, "axes") or range(rank)]
    filling = b.graph.optional_input(node, 2)
    value = float(node.attrs.get("value", 0)) if filling is None else float(b.array(node, 2, "value").reshape(()))
    if node.attrs.get("mode", "constant") != "constant" or value != 0 or min(pads, default=0) < 0:
        raise _refuse(node, "with anything but zeros around")
    if len(pads) != 2 * len(axes):
        raise BadInput(f"{len(pads)} numbers for {len(axes)} axes", where=f"node {node.name}")
    sides = {axis: (pads[i], pads[len(axes) + i]) for i, axis in enumerate(axes)}
    flat = [side for axis in reversed(range(rank)) for side in sides.get(axis, (0, 0))]
    while len(flat) > 2 and flat[-2:] == [0, 0]:
        del flat[-2:]
    b.make(node, aten.pad.default, b.float(node.inputs[0]), flat)


def _resize(b: _Building, node: Node) -> None:
    x, y = b.shape(node.inputs[0]), b.shape(node.outputs[0])
    where = node.attrs.get("coordinate_transformation_mode", "half_pixel")
    rounding = node.attrs.get("nearest_mode", ROUNDED[0])
    whole = len(x) == 4 and x[:2] == y[:2] and y[2] % x[2] == 0 and y[3] % x[3] == 0
    # At whole multiples both are the pixel that the output's pixel lies in.
    same = (where, rounding) == ("asymmetric", "floor") or (where == "half_pixel" and rounding in ROUNDED)
    if node.attrs.get("mode", "nearest") != "nearest" or not (whole and same):
        raise _refuse(node, "other than to the nearest pixel of a whole multiple")
    b.make(node, aten.upsample_nearest2d.vec, b.float(node.inputs[0]), list(y[2:]), None)


def _concat(b: _Building, node: Node) -> None:
    b.make(node, aten.cat.default, [b.float(name) for name in node.inputs], int(node.attrs["axis"]))


def _split(b: _Building, node: Node) -> None:
    axis = int(node.attrs.get("axis", 0))
    sizes = [b.shape(name)[axis] for name in node.outputs]
    parts = b.call(node, aten.split_with_sizes.default, b.float(node.inputs[0]), sizes, axis)
    for i, name in enumerate(node.outputs):
        b.values[name] = b.call(node, operator.getitem, parts, i)


def _slice(b: _Building, node: Node) -> None:
    starts, ends = (b.given(node, i, name) or [] for i, name in ((1, "starts"), (2, "ends")))
    axes, steps = (b.given(node, i, name) for i, name in ((3, "axes"), (4, "steps")))
    made, shape = b.float(node.inputs[0]), b.shape(node.inputs[0])
    for start, end, axis, step in zip(
        starts, ends, axes or range(len(starts)), steps or [1] * len(starts), strict=True
    ):
        if step < 1:
            raise _refuse(node, "of a step below one")
        start, end, _ = slice(start, end).indices(shape[axis])
        made = b.call(node, aten.slice.Tensor, made, axis, start, end, step)
    b.values[node.outputs[0]] = made


def _reshape(b: _Building, node: Node) -> None:
    b.make(node, aten.reshape.default, b.float(node.inputs[0]), list(b.shape(node.outputs[0])))


def _transpose(b: _Building, node: Node) -> None:
    rank = len(b.shape(node.inputs[0]))
    order = [int(axis) for axis in node.attrs.get("perm", reversed(range(rank)))]
    b.make(node, aten.permute.default, b.float(node.inputs[0]), order)


def _as_it_is(b: _Building, node: Node) -> None:
    b.values[node.outputs[0]] = b.float(node.inputs[0])


OPERATORS: dict[str, Callable[[_Building, Node], None]] = {
    "Add": _two(aten.add.Tensor),
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Div": _div,
    "Dropout": _as_it_is,
    "Flatten": _reshape,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average_pool,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _unary(aten.hardswish.default),
    "Identity": _as_it_is,
    "LeakyRelu": _leaky_relu,
    "MatMul": _matmul,
    "MaxPool": _max_pool,
    "Mul": _two(aten.mul.Tensor),
    "PRelu": _prelu,
    "Pad": _pad,
    "ReduceMean": _reduce_mean,
    "Relu": _unary(aten.relu.default),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": _unary(aten.sigmoid.default),
    "Slice": _slice,
    "Softmax": _softmax,
    "Split": _split,
    "Squeeze": _reshape,
    "Sub": _two(aten.sub.Tensor),
    "Tanh": _unary(aten.tanh.default),
    "Transpose": _transpose,
    "Unsqueeze": _reshape,
}
