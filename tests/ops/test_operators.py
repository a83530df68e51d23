"""Every operator's integer reference against its two peers, bit for bit: TFLite Micro and the native C kernels.

The table drives the tests: a new operator brings its own `cases()` and is tested here without an edit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from engine_host import EngineHost, planned
from graphs import Builder, every_kernel, one_input
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeq import ops
from edgeq.convert import read_tflite, write_tflite
from edgeq.errors import BadInput, Unsupported
from edgeq.graph import Graph, QuantParams
from edgeq.ops import broadcast, conv2d, logistic, lut, mean, numerics
from edgeq.plan.fold_pad import fold_pad

CASES = {f"{op.name}-{i}": graph for op in ops.OPS.values() for i, graph in enumerate(op.cases())}
INPUTS = 6
ARENA = 1 << 20


def inputs_of(graph: Graph, seed: int = 0) -> dict[str, NDArray[np.int8]]:
    """A batch for each input: all -128, all 127, both in turns, all integers in their order, and seeded values."""
    rng = np.random.default_rng(seed)
    batch = {}
    for name in graph.inputs:
        shape = graph.tensor(name).shape[1:]
        values = rng.integers(-128, 128, (INPUTS, *shape), dtype=np.int8)
        values[0], values[1] = -128, 127
        values[2] = np.resize(np.array([-128, 127], np.int8), shape)
        values[3] = np.resize(np.arange(-128, 128), shape)
        batch[name] = values
    return batch


def tflm_outputs(graph: Graph, feeds: dict[str, NDArray[np.int8]]) -> list[NDArray[np.int8]]:
    """What TFLite Micro answers, one sample after the other, for each output of the graph."""
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime", reason="the TFLM wheel is Linux x86-64")
    interpreter = runtime.Interpreter.from_bytes(write_tflite(graph), arena_size=ARENA)
    outputs = []
    for i in range(len(feeds[graph.inputs[0]])):
        for index, name in enumerate(graph.inputs):
            interpreter.set_input(feeds[name][i : i + 1], index)
        interpreter.invoke()
        outputs.append([interpreter.get_output(index).copy() for index in range(len(graph.outputs))])
    return [np.concatenate(batch) for batch in zip(*outputs, strict=True)]


def assert_equals_tflm(graph: Graph, feeds: dict[str, NDArray[np.int8]]) -> None:
    ops.check(graph)
    values = ops.run(graph, feeds)
    for name, expected in zip(graph.outputs, tflm_outputs(graph, feeds), strict=True):
        np.testing.assert_array_equal(values[name], expected, name)


def assert_equals_engine(engine_host: EngineHost, graphs: list[Graph], seed: int = 0) -> None:
    """Every step's output, not only the last: a later step may hide what an earlier one did."""
    batch = [(planned(g), inputs_of(g, seed)[g.inputs[0]]) for g in graphs]
    for (model, inputs), outputs in zip(batch, engine_host.run(batch), strict=True):
        expected = ops.run(model.graph, {model.graph.inputs[0]: inputs})
        assert model.graph.outputs[0] in outputs
        for name, found in outputs.items():
            np.testing.assert_array_equal(found, expected[name], f"{model.graph.name}: {name}")


def test_every_operator_has_cases() -> None:
    assert {node.op for graph in CASES.values() for node in graph.nodes} == set(ops.OPS)


@pytest.mark.parametrize("graph", CASES.values(), ids=CASES)
def test_reference_equals_tflm(graph: Graph) -> None:
    assert_equals_tflm(graph, inputs_of(graph))


def test_reference_equals_the_c_kernels(engine_host: EngineHost) -> None:
    graphs = [one_input(graph) for graph in CASES.values()]
    for graph in graphs:
        ops.check(graph)
    assert_equals_engine(engine_host, graphs)


def test_a_whole_network_is_equal_everywhere(engine_host: EngineHost) -> None:
    """Folded PADs, an ADD in place, a view; the read file means what the written graph means."""
    graph = every_kernel()
    assert_equals_tflm(graph, inputs_of(graph))
    assert_equals_engine(engine_host, [graph, read_tflite(write_tflite(graph))])


