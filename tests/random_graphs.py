"""Random graphs over all operators: chains, branches, joins, parts, dead ends, at scales up to the multiplier's ends.

`random_graph` draws from the `random.Random` that it is given, so a seed names a graph for ever. What the rules of an
operator refuse is drawn again: every graph is one that edgeq accepts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, ClassVar

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeq import ops
from edgeq.errors import BadInput, EdgeqError
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.logistic import LOGISTIC_OUTPUT, TANH_OUTPUT
from edgeq.ops.softmax import OUTPUT as SOFTMAX_OUTPUT
from edgeq.plan.fold_pad import fold_pad

NODES_MOST = 12
ELEMENTS_MOST = 5120
SOFTMAX_MOST = 511  # of a row: TFLite Micro's debug build stops beyond (docs/numerics.md#softmax)
TRIES = 200
SIZES = (1, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17)
ZERO_POINTS = (-128, -127, -20, -1, 0, 0, 1, 20, 126, 127)
ACTIVATIONS = ("NONE", "NONE", "RELU", "RELU6")
STEP = 74  # the standard deviation of a uniform int8


class Grower:
    """A graph that grows node by node."""

    sizes: ClassVar[Sequence[int]] = SIZES  # of a dimension

    def __init__(self, random: Random) -> None:
        self.random = random
        self.tensors: dict[str, Tensor] = {}
        self.nodes: list[Node] = []
        self.pool: list[str] = []  # int8 activations
        shape = (1, *(random.choice(self.sizes) for _ in range(random.choice((3, 3, 3, 3, 2, 1)))))
        self._write(Tensor("x", _bounded(shape), "int8", self.quant(2 ** random.uniform(-8, 2))))

    def grow(self) -> None:
        """One operator more, or a few that belong together."""
        kept = dict(self.tensors), list(self.nodes), list(self.pool)
        for _ in range(TRIES):
            operator = self.random.choice(NAMES)
            try:
                GROWERS[operator](self, operator)
                return
            except (EdgeqError, IndexError):  # a rule refuses it, or there is no tensor of its kind
                self.tensors, self.nodes, self.pool = dict(kept[0]), list(kept[1]), list(kept[2])
        raise AssertionError("nothing can be added")

    def graph(self) -> Graph:
        """With one output: mostly the last tensor, or one that an earlier node wrote. What it does not need stays."""
        written = [name for node in self.nodes for name in node.outputs]
        output = written[-1] if self.random.random() < 0.8 else self.random.choice(written)
        return Graph("random", self.tensors, tuple(self.nodes), ("x",), (output,))

    # What to draw

    def size(self) -> int:
        return self.random.choice(self.sizes)

    def small(self, most: int = 4) -> int:
        return self.random.randint(1, most)

    def side(self) -> int:
        """Of a window."""
        return self.small()

    def stride(self) -> int:
        return self.small(3)

    def flag(self, share: float = 0.5) -> bool:
        return self.random.random() < share

    def some(self, of: Sequence[int], count: int) -> list[int]:
        """So many of them, which may be none."""
        return self.random.sample(of, count) if count else []

    def pick(self, *ranks: int) -> Tensor:
        """An activation, of one of the ranks if any are given: more often a late one, or one that nothing reads yet."""
        fitting = [n for n in self.pool if not ranks or len(self.tensors[n].shape) in ranks]
        read = {name for node in self.nodes for name in node.inputs}
        unread = [n for n in fitting if n not in read]
        chosen = unread if unread and self.flag() else fitting[-3:] if self.flag() else fitting
        return self.tensors[self.random.choice(chosen)]

    def axis(self, x: Tensor) -> int:
        """One of its axes, but not the batch."""
        if len(x.shape) < 2:
            raise BadInput("no axis behind the batch")
        return self.random.randrange(1, len(x.shape))

    def quant(self, scale: float) -> QuantParams:
        zero_point = self.random.choice(ZERO_POINTS) if self.flag() else self.random.randint(-128, 127)
        return QuantParams.per_tensor(scale, zero_point)

    def result(self, natural: float) -> QuantParams:
        """Of an output whose standard deviation would be one step of int8 times STEP at the scale `natural`; or of a
        scale that takes the multiplier to its ends."""
        spread = self.random.uniform(-2, 2) if self.flag(0.75) else self.random.uniform(-34, 36)
        return self.quant(natural * 2**spread)

    def values(self, *shape: int) -> NDArray[np.int8]:
        """int8 in [-127, 127]: random ones, or such that sums are as large as can be."""
        rng = np.random.default_rng(self.random.getrandbits(32))
        if self.flag(0.15):
            return np.full(shape, self.random.choice((-127, 127)), np.int8)
        return rng.integers(-127, 128, shape, dtype=np.int8)

    # What is added

    def constant(self, values: NDArray[Any], quant: QuantParams | None = None) -> str:
        name = f"c{len(self.tensors)}"
        self.tensors[name] = Tensor(name, tuple(values.shape), str(values.dtype), quant, values)
        return name

    def ints(self, *values: Any) -> str:
        return self.constant(np.array(values, np.int32))

    def operand(self, *shape: int, quant: QuantParams | None = None) -> str:
        """A constant activation."""
        return self.constant(self.values(*shape), quant or self.quant(2 ** self.random.uniform(-10, 3)))

    def weights(self, shape: tuple[int, ...], axis: int) -> str:
        scale, channels = 2 ** self.random.uniform(-12, -2), shape[axis]
        if channels == 1 or self.flag(0.3):
            return self.constant(self.values(*shape), QuantParams.per_tensor(scale, 0))
        low = self.random.choice((0.5, 1e-4))
        scales = tuple(float(np.float32(scale * 2 ** self.random.uniform(np.log2(low), 0))) for _ in range(channels))
        return self.constant(self.values(*shape), QuantParams(scales, (0,) * channels, axis))

    def bias(self, x: Tensor, weights: str, channels: int) -> str:
        """int32 at the scale of x times weights, small or up to the ends of what sums may be."""
        quant = self.tensors[weights].quant
        assert quant is not None
        products = tuple(float(np.float32(x.scale) * np.float32(s)) for s in quant.scale)
        most = self.random.choice((500, 500, 20_000, 1 << 30))
        rng = np.random.default_rng(self.random.getrandbits(32))
        values = rng.integers(-most, most, channels, dtype=np.int32)
        return self.constant(values, QuantParams(products, quant.zero_point, 0 if len(products) > 1 else None))

    def add(self, op: str, inputs: list[str], quant: QuantParams | None, **attrs: Any) -> list[Tensor]:
        """A checked node; its outputs, of the shapes that the operator says."""
        first = f"t{len(self.tensors)}"
        unknown = Tensor(first, (1,), "int8", QuantParams.per_tensor(1.0, 0))
        room = Graph("room", {**self.tensors, first: unknown}, (), (), ())
        shapes = ops.OPS[op].output_shape(room, Node(op, first, tuple(inputs), (first,), attrs))
        shapes = shapes if isinstance(shapes, list) else [shapes]
        outputs = []
        for i, shape in enumerate(shapes):
            name = first if i == 0 else f"{first}.{i}"
            outputs.append(Tensor(name, _bounded(shape), "int32" if quant is None else "int8", quant))
        node = Node(op, first, tuple(inputs), tuple(t.name for t in outputs), attrs)
        for tensor in outputs:
            self._write(tensor)
        self.nodes.append(node)
        used = {name: self.tensors[name] for name in (*inputs, *node.outputs)}
        given = tuple(name for name in dict.fromkeys(inputs) if not self.tensors[name].is_constant)
        ops.check(Graph("check", used, (node,), given, node.outputs))
        return outputs

    def _write(self, tensor: Tensor) -> None:
        self.tensors[tensor.name] = tensor
        if tensor.dtype == "int8":
            self.pool.append(tensor.name)

    def at(self, x: Tensor, quant: QuantParams) -> str:
        """The tensor at another scale, by a QUANTIZE."""
        return x.name if x.quant == quant else self.add("QUANTIZE", [x.name], quant)[0].name


def _bounded(shape: tuple[int, ...]) -> tuple[int, ...]:
    if not 0 < np.prod(shape, dtype=np.int64) <= ELEMENTS_MOST:
        raise BadInput(f"{shape} is too large for a test")
    return shape


# One function for each operator, or for several that are alike


def convolution(g: Grower, op: str) -> None:
    x = g.pick(4)
    c, (kh, kw) = x.shape[3], (g.side(), g.side())
    dilated = g.flag(0.25)
    attrs = dict(
        stride_h=g.stride(), stride_w=g.stride(), dilation_h=g.small(3) if dilated else 1,
        dilation_w=g.small(3) if dilated else 1, padding=g.random.choice(("SAME", "VALID")),
        activation=g.random.choice(ACTIVATIONS),
    )  # fmt: skip
    if op == "DEPTHWISE_CONV_2D":
        multiplier = g.random.choice((1, 1, 1, 2, 3))
        weights, channels = g.weights((1, kh, kw, c * multiplier), 3), c * multiplier
        attrs["depth_multiplier"] = multiplier
        sums = kh * kw
    else:
        groups = g.random.choice([n for n in range(1, c + 1) if c % n == 0]) if g.flag(0.25) else 1
        channels = groups * g.small(17 // groups + 1)
        weights, sums = g.weights((channels, kh, kw, c // groups), 0), kh * kw * c // groups
    inputs = [x.name, weights] + ([g.bias(x, weights, channels)] if g.flag(0.8) else [])
    g.add(op, inputs, g.result(_of_sums(g, x, weights, sums)), **attrs)


def transposed(g: Grower, op: str) -> None:
    x = g.pick(4)
    channels, sides, strides = g.small(8), (g.small(), g.small()), (g.small(3), g.small(3))
    padding = g.random.choice(("SAME", "VALID"))
    sizes = [n * s - g.random.randint(0, s - 1) for n, s in zip(x.shape[1:3], strides, strict=True)]
    if padding == "VALID":
        pairs = zip(x.shape[1:3], sides, strides, strict=True)
        sizes = [(n - 1) * s + k + g.random.randint(0, s - 1) for n, k, s in pairs]
    weights = g.weights((channels, *sides, x.shape[3]), 0)
    inputs = [g.ints(1, *sizes, channels), weights, x.name]
    inputs += [g.bias(x, weights, channels)] if g.flag(0.8) else []
    attrs = dict(stride_h=strides[0], stride_w=strides[1], padding=padding, activation=g.random.choice(ACTIVATIONS))
    g.add(op, inputs, g.result(_of_sums(g, x, weights, x.shape[3] * 2)), **attrs)


def fully_connected(g: Grower, op: str) -> None:
    x, keep = g.pick(), g.flag(0.4)
    row = x.shape[-1] if keep else x.elements
    channels = g.size()
    weights = g.weights((channels, row), 0)
    inputs = [x.name, weights] + ([g.bias(x, weights, channels)] if g.flag(0.8) else [])
    quant = g.result(_of_sums(g, x, weights, row))
    g.add(op, inputs, quant, activation=g.random.choice(ACTIVATIONS), keep_num_dims=keep)


def _of_sums(g: Grower, x: Tensor, weights: str, count: int) -> float:
    quant = g.tensors[weights].quant
    assert quant is not None
    return float(x.scale * max(quant.scale) * STEP * count**0.5)


def batch_matmul(g: Grower, op: str) -> None:
    a = g.pick(3, 4)
    adj_x, adj_y = g.flag(), g.flag()
    row = a.shape[-2] if adj_x else a.shape[-1]
    if g.flag():
        b = g.pick(3, 4)
    else:
        more = g.small(5)
        b = g.tensors[g.operand(*((more, row) if adj_y else (row, more)))]
    g.add(op, [a.name, b.name], g.result(a.scale * b.scale * STEP * row**0.5), adj_x=adj_x, adj_y=adj_y)


def pair(g: Grower, op: str) -> None:
    a = g.pick()
    if op != "PRELU" and g.flag(0.6):
        b = g.pick(len(a.shape))
    else:
        kept = a.shape[g.random.randint(0, len(a.shape) - 1) :]
        b = g.tensors[g.operand(*(n if g.flag(0.7) else 1 for n in kept))]
    if op in ("MAXIMUM", "MINIMUM"):
        assert a.quant is not None
        b = g.tensors[g.constant(b.data, a.quant) if b.data is not None else g.at(b, a.quant)]
    inputs = [a.name, b.name]
    if op != "PRELU" and g.flag():
        inputs.reverse()
    fused = {"activation": g.random.choice(ACTIVATIONS)} if op in ("ADD", "SUB", "MUL") else {}
    larger = max(a.scale, b.scale)
    natural = {"MUL": a.scale * b.scale * STEP, "PRELU": a.scale * max(1.0, b.scale * STEP)}.get(op, larger)
    quant = a.quant if op in ("MAXIMUM", "MINIMUM") else g.result(natural)
    g.add(op, inputs, quant, **fused)


def pool(g: Grower, op: str) -> None:
    x = g.pick(4)
    attrs = dict(
        filter_h=g.side(), filter_w=g.side(), stride_h=g.stride(), stride_w=g.stride(),
        padding=g.random.choice(("SAME", "VALID")), activation=g.random.choice(ACTIVATIONS),
    )  # fmt: skip
    g.add(op, [x.name], x.quant, **attrs)


def reduce(g: Grower, op: str) -> None:
    x = g.pick(2, 3, 4)
    axes = [axis for axis in range(1, len(x.shape)) if g.flag(0.6)] or [len(x.shape) - 1]
    count = float(np.prod([x.shape[axis] for axis in axes]))
    axes = [axis - len(x.shape) if g.flag(0.2) else axis for axis in axes]
    natural = x.scale * (count**0.5 if op == "SUM" else count**-0.5)
    g.add(op, [x.name, g.ints(*axes)], g.result(natural), keep_dims=g.flag())


def table(g: Grower, op: str) -> None:
    x = g.pick()
    fixed = {"LOGISTIC": LOGISTIC_OUTPUT, "TANH": TANH_OUTPUT, "RELU6": x.quant}
    attrs = {"alpha": float(np.float32(g.random.uniform(0, 2)))} if op == "LEAKY_RELU" else {}
    g.add(op, [x.name], fixed.get(op) or g.result(x.scale), **attrs)


def softmax(g: Grower, op: str) -> None:
    x = g.pick()
    if x.shape[-1] > SOFTMAX_MOST:
        raise BadInput("a row too long")
    g.add(op, [x.name], SOFTMAX_OUTPUT, beta=g.random.choice((1.0, 1.0, 0.5, 2.5)))


def arg_max(g: Grower, op: str) -> None:
    x = g.pick()
    axis = g.axis(x)
    (places,) = g.add(op, [x.name, g.ints(axis - len(x.shape) if g.flag(0.3) else axis)], None, output_type=2)
    if g.flag(0.3):
        kept = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
        g.add("RESHAPE", [places.name, g.ints(*kept)], None)


# Movement


def concatenation(g: Grower, op: str) -> None:
    x = g.pick()
    assert x.quant is not None
    axis = g.axis(x)
    beside = [t for t in map(g.tensors.__getitem__, g.pool) if _alike(t.shape, x.shape, axis)]
    names = [g.at(g.random.choice(beside), x.quant) for _ in range(g.small(3))]
    if g.flag(0.2):
        names.append(g.operand(*x.shape[:axis], g.small(), *x.shape[axis + 1 :], quant=x.quant))
    names.insert(g.random.randint(0, len(names)), x.name)
    g.add(op, names, x.quant, axis=axis - len(x.shape) if g.flag(0.2) else axis, activation="NONE")


def _alike(a: tuple[int, ...], b: tuple[int, ...], axis: int) -> bool:
    return (*a[:axis], 0, *a[axis + 1 :]) == (*b[:axis], 0, *b[axis + 1 :])


def split(g: Grower, op: str) -> None:
    x = g.pick()
    axis = g.axis(x)
    size = x.shape[axis]
    along = g.constant(np.array(axis - len(x.shape) if g.flag(0.2) else axis, np.int32))
    if op == "SPLIT":
        count = g.random.choice([n for n in range(1, 6) if size % n == 0])
        g.add(op, [along, x.name], x.quant, num_splits=count)
        return
    cuts = sorted(g.some(range(1, size), min(g.small(3), size - 1)))
    parts = [b - a for a, b in zip((0, *cuts), (*cuts, size), strict=True)]
    if g.flag(0.2):
        parts[g.random.randrange(len(parts))] = -1
    g.add(op, [x.name, g.ints(*parts), along], x.quant, num_splits=len(parts))


def cut(g: Grower, op: str) -> None:
    x = g.pick()
    begin = [0, *(g.random.randrange(n) for n in x.shape[1:])]
    if op == "SLICE":
        size = [n - b if g.flag() else g.small(n - b) for n, b in zip(x.shape, begin, strict=True)]
        g.add(op, [x.name, g.ints(*begin), g.ints(*size)], x.quant)
        return
    strides = [1, *(g.random.choice((1, 1, 2, 3, -1, -2)) for _ in x.shape[1:])]
    end = [n if s > 0 else 0 for n, s in zip(x.shape, strides, strict=True)]
    shrunk = sum(1 << axis for axis in range(1, len(x.shape)) if g.flag(0.15))
    masks = dict(begin_mask=g.random.randrange(16) | 1, end_mask=g.random.randrange(16) | 1, shrink_axis_mask=shrunk)
    tables = [g.ints(*begin), g.ints(*end), g.ints(*strides)]
    g.add(op, [x.name, *tables], x.quant, **masks, ellipsis_mask=0, new_axis_mask=0, offset=False)


def reshape(g: Grower, op: str) -> None:
    x = g.pick()
    left, shape = x.elements, [1]
    for _ in range(g.random.randint(0, 3)):
        shape.append(g.random.choice([n for n in range(1, left + 1) if left % n == 0]))
        left //= shape[-1]
    shape.append(left if g.flag(0.8) else -1)
    g.add(op, [x.name, g.ints(*shape)], x.quant)


def squeeze(g: Grower, op: str) -> None:
    x = g.pick()
    ones = [axis for axis in range(1, len(x.shape)) if x.shape[axis] == 1]
    g.add(op, [x.name], x.quant, squeeze_dims=g.some(ones, g.small(len(ones)) if ones else 0))


def expand_dims(g: Grower, op: str) -> None:
    x = g.pick(2, 3)
    g.add(op, [x.name, g.ints(g.random.randint(1, len(x.shape)))], x.quant)


def transpose(g: Grower, op: str) -> None:
    x = g.pick()
    order = list(range(1, len(x.shape)))
    g.random.shuffle(order)
    g.add(op, [x.name, g.ints(0, *order)], x.quant)


def blocks(g: Grower, op: str) -> None:
    g.add(op, [(x := g.pick(4)).name], x.quant, block=g.random.choice((1, 2, 2, 3)))


def resize(g: Grower, op: str) -> None:
    x = g.pick(4)
    corners, centers = g.random.choice(((False, False), (True, False), (False, True)))
    size = g.ints(*(g.random.choice((n, 2 * n, g.small(9))) for n in x.shape[1:3]))
    g.add(op, [x.name, size], x.quant, align_corners=corners, half_pixel_centers=centers)


def pad(g: Grower, op: str) -> None:
    x = g.pick(2, 3, 4)
    shown = [g.flag(0.25 if axis == len(x.shape) - 1 else 0.7) for axis in range(1, len(x.shape))]
    amounts = np.array([[0, 0], *([g.small(3) - 1, g.small(3) - 1] if s else [0, 0] for s in shown)], np.int32)
    inputs = [x.name, g.constant(amounts)]
    if op == "PADV2":
        value = g.random.choice((-128, x.zero_point, g.random.randint(-128, 127)))
        inputs.append(g.constant(np.array([value], np.int8), x.quant))
    mirror = {"mirror": g.random.choice(("REFLECT", "SYMMETRIC"))} if op == "MIRROR_PAD" else {}
    (padded,) = g.add(op, inputs, x.quant, **mirror)
    if len(x.shape) == 4 and g.flag():  # what the planner may fold
        windows = {
            "CONV_2D": convolution,
            "DEPTHWISE_CONV_2D": convolution,
            "MAX_POOL_2D": pool,
            "AVERAGE_POOL_2D": pool,
        }
        behind = g.random.choice(list(windows))
        g.pool.remove(padded.name)
        others, g.pool = g.pool, [padded.name]
        windows[behind](g, behind)
        g.pool = [*others, *g.pool]


GROWERS: dict[str, Callable[[Grower, str], None]] = {
    "ARG_MAX": arg_max, "BATCH_MATMUL": batch_matmul, "CONCATENATION": concatenation, "EXPAND_DIMS": expand_dims,
    "FULLY_CONNECTED": fully_connected, "RESHAPE": reshape, "SOFTMAX": softmax, "SQUEEZE": squeeze,
    "TRANSPOSE": transpose, "TRANSPOSE_CONV": transposed,
    **dict.fromkeys(("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "PRELU"), pair),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), pool),
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), convolution),
    **dict.fromkeys(("DEPTH_TO_SPACE", "SPACE_TO_DEPTH"), blocks),
    **dict.fromkeys(("MEAN", "SUM"), reduce),
    **dict.fromkeys(("MIRROR_PAD", "PAD", "PADV2"), pad),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), resize),
    **dict.fromkeys(("SLICE", "STRIDED_SLICE"), cut),
    **dict.fromkeys(("SPLIT", "SPLIT_V"), split),
    **dict.fromkeys(
        ("ABS", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "QUANTIZE", "RELU", "RELU6", "TANH"), table
    ),
}  # fmt: skip
# The operators that compute come more often than those that move.
OFTEN = (
    "CONV_2D",
    "CONV_2D",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "ADD",
    "ADD",
    "PAD",
)
NAMES = (*sorted(GROWERS), *OFTEN)


def random_graph(random: Random) -> Graph:
    """A checked graph of one input `x` and one output, which has at least one step."""
    while True:
        grower = Grower(random)
        for _ in range(random.randint(1, NODES_MOST)):
            grower.grow()
        graph = grower.graph()
        ops.check(graph)
        folded = fold_pad(graph)  # without a PAD that nothing reads
        if any(ops.steps(folded, node, lambda constant: 0) for node in folded.nodes):
            return graph


def random_graphs() -> st.SearchStrategy[Graph]:
    """The strategy. A graph need not shrink: the first tensor that differs names its operator."""
    return st.integers(0, (1 << 32) - 1).map(lambda seed: random_graph(Random(seed)))
