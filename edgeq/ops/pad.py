"""PAD and PADV2: constant padding of every axis but the batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.layout import Turning
from edgeq.ops.operator import (
    Array,
    Locate,
    Lowering,
    Operator,
    Step,
    constant_ints,
    pack_i32,
    require_int8,
    require_same_quantisation,
)
from edgeq.ops.window import LIMIT, same_padding


def amounts(graph: Graph, node: Node) -> list[tuple[int, int]]:
    """(before, after) of each axis."""
    table, rank = constant_ints(graph, node, 1), len(graph.input(node, 0).shape)
    if len(table) != 2 * rank or any(table[:2]) or not 0 <= min(table) <= max(table) <= LIMIT:
        raise Unsupported(
            f"{node.op} pads {rank} axes by at most {LIMIT} each and the batch not at all, not {table}",
            where=f"node {node.name}",
        )
    return list(zip(table[::2], table[1::2], strict=True))


def value(graph: Graph, node: Node) -> int:
    """The integer that is filled in: PAD's is the zero point, PADV2 brings its own."""
    return graph.input(node, 0).zero_point if node.op == "PAD" else constant_ints(graph, node, 2)[0]


def output_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """Each axis with its amounts."""
    sizes = zip(graph.input(node, 0).shape, amounts(graph, node), strict=True)
    return tuple(n + before + after for n, (before, after) in sizes)


def check(graph: Graph, node: Node) -> None:
    """int8, equal quantisation on both sides (PADV2: of the value, too)."""
    x, y = graph.input(node, 0), graph.output(node)
    require_int8(graph, node, x, y)
    require_same_quantisation(graph, node, x, y, *([graph.input(node, 2)] if node.op == "PADV2" else []))
    if len(x.shape) > 4 or (node.op == "PADV2" and graph.input(node, 2).dtype != "int8"):
        raise Unsupported(f"{node.op} of {list(x.shape)}, or with a value that is not int8", where=f"node {node.name}")
    amounts(graph, node)


def reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
    """numerics.md#pad."""
    return np.pad(inputs[0], amounts(graph, node), constant_values=value(graph, node))


def step(graph: Graph, node: Node, locate: Locate) -> Step:
    """plan-format.md#pad_s8."""
    before = [pair[0] for pair in amounts(graph, node)[1:]]
    return Step("pad_s8", pack_i32(*[0] * (3 - len(before)), *before, value(graph, node)))


def padded_input(
    low: Lowering,
    node: Node,
    x: Tensor,
    pads: tuple[int, int, int, int],
    size: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    fill: int,
) -> tuple[str, str]:
    """What a windowed operator reads, and its `padding`: VALID, SAME where that means `pads`, else a PAD in front."""
    top, left, bottom, right = pads
    if not any(pads):
        return x.name, "VALID"
    same = [same_padding(x.shape[i + 1], size[i], stride[i], dilation[i]) for i in (0, 1)]
    if same == [(top, bottom), (left, right)]:
        return x.name, "SAME"
    name = f"{node.outputs[0]}/pad"
    shape = (x.shape[0], x.shape[1] + top + bottom, x.shape[2] + left + right, x.shape[3])
    low.activation(name, shape, x.quant)
    table = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
    inputs = [x.name, low.constant(f"{name}/amounts", table)]
    if fill == x.zero_point:
        low.emit("PAD", name, inputs, [name])
    else:
        inputs.append(low.constant(f"{name}/value", np.array([fill], np.int8), x.quant))
        low.emit("PADV2", name, inputs, [name])
    return name, "VALID"