@pytest.mark.parametrize("graph", CASES.values(), ids=CASES)
def test_the_reference_takes_a_batch(graph: Graph) -> None:
    feeds = inputs_of(graph)
    together = ops.run(graph, feeds)
    alone = [ops.run(graph, {n: v[i : i + 1] for n, v in feeds.items()}) for i in range(INPUTS)]
    for name in graph.outputs:
        np.testing.assert_array_equal(together[name], np.concatenate([values[name] for values in alone]), name)


def test_sums_wrap_alike(engine_host: EngineHost) -> None:
    """An accumulator at either end of int32, rescaled by almost one, leaves int32 with the zero point."""
    for zero_point, end in ((127, (1 << 31) - 1), (-128, -(1 << 31))):
        b = Builder("wrap")
        x = b.activation("x", (1, 1, 1, 1), 1 + 2**-14, 0)
        weights = b.constant("w", np.zeros((1, 1, 1, 1), np.int8), QuantParams.per_tensor(1 - 2**-14, 0))
        bias = b.constant("b", np.array([end], np.int32), QuantParams.per_tensor(1 - 2**-28, 0))
        y = b.conv(x, weights, bias, b.activation("y", (1, 1, 1, 1), 1.0, zero_point), "VALID")
        graph = b.graph(y)
        assert ops.run(graph, {"x": np.zeros((1, 1, 1, 1), np.int8)})[y] == (-128 if end > 0 else 127)
        assert_equals_tflm(graph, inputs_of(graph))
        assert_equals_engine(engine_host, [graph])


@pytest.mark.parametrize("op", ["CONV_2D", "FULLY_CONNECTED"])
def test_scales_are_multiplied_in_float64(op: str) -> None:
    """At accumulators where a product in float32 would give another output; TFLite Micro is seen to do the same."""
    b = Builder("float64")
    ones = (1, 1, 1) if op == "CONV_2D" else (1,)
    x = b.activation("x", (1, *ones), 0.0123, 0)
    weights = b.constant("w", np.zeros((64, *ones), np.int8), QuantParams.per_tensor(0.00777, 0))
    y = b.activation("y", (1, *ones[1:], 64), 1e3, 0)
    scales = [b.tensors[n].scale for n in (x, weights, y)]
    double, single = scales[0] * scales[1], float(np.float32(scales[0]) * np.float32(scales[1]))
    values = np.rint((np.arange(40, 104) + 0.5) / ((double + single) / 2 / scales[2])).astype(np.int32)
    outputs = [
        numerics.requantise(values, *numerics.quantize_multiplier(product / scales[2]), 0)
        for product in (double, single)
    ]
    assert (outputs[0] != outputs[1]).all()
    bias = b.constant("b", values, QuantParams.per_tensor(single, 0))
    if op == "CONV_2D":
        b.conv(x, weights, bias, y, "VALID")
    else:
        b.node(op, [x, weights, bias], y, activation="NONE", keep_num_dims=False)
    assert_equals_tflm(b.graph(y), inputs_of(b.graph(y)))


@pytest.mark.parametrize("seed", range(3))
def test_every_sum_of_two_integers(seed: int) -> None:
    b, rng = Builder("add"), np.random.default_rng(seed)
    for name in ("a", "b", "y"):
        b.activation(name, (1, 256, 256, 1), float(rng.uniform(0.001, 0.2)), int(rng.integers(-128, 128)))
    b.node("ADD", ["a", "b"], "y", activation="NONE")
    first, second = np.mgrid[-128:128, -128:128].astype(np.int8).reshape(2, 1, 256, 256, 1)
    graph = Graph("add", b.tensors, tuple(b.nodes), ("a", "b"), ("y",))
    assert_equals_tflm(graph, {"a": first, "b": second})


