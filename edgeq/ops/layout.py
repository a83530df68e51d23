"""How a tensor's axes lie in memory on the way from ONNX, and the rules by which operators turn them.

A layout says for each stored axis which ONNX axis it is. Tensors of rank 4 are stored channels last wherever an
operator has a say; others as ONNX has them. An operator's file has the rule that turns its ONNX forms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import Unsupported
from edgeq.graph import ABSENT, Graph, Node, QuantParams, Tensor

Layout = tuple[int, ...]
Turn = Callable[["Turning", Node], None]

CHANNELS_LAST = (0, 2, 3, 1)
# Of one activation: what is flattened in front of them may keep its order.
FUNCTIONS = ("Abs", "Clip", "HardSigmoid", "HardSwish", "LeakyRelu", "QuantizeLinear", "Relu", "Sigmoid", "Tanh")


def usual(rank: int) -> Layout:
    """Channels last at rank 4, else ONNX's own order."""
    return CHANNELS_LAST if rank == 4 else tuple(range(rank))


@dataclass
class Turning:
    """Collects the turned nodes and tensors. `graph` is as ONNX has it; names of tensors mean its tensors."""

    graph: Graph
    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    _stored: dict[str, tuple[str, Layout]] = field(default_factory=dict)
    _features: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        """Whether the tensor is an activation that is written already."""
        return name in self._stored

    def layout(self, name: str) -> Layout:
        """How the tensor is stored."""
        return self._stored[name][1] if name in self._stored else tuple(range(len(self.graph.tensor(name).shape)))

    def axis(self, name: str, axis: int) -> int:
        """Where an ONNX axis, which may count from the end, is stored."""
        return self.layout(name).index(axis % len(self.graph.tensor(name).shape))

    def features(self, name: str) -> NDArray[np.int64] | None:
        """For a flattened map that is not in ONNX's order: which ONNX feature each stored one is."""
        return self._features.get(name)

    def read(self, name: str, layout: Layout | None = None) -> str:
        """The stored tensor, in that layout if one is given; a Transpose is put in front where it has another."""
        if name == ABSENT:
            return name
        tensor = self.graph.tensor(name)
        if tensor.is_constant:
            self.tensors[name] = tensor
            if layout is None or layout == tuple(range(len(tensor.shape))) or tensor.data is None:
                return name
            quant = tensor.quant
            if quant is not None and quant.axis is not None:
                quant = replace(quant, axis=layout.index(quant.axis))
            return self.constant(_name(name, layout, always=True), tensor.data.transpose(layout), quant)
        stored, found = self._stored[name]
        if layout is None or layout == found:
            return stored
        wanted = _name(name, layout, always=True)
        if wanted not in self.tensors:
            self._add(wanted, name, layout)
            order = [found.index(axis) for axis in layout]
            self.nodes.append(Node("Transpose", wanted, (stored,), (wanted,), {"perm": order}))
        return wanted

    def constant(self, name: str, values: NDArray[Any], quant: QuantParams | None) -> str:
        """A constant in its stored form; returns its name."""
        self.tensors[name] = Tensor(name, tuple(values.shape), str(values.dtype), quant, np.ascontiguousarray(values))
        return name

    def write(self, name: str, layout: Layout | None = None) -> str:
        """The stored tensor of a result, in its usual layout if none is given; returns its name."""
        layout = usual(len(self.graph.tensor(name).shape)) if layout is None else layout
        stored = self._add(_name(name, layout), name, layout)
        self._stored[name] = (stored, layout)
        return stored

    def write_features(self, name: str, order: NDArray[np.int64]) -> str:
        """The stored tensor of a flattened map, in another order than ONNX's."""
        layout = tuple(range(len(self.graph.tensor(name).shape)))
        stored = self._add(f"{name}/features", name, layout)
        self._stored[name] = (stored, layout)
        self._features[name] = order
        return stored

    def alias(self, name: str, source: str, layout: Layout) -> None:
        """The result is what is stored of `source` already, seen in another layout."""
        self._stored[name] = (self._stored[source][0], layout)

    def emit(self, node: Node, inputs: Iterable[str], outputs: Iterable[str], **attrs: Any) -> None:
        """The node with stored tensors and with attributes changed."""
        self.nodes.append(replace(node, inputs=tuple(inputs), outputs=tuple(outputs), attrs={**node.attrs, **attrs}))

    def _add(self, stored: str, name: str, layout: Layout) -> str:
        tensor = self.graph.tensor(name)
        shape = tuple(tensor.shape[axis] for axis in layout)
        self.tensors[stored] = replace(tensor, name=stored, shape=shape)
        return stored