def turn(turning: Turning, node: Node) -> None:
    """(before, after) of each stored axis."""
    x, axes = turning.graph.input(node, 0), turning.graph.optional_input(node, 3)
    table, rank = constant_ints(turning.graph, node, 1), len(x.shape)
    padded = list(range(rank)) if axes is None else constant_ints(turning.graph, node, 3)
    if len(table) != 2 * len(padded):
        raise Unsupported(f"Pad of {len(padded)} axes by {table}", where=f"node {node.name}")
    pairs = {axis % rank: (table[i], table[i + len(padded)]) for i, axis in enumerate(padded)}
    layout = turning.layout(x.name)
    inputs = [turning.read(x.name), *map(turning.read, node.inputs[2:3])]
    stored = [pairs.get(axis, (0, 0)) for axis in layout]
    turning.emit(node, inputs, [turning.write(node.outputs[0], layout)], amounts=stored)


def from_onnx(low: Lowering, node: Node) -> None:
    """Pad with a constant or, by MIRROR_PAD, with the reflected input."""
    x, y, mode = low.graph.input(node, 0), low.graph.output(node), node.attrs.get("mode", "constant")
    table = low.constant(f"{y.name}/amounts", np.array(node.attrs["amounts"], np.int32))
    if mode == "reflect":
        low.emit("MIRROR_PAD", node.name, [x.name, table], node.outputs, mirror="REFLECT")
        return
    if mode != "constant" or y.quant is None:
        raise Unsupported(f"Pad of the mode {mode}", where=f"node {node.name}")
    fill = _filling(low, node, y.quant)
    if fill == x.zero_point:
        low.emit("PAD", node.name, [x.name, table], node.outputs)
    else:
        value = low.constant(f"{y.name}/value", np.array([fill], np.int8), x.quant)
        low.emit("PADV2", node.name, [x.name, table, value], node.outputs)


def _filling(low: Lowering, node: Node, quant: QuantParams) -> int:
    given = low.graph.optional_input(node, 1)
    if given is None:
        return quant.zero_point[0]
    if given.data is None or given.elements != 1:
        raise Unsupported("Pad with a value that is no constant", where=f"node {node.name}")
    real = given.data if given.quant is None else given.quant.dequantise(given.data)
    if np.isnan(real).any():
        raise Unsupported("Pad with a value that is no number", where=f"node {node.name}")
    return int(quant.quantise(real.reshape(1), "int8")[0])


_IMAGE = ((0, 0), (1, 2), (3, 0), (0, 0))


def _case(op: str, zero_point: int, table: Sequence[tuple[int, int]] = _IMAGE) -> Graph:
    quant = QuantParams.per_tensor(0.1, zero_point)
    shape = (1, 4, 3, 5)[: len(table)]
    tensors = [
        Tensor("x", shape, "int8", quant),
        Tensor("amounts", (len(table), 2), "int32", None, np.array(table, np.int32)),
        Tensor("y", tuple(n + sum(pair) for n, pair in zip(shape, table, strict=True)), "int8", quant),
    ]
    inputs = ["x", "amounts"]
    if op == "PADV2":
        tensors.append(Tensor("v", (1,), "int8", quant, np.array([-128], np.int8)))
        inputs.append("v")
    return Graph(op.lower(), {t.name: t for t in tensors}, (Node(op, "pad", tuple(inputs), ("y",)),), ("x",), ("y",))


def pad_cases() -> Iterable[Graph]:
    """Uneven amounts, zero points at the edge and in the middle, channels, other ranks."""
    yield from (_case("PAD", z) for z in (-128, 0, 7))
    yield _case("PAD", 3, ((0, 0), (1, 0), (0, 2), (3, 1)))
    yield _case("PAD", 3, ((0, 0), (2, 1)))


def padv2_cases() -> Iterable[Graph]:
    """A value that is not the zero point."""
    yield from (_case("PADV2", z) for z in (-128, 9))
    yield _case("PADV2", 3, ((0, 0), (1, 0), (0, 2)))


PAD = Operator(
    "PAD",
    34,
    "PadOptions",
    {},
    2,
    output_shape,
    check,
    reference,
    pad_cases,
    onnx=("Pad",),
    from_onnx=from_onnx,
    turn=turn,
    step=step,
)
PADV2 = Operator(
    "PADV2", 60, "PadV2Options", {}, 2, output_shape, check, reference, padv2_cases, step=step
)  # fmt: skip