@pytest.mark.parametrize("half", [1, 2, 3, 4, 7, 30])
def test_six_is_quantised_in_float32(half: int) -> None:
    """At scales where the quotient is half an integer in float32 alone, so that RELU6 clamps one higher."""
    b = Builder("relu6")
    scale = float(np.nextafter(np.float32(6 / (half + 0.5)), np.float32(7)))
    while np.float32(6) / np.float32(scale) < np.float32(half + 0.5):
        scale = float(np.nextafter(np.float32(scale), np.float32(0)))
    x = b.activation("x", (1, 1, 1, 1), scale, -100)
    attrs = dict(filter_h=1, filter_w=1, stride_h=1, stride_w=1, padding="VALID", activation="RELU6")
    graph = b.graph(b.node("MAX_POOL_2D", [x], b.like("y", x, (1, 1, 1, 1)), **attrs))
    top = np.full((1, 1, 1, 1), 127, np.int8)
    assert ops.run(graph, {"x": top})["y"] == half + 1 - 100
    assert_equals_tflm(graph, {"x": top})


def test_a_shrunk_axis_that_runs_backwards_is_refused() -> None:
    """TFLite Micro goes round its loop not once, and leaves in the output what the arena held."""
    b = Builder("shrunk")
    x = b.activation("x", (1, 4, 3), 0.1, 0)
    tables = [b.constant(f"t{i}", np.array(t, np.int32)) for i, t in enumerate(([0, 2, 0], [1, 1, 3], [1, -1, 1]))]
    masks = dict(begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=2, offset=False)
    graph = b.graph(b.node("STRIDED_SLICE", [x, *tables], b.like("y", x, (1, 3)), **masks))
    with pytest.raises(Unsupported, match="backwards along axis 1"):
        ops.check(graph)
    feeds = {"x": np.full((1, 4, 3), 77, np.int8)}
    assert 77 not in tflm_outputs(graph, feeds)[0]


@pytest.mark.parametrize(("op", "output"), [("LOGISTIC", logistic.LOGISTIC_OUTPUT), ("TANH", logistic.TANH_OUTPUT)])
def test_scales_that_tflite_would_shift_out_of_an_int64_are_refused(op: str, output: QuantParams) -> None:
    below = float(np.nextafter(np.float32(2**35), np.float32(0)))
    last, beyond = (lut.case(op, (scale, output.scale[0]), (-3, output.zero_point[0])) for scale in (below, 2.0**35))
    assert_equals_tflm(last, inputs_of(last))
    with pytest.raises(Unsupported, match="input scale of"):
        ops.check(beyond)


def test_softmax_of_one_number_in_a_batch() -> None:
    """A tensor [1] is one sample of no axes: each sample is a row of its own."""
    b = Builder("softmax")
    x = b.activation("x", (1,), 0.1, 0)
    y = b.node("SOFTMAX", [x], b.activation("y", (1,), 1 / 256, -128), beta=1.0)
    assert_equals_tflm(b.graph(y), inputs_of(b.graph(y)))


# Random shapes, scales and paddings. Each example draws several graphs, since starting the program and hypothesis'
# own bookkeeping cost more than running a small kernel.

SIZES = st.sampled_from((1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17))
SMALL = st.integers(1, 4)
SCALES = st.sampled_from((1e-6, 0.003, 0.02, 0.05, 0.3, 1.0, 40.0))
ANY_SCALE = st.floats(-12, 4).map(lambda exponent: float(2**exponent))
ZERO_POINTS = st.sampled_from((-128, -127, -20, -1, 0, 1, 20, 126, 127))
ACTIVATIONS = st.sampled_from(("NONE", "RELU", "RELU6"))
RANDOM = settings(max_examples=50, suppress_health_check=list(HealthCheck))


