"""PAD and PADV2: constant padding of height and width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
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


def amounts(graph: Graph, node: Node) -> tuple[int, int, int, int]:
    """(top, left, bottom, right)."""
    table = constant_ints(graph, node, 1)
    if len(table) != 8 or any(table[:2] + table[6:]) or not 0 <= min(table) <= max(table) <= LIMIT:
        raise Unsupported(
            f"{node.op} pads height and width of a rank 4 tensor by at most {LIMIT}, not {table}",
            where=f"node {node.name}",
        )
    return table[2], table[4], table[3], table[5]


def value(graph: Graph, node: Node) -> int:
    """The integer that is filled in: PAD's is the zero point, PADV2 brings its own."""
    return graph.input(node, 0).zero_point if node.op == "PAD" else constant_ints(graph, node, 2)[0]


def output_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """[N, H + top + bottom, W + left + right, C]."""
    n, h, w, c = graph.input(node, 0).shape
    top, left, bottom, right = amounts(graph, node)
    return n, h + top + bottom, w + left + right, c


def check(graph: Graph, node: Node) -> None:
    """int8, equal quantisation on both sides (PADV2: of the value, too)."""
    x, y = graph.input(node, 0), graph.output(node)
    require_int8(graph, node, x, y)
    require_same_quantisation(graph, node, x, y, *([graph.input(node, 2)] if node.op == "PADV2" else []))
    if len(x.shape) != 4 or (node.op == "PADV2" and graph.input(node, 2).dtype != "int8"):
        raise Unsupported(f"{node.op} of {list(x.shape)}, or with a value that is not int8", where=f"node {node.name}")
    amounts(graph, node)


def reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
    """numerics.md#pad."""
    top, left, bottom, right = amounts(graph, node)
    widths = ((0, 0), (top, bottom), (left, right), (0, 0))
    return np.pad(inputs[0], widths, constant_values=value(graph, node))


def step(graph: Graph, node: Node, locate: Locate) -> Step:
    """plan-format.md#pad_s8."""
    top, left, _, _ = amounts(graph, node)
    return Step("pad_s8", pack_i32(top, left, value(graph, node)))


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


def _case(op: str, zero_point: int) -> Graph:
    quant = QuantParams.per_tensor(0.1, zero_point)
    table = np.array([[0, 0], [1, 2], [3, 0], [0, 0]], np.int32)
    tensors = [
        Tensor("x", (1, 4, 3, 5), "int8", quant),
        Tensor("amounts", (4, 2), "int32", None, table),
        Tensor("y", (1, 7, 6, 5), "int8", quant),
    ]
    inputs = ["x", "amounts"]
    if op == "PADV2":
        tensors.append(Tensor("v", (1,), "int8", quant, np.array([-128], np.int8)))
        inputs.append("v")
    return Graph(op.lower(), {t.name: t for t in tensors}, (Node(op, "pad", tuple(inputs), ("y",)),), ("x",), ("y",))


def pad_cases() -> Iterable[Graph]:
    """Uneven amounts, zero points at the edge and in the middle."""
    yield from (_case("PAD", z) for z in (-128, 0, 7))


def padv2_cases() -> Iterable[Graph]:
    """A value that is not the zero point."""
    yield from (_case("PADV2", z) for z in (-128, 9))


PAD = Operator("PAD", 34, "PadOptions", {}, 2, output_shape, check, reference, pad_cases, step=step)
PADV2 = Operator(
    "PADV2", 60, "PadV2Options", {}, 2, output_shape, check, reference, padv2_cases, step=step
)  # fmt: skip