def _name(name: str, layout: Layout, always: bool = False) -> str:
    # What is not stored as usual has another name, so that nobody takes it for ONNX's tensor.
    return f"{name}/{''.join(map(str, layout))}" if always or layout != usual(len(layout)) else name


# Rules that several operators share


def channels_last(turning: Turning, node: Node) -> None:
    """The first input and the outputs channels last; other inputs as they are."""
    x = turning.graph.input(node, 0)
    inputs = [turning.read(x.name, usual(len(x.shape))), *(turning.read(name) for name in node.inputs[1:])]
    turning.emit(node, inputs, [turning.write(name) for name in node.outputs])


def unturned(turning: Turning, node: Node) -> None:
    """Everything as ONNX has it."""

    def plain(name: str) -> Layout | None:
        return tuple(range(len(turning.graph.tensor(name).shape))) if name != ABSENT else None

    inputs = [turning.read(name, plain(name)) for name in node.inputs]
    turning.emit(node, inputs, [turning.write(name, plain(name)) for name in node.outputs])


def convolution(order: Layout) -> Turn:
    """Channels last, and weights whose stored axes come from `order`."""

    def turn(turning: Turning, node: Node) -> None:
        x, weights = turning.graph.input(node, 0), turning.graph.input(node, 1)
        if weights.data is None or not len(weights.shape) == len(x.shape) == 4:
            raise Unsupported("a convolution needs an input of rank 4 and constant weights", where=f"node {node.name}")
        inputs = [turning.read(x.name, CHANNELS_LAST), turning.read(weights.name, order)]
        turning.emit(node, [*inputs, *map(turning.read, node.inputs[2:])], [turning.write(node.outputs[0])])

    return turn


def element_wise(turning: Turning, node: Node) -> None:
    """Every operand in the layout of the largest one; what ONNX broadcasts from the right is given all axes."""
    y = turning.graph.output(node)
    features = turning.features(node.inputs[0])
    if features is not None:  # it goes through functions alone
        turning.emit(node, map(turning.read, node.inputs), [turning.write_features(y.name, features)])
        return
    full = [n for n in node.inputs if n in turning and len(turning.graph.tensor(n).shape) == len(y.shape)]
    layout = turning.layout(full[0]) if full else usual(len(y.shape))
    inputs = [_operand(turning, node, name, layout) for name in node.inputs]
    turning.emit(node, inputs, [turning.write(y.name, layout)])


def _operand(turning: Turning, node: Node, name: str, layout: Layout) -> str:
    if name == ABSENT:
        return name
    tensor, rank = turning.graph.tensor(name), len(layout)
    if tensor.is_constant and (tensor.elements == 1 or layout == tuple(range(rank))):
        return turning.read(name)
    if len(tensor.shape) == rank:
        return turning.read(name, layout)
    if tensor.data is None:
        raise Unsupported(
            f"{node.op} broadcasts {name} of {list(tensor.shape)} to {rank} axes", where=f"node {node.name}"
        )
    data = tensor.data.reshape((1,) * (rank - len(tensor.shape)) + tensor.shape).transpose(layout)
    return turning.constant(_name(name, layout, always=True), data, tensor.quant)


# Reshaping