@st.composite
def convolutions(draw: st.DrawFn) -> Graph:
    return conv2d.case(
        (1, draw(SIZES), draw(SIZES), draw(SIZES)),
        draw(st.integers(2, 9)),
        (draw(SMALL), draw(SMALL)),
        stride=(draw(SMALL), draw(SMALL)),
        dilation=(draw(st.integers(1, 2)), draw(st.integers(1, 2))),
        padding="SAME",
        activation=draw(ACTIVATIONS),
        per_channel=draw(st.booleans()),
        bias=draw(st.booleans()),
        zero_points=(draw(ZERO_POINTS), draw(ZERO_POINTS)),
        scales=(draw(SCALES), draw(SCALES)),
        seed=draw(st.integers(0, 1 << 30)),
    )


@st.composite
def pools(draw: st.DrawFn) -> Graph:
    b = Builder("pool")
    h, w, c = draw(SIZES), draw(SIZES), draw(SIZES)
    size, stride = (draw(SMALL), draw(SMALL)), (draw(SMALL), draw(SMALL))
    same = draw(st.booleans())
    assume(same or (size[0] <= h and size[1] <= w))
    out = [-(-n // s) if same else (n - k) // s + 1 for n, k, s in zip((h, w), size, stride, strict=True)]
    x = b.activation("x", (1, h, w, c), draw(SCALES), draw(ZERO_POINTS))
    attrs = dict(filter_h=size[0], filter_w=size[1], stride_h=stride[0], stride_w=stride[1])
    op = draw(st.sampled_from(("MAX_POOL_2D", "AVERAGE_POOL_2D")))
    padding = "SAME" if same else "VALID"
    y = b.node(op, [x], b.like("y", x, (1, *out, c)), **attrs, padding=padding, activation=draw(ACTIVATIONS))
    return b.graph(y)


@st.composite
def pairs(draw: st.DrawFn) -> Graph:
    """An operator of two operands, of one shape or broadcast, one of them perhaps a constant."""
    op = draw(st.sampled_from(("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "PRELU")))
    shape = (1, draw(SMALL), draw(SIZES), draw(SMALL))
    other = tuple(draw(st.sampled_from((n, 1))) for n in shape)
    fixed = op == "PRELU" or draw(st.booleans())
    if fixed:
        other = other[draw(st.integers(0, 3)) :]
    swapped = op != "PRELU" and draw(st.booleans())
    constant = None if not fixed else 0 if swapped else 1
    scales, zero_points = (draw(SCALES), draw(SCALES), draw(SCALES)), (draw(ZERO_POINTS),) * 3
    if op in ("MAXIMUM", "MINIMUM"):
        scales = (scales[0],) * 3
    else:
        zero_points = (zero_points[0], draw(ZERO_POINTS), draw(ZERO_POINTS))
    attrs = {"activation": draw(ACTIVATIONS)} if op in ("ADD", "SUB", "MUL") else {}
    shapes = (other, shape) if swapped else (shape, other)
    return broadcast.case(op, shapes, scales, zero_points, constant=constant, **attrs)


@st.composite
def tables(draw: st.DrawFn) -> Graph:
    """An operator of one input on every integer."""
    op = draw(st.sampled_from(("ABS", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "RELU", "RELU6", "TANH")))
    scales = (draw(ANY_SCALE), draw(ANY_SCALE))
    zero_points = (draw(ZERO_POINTS), draw(ZERO_POINTS))
    if op in ("LOGISTIC", "TANH"):
        output = logistic.LOGISTIC_OUTPUT if op == "LOGISTIC" else logistic.TANH_OUTPUT
        scales, zero_points = (scales[0], output.scale[0]), (zero_points[0], output.zero_point[0])
    elif op == "RELU6":
        scales, zero_points = (scales[0],) * 2, (zero_points[0],) * 2
    attrs = {"alpha": draw(st.floats(0, 2, width=32))} if op == "LEAKY_RELU" else {}
    return lut.case(op, scales, zero_points, **attrs)


@st.composite
def fully_connecteds(draw: st.DrawFn) -> Graph:
    b = Builder("fully_connected", draw(st.integers(0, 1 << 30)))
    inputs, outputs = draw(SIZES), draw(SIZES)
    x = b.activation("x", (1, inputs), draw(SCALES), draw(ZERO_POINTS))
    y = b.activation("y", (1, outputs), draw(SCALES), draw(ZERO_POINTS))
    weights = b.weights("w", outputs, inputs, scale=draw(SCALES))
    if draw(st.booleans()):
        scale = b.tensors[weights].quant.scale[:1]  # type: ignore[union-attr]
        b.constant(weights, b.tensors[weights].data, QuantParams(scale, (0,)))  # type: ignore[arg-type]
    operands = [x, weights, b.bias("b", x, weights)] if draw(st.booleans()) else [x, weights]
    return b.graph(b.node("FULLY_CONNECTED", operands, y, activation=draw(ACTIVATIONS), keep_num_dims=False))


@st.composite
def means(draw: st.DrawFn) -> Graph:
    op, keep = draw(st.sampled_from(("MEAN", "SUM"))), draw(st.booleans())
    axes = draw(st.lists(st.sampled_from((1, 2, 3)), min_size=1, max_size=3, unique=True))
    shape = (1, draw(SIZES), draw(SIZES), draw(SIZES))
    return mean.case(op, shape, tuple(axes), (draw(SCALES), draw(SCALES)), keep, (draw(ZERO_POINTS), draw(ZERO_POINTS)))


@st.composite
def padded_windows(draw: st.DrawFn) -> Graph:
    """A PAD that the planner folds into the convolution or the max pool behind it, or keeps."""
    b = Builder("padded", draw(st.integers(0, 1 << 30)))
    h, w, c = draw(SIZES), draw(SIZES), draw(SMALL)
    amounts = [[0, 0], [draw(SMALL), draw(SMALL)], [draw(SMALL), draw(SMALL)], [0, 0]]
    height, width = h + sum(amounts[1]), w + sum(amounts[2])
    x = b.activation("x", (1, h, w, c), 0.05, draw(ZERO_POINTS))
    table = b.constant("amounts", np.array(amounts, np.int32))
    padded = b.node("PAD", [x, table], b.like("padded", x, (1, height, width, c)))
    op = draw(st.sampled_from(("CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D")))
    size = draw(st.integers(1, min(3, height, width)))
    shape = (1, height - size + 1, width - size + 1)
    if op == "CONV_2D":
        y = b.activation("y", (*shape, 3), 0.3, draw(ZERO_POINTS))
        weights = b.weights("w", 3, size, size, c)
        return b.graph(b.conv(padded, weights, b.bias("b", padded, weights), y, "VALID"))
    return b.graph(b.pool(op, padded, b.like("y", x, (*shape, c)), size, 1))


FAMILIES: dict[str, st.SearchStrategy[Graph]] = {
    "convolutions": convolutions(),
    "pools": pools(),
    "pairs": pairs(),
    "tables": tables(),
    "fully_connecteds": fully_connecteds(),
    "means": means(),
    "padded_windows": padded_windows(),
}


def possible(graphs: list[Graph]) -> list[Graph]:
    """Those whose factors TFLite can express; the others are refused, which other tests check."""
    kept = []
    for graph in graphs:
        try:
            ops.check(graph)
        except BadInput:
            continue
        kept.append(graph)
    return kept


@pytest.mark.parametrize("family", FAMILIES)
def test_random_operators_are_equal_everywhere(family: str, engine_host: EngineHost) -> None:
    seen: list[Any] = []

    @RANDOM
    @given(st.lists(FAMILIES[family], min_size=6, max_size=6), st.integers(0, 1 << 30))
    def check(drawn: list[Graph], seed: int) -> None:
        graphs = possible(drawn)
        for graph in graphs:
            assert_equals_tflm(graph, inputs_of(graph, seed))
        if graphs:
            assert_equals_engine(engine_host, [one_input(g) for g in graphs], seed)
        seen.extend(graphs)

    check()
    assert len(seen) > 60  # most draws are possible
    if family == "padded_windows":
        folded = [g for g in seen if len(fold_pad(g).nodes) == 1]
        assert 10 < len(folded) < len(seen)
