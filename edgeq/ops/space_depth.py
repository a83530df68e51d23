"""SPACE_TO_DEPTH and DEPTH_TO_SPACE: blocks of pixels become channels, and back."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.layout import channels_last
from edgeq.ops.movement import Move, View, mover
from edgeq.ops.operator import Array, Lowering, require_int8, require_same_quantisation


def output_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """[N, H / block, W / block, C * block^2], or the other way round."""
    n, h, w, c = graph.input(node, 0).shape
    block = int(node.attrs["block"])
    if node.op == "SPACE_TO_DEPTH":
        return n, h // block, w // block, c * block * block
    return n, h * block, w * block, c // (block * block)


def check(graph: Graph, node: Node) -> None:
    """int8, rank 4, one quantisation, sizes that the block divides."""
    x, y, block = graph.input(node, 0), graph.output(node), int(node.attrs["block"])
    require_int8(graph, node, x, y)
    require_same_quantisation(graph, node, x, y)
    divisors = (block, block, 1) if node.op == "SPACE_TO_DEPTH" else (1, 1, block * block)
    if len(x.shape) != 4 or block < 1 or any(n % d for n, d in zip(x.shape[1:], divisors, strict=True)):
        raise Unsupported(f"{node.op} of {list(x.shape)} by blocks of {block}", where=f"node {node.name}")


def moves(graph: Graph, node: Node) -> list[Move]:
    """Rows of a block's pixels, which lie side by side in the image and in the depth alike."""
    to_depth = node.op == "SPACE_TO_DEPTH"
    _, h, w, c = (graph.input(node, 0) if to_depth else graph.output(node)).shape
    block = int(node.attrs["block"])

    def in_space(whole: Array) -> Array:
        return whole.reshape(-1, h // block, block, w // block, block * c).swapaxes(2, 3)

    def in_depth(whole: Array) -> Array:
        return whole.reshape(-1, h // block, w // block, block, block * c)

    views: tuple[View, View] = (in_space, in_depth) if to_depth else (in_depth, in_space)
    return [Move(node.inputs[0], node.outputs[0], *views)]


def from_onnx(low: Lowering, node: Node) -> None:
    """SpaceToDepth and DepthToSpace; of the mode CRD the channels are brought into the order of DCR first."""
    x, y, block = low.graph.input(node, 0), low.graph.output(node), int(node.attrs["blocksize"])
    source = x.name
    if node.op == "SpaceToDepth":
        low.emit("SPACE_TO_DEPTH", node.name, [source], node.outputs, block=block)
        return
    if node.attrs.get("mode", "DCR") == "CRD":
        n, h, w, c = x.shape
        source = _reshape(low, source, f"{y.name}/crd", (n, h * w, c // block**2, block**2), y)
        turned = low.activation(f"{y.name}/dcr", (n, h * w, block**2, c // block**2), y.quant)
        order = low.constant(f"{turned}/order", np.array([0, 1, 3, 2], np.int32))
        low.emit("TRANSPOSE", turned, [source, order], [turned])
        source = _reshape(low, turned, f"{y.name}/depth", (n, h, w, c), y)
    low.emit("DEPTH_TO_SPACE", node.name, [source], node.outputs, block=block)


def _reshape(low: Lowering, x: str, name: str, shape: tuple[int, ...], like: Tensor) -> str:
    table = low.constant(f"{name}/shape", np.array(shape, np.int32))
    low.activation(name, shape, like.quant)
    low.emit("RESHAPE", name, [x, table], [name])
    return name


def _case(op: str, space: tuple[int, int, int], block: int) -> Graph:
    quant = QuantParams.per_tensor(0.1, 3)
    h, w, c = space
    shapes = ((1, *space), (1, h // block, w // block, c * block * block))
    x, y = shapes if op == "SPACE_TO_DEPTH" else shapes[::-1]
    tensors = {"x": Tensor("x", x, "int8", quant), "y": Tensor("y", y, "int8", quant)}
    return Graph(op.lower(), tensors, (Node(op, "blocks", ("x",), ("y",), {"block": block}),), ("x",), ("y",))


def to_depth_cases() -> Iterable[Graph]:
    """Blocks of one, two and three."""
    yield from (_case("SPACE_TO_DEPTH", *case) for case in (((4, 6, 3), 2), ((3, 6, 1), 3), ((2, 3, 2), 1)))


def to_space_cases() -> Iterable[Graph]:
    """Blocks of two and three."""
    yield from (_case("DEPTH_TO_SPACE", *case) for case in (((4, 6, 3), 2), ((3, 6, 1), 3)))


SPACE_TO_DEPTH = mover(
    moves, name="SPACE_TO_DEPTH", code=26, options="SpaceToDepthOptions", fields={"block": "blockSize"}, version=2,
    output_shape=output_shape, check=check, cases=to_depth_cases,
    onnx=("SpaceToDepth",), from_onnx=from_onnx, turn=channels_last,
)  # fmt: skip
DEPTH_TO_SPACE = mover(
    moves, name="DEPTH_TO_SPACE", code=5, options="DepthToSpaceOptions", fields={"block": "blockSize"}, version=1,
    output_shape=output_shape, check=check, cases=to_space_cases,
    onnx=("DepthToSpace",), from_onnx=from_onnx, turn=channels_last,
)  # fmt: skip