def reshaped(turning: Turning, node: Node) -> None:
    """Another shape for the same bytes, behind a Transpose of the axes that are stored in no order for it.

    A map that is flattened for fully connected layers alone stays in its order, and the layers' weights follow.
    """
    x, y = turning.graph.input(node, 0), turning.graph.output(node)
    if x.shape[:1] != y.shape[:1]:
        raise Unsupported(
            f"{node.op} that changes the batch, {list(x.shape)} to {list(y.shape)}", where=f"node {node.name}"
        )
    if turning.features(x.name) is not None:
        raise Unsupported(f"{node.op} of a flattened map", where=f"node {node.name}")
    layout = view(turning.layout(x.name), x.shape, y.shape)
    if layout is not None:
        turning.emit(node, [turning.read(x.name)], [turning.write(y.name, layout)])
    elif len(y.shape) == 2 and y.shape[0] == x.shape[0] and _feeds_weights_alone(turning.graph, y.name):
        sizes = x.shape[1:]
        onnx_order = np.arange(math.prod(sizes)).reshape(1, *sizes)
        stored = onnx_order.transpose(turning.layout(x.name)).reshape(-1)
        turning.emit(node, [turning.read(x.name)], [turning.write_features(y.name, stored)])
    else:
        stored_together = together(turning.layout(x.name), x.shape, y.shape)
        source = turning.read(x.name, stored_together)
        turning.emit(node, [source], [turning.write(y.name, view(stored_together, x.shape, y.shape))])


def view(layout: Layout, before: Sequence[int], after: Sequence[int]) -> Layout | None:
    """The layout in which the same bytes have the shape `after`, None if there is none.

    Axes are matched in groups of equal product; the axes of a group must lie together and in order. Axes of one element
    lie anywhere.
    """
    stored = [axis for axis in layout if before[axis] != 1]
    places: list[tuple[int, list[int]]] = []  # of each group: where its axes are stored, and the axes that it becomes
    for old, new in _groups(before, after):
        at = [stored.index(axis) for axis in old]
        if at != list(range(at[0], at[0] + len(at))):
            return None
        places.append((at[0], new))
    wanted = [axis for _, new in sorted(places) for axis in new]
    for candidate in (usual(len(after)), tuple(range(len(after)))):
        if [axis for axis in candidate if after[axis] != 1] == wanted:
            return candidate
    ones = [axis for axis, n in enumerate(after) if n == 1]
    return *ones[:1], *wanted, *ones[1:]


def together(layout: Layout, before: Sequence[int], after: Sequence[int]) -> Layout:
    """The layout nearest to this one that has a view of the shape `after`."""
    groups = sorted((max(layout.index(axis) for axis in old), old) for old, _ in _groups(before, after))
    ones = [axis for axis in layout if before[axis] == 1]
    return *ones, *(axis for _, old in groups for axis in old)


def _groups(before: Sequence[int], after: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """The shortest runs of axes, without those of one element, that hold equally many elements."""
    old, new = ([axis for axis, n in enumerate(shape) if n != 1] for shape in (before, after))
    groups = []
    while old:
        left, right = [old.pop(0)], [new.pop(0)]
        while (a := math.prod(before[i] for i in left)) != (b := math.prod(after[i] for i in right)):
            (left if a < b else right).append((old if a < b else new).pop(0))
        groups.append((left, right))
    return groups


def _feeds_weights_alone(graph: Graph, name: str) -> bool:
    """Whether all that reads the tensor are fully connected layers with constant weights, maybe behind a function."""
    readers = [node for node in graph.nodes if name in node.inputs]
    if name in graph.outputs or not readers:
        return False
    for node in readers:
        if node.op == "Gemm":
            if node.inputs[0] != name or graph.input(node, 1).data is None or int(node.attrs.get("transA", 0)):
                return False
        elif node.op not in FUNCTIONS or not _feeds_weights_alone(graph, node.outputs[0]):
            return False
    return True
