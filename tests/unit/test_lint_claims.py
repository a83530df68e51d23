"""What `edgeq lint` says of TFLite Micro, against TFLite Micro itself: it refuses, or goes on as if nothing were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
from edited import TYPES, converted_ends, edited, tensor
from shared_data import FOLDER
from test_lint import CLEAN, all_of, code, dense, linted, put, quant, weights_of
from tflm_alone import outcomes

from edgeq import ops
from edgeq.bench.oracles import has_tflm
from edgeq.convert import write_tflite
from edgeq.convert.lint_rules import ERROR, RULES, TFLM
from edgeq.graph import Graph, QuantParams

pytestmark = pytest.mark.skipif(not has_tflm(), reason="TFLite Micro's interpreter is not installed")
REFUSED = "refused"
IGNORED = "ignored"  # it answers as if the file said otherwise than it does
ASTRAY = "astray"  # it ends the process, or answers something else


@dataclass(frozen=True)
class Claim:
    """A rule, a model that breaks it, the sound one that it was, and what TFLite Micro does with it."""

    rule: str
    sound: bytes
    broken: bytes
    does: str


def case(op: str, index: int = 0) -> Graph:
    """One of the operator's own cases."""
    return list(ops.OPS[op].cases())[index]


def claim(rule: str, graph: Graph, change: Callable[[Any], Any], does: str) -> Claim:
    sound = write_tflite(graph)
    return Claim(rule, sound, edited(sound, change), does)


def names(graph: Graph) -> tuple[str, str, str, str]:
    """Activation, weights, bias and output of a graph's one weighted operator."""
    (node,) = [n for n in graph.nodes if n.op in WEIGHTED]
    x, weights, bias = (node.inputs[i] for i in WEIGHTED[node.op])
    return x, weights, bias, node.outputs[0]


def retyped(kind: int, *tensors: str) -> Callable[[Any], None]:
    return all_of(*(put(name, type=kind) for name in tensors))


def requantised(op: str, does: str, *, scale: float = 1.0, shift: int = 0) -> Claim:
    """The output of `op` at another scale or zero point."""
    graph = case(op)
    (node,) = [n for n in graph.nodes if n.op == op]
    y = graph.tensor(node.outputs[0])
    assert y.quant is not None
    zero = y.zero_point + (shift if y.zero_point + shift <= 127 else -shift)
    other = replace(y, quant=QuantParams((y.scale * scale,), (zero,)))
    changed = graph.rebuilt(graph.nodes, {**graph.tensors, y.name: other})
    rule = "output-scale" if op in ("SOFTMAX", "LOGISTIC", "TANH") else "same-scale"
    return Claim(rule, write_tflite(graph), write_tflite(changed), does)


WEIGHTED = {
    "CONV_2D": (0, 1, 2), "DEPTHWISE_CONV_2D": (0, 1, 2), "FULLY_CONNECTED": (0, 1, 2), "TRANSPOSE_CONV": (2, 1, 3),
}  # fmt: skip
MOVING = (
    "MAXIMUM", "MINIMUM", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "MIRROR_PAD", "TRANSPOSE", "SLICE", "STRIDED_SLICE",
    "SPLIT", "SPLIT_V", "RELU6", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE",
)  # fmt: skip
COMPARING = ("MAX_POOL_2D", "AVERAGE_POOL_2D", "CONCATENATION", "PADV2")
PER_CHANNEL = case("DEPTHWISE_CONV_2D", 1)  # whose weights have as many columns as channels


def claims() -> dict[str, Claim]:
    out = {
        "dynamic-shape": claim("dynamic-shape", CLEAN, put("x", shape=[-1, 8, 8, 3]), REFUSED),
        "constant-size": claim("constant-size", CLEAN, put("w1", shape=[4, 3, 3, 4]), ASTRAY),
        "missing-operator": claim("missing-operator", CLEAN, code("CONV_2D", "CUSTOM", "Mystery"), REFUSED),
        "sparse": claim("sparse", CLEAN, lambda m: setattr(tensor(m, "w1"), "sparsity", _sparsity()), IGNORED),
        "channel-count": claim("channel-count", CLEAN, quant("w1", scale=[0.01] * 3, zeroPoint=[0] * 3), REFUSED),
        "channel-axis": claim("channel-axis", CLEAN, quant("w1", quantizedDimension=3), REFUSED),
        "channel-axis, as long": claim(
            "channel-axis", PER_CHANNEL, quant(names(PER_CHANNEL)[1], quantizedDimension=1), IGNORED
        ),
        "scale of nothing": claim("scale", CLEAN, quant("stem", scale=[0.0]), REFUSED),
        "scale below nothing": claim("scale", CLEAN, quant("x", scale=[-1.0]), ASTRAY),
        "scale without bound": claim("scale", CLEAN, quant("mean", scale=[float("inf")]), ASTRAY),
        "scale that is none": claim("scale", CLEAN, quant("w1", scale=[float("nan")] * 4), ASTRAY),
        "zero point": claim("scale", CLEAN, quant("x", zeroPoint=[200]), ASTRAY),
        "no-scale of an input": claim("no-scale", CLEAN, put("x", quantization=None), REFUSED),
        "no-scale of a mean": claim("no-scale", CLEAN, put("mean", quantization=None), ASTRAY),
        "PAD fills": requantised("PAD", ASTRAY, shift=5),
        "SOFTMAX's scale": requantised("SOFTMAX", REFUSED, scale=2),
        "LOGISTIC's scale": requantised("LOGISTIC", IGNORED, scale=2),
        "LOGISTIC's zero point": requantised("LOGISTIC", REFUSED, shift=5),
        "TANH's scale": requantised("TANH", IGNORED, scale=2),
        "TANH's zero point": requantised("TANH", IGNORED, shift=5),
    }
    for op in WEIGHTED:
        x, weights, bias, y = names(case(op))
        out[f"hybrid {op}"] = claim("hybrid", case(op), retyped(TYPES.FLOAT32, x, y), REFUSED)
        out[f"unsigned {op}"] = claim("unsigned", case(op), retyped(TYPES.UINT8, x, y), REFUSED)
        does = REFUSED if op == "FULLY_CONNECTED" else IGNORED
        out[f"bias-scale {op}"] = claim("bias-scale", case(op), quant(bias, scale=[30.0]), does)
        if op != "FULLY_CONNECTED":
            zeros = [1] * len(case(op).tensor(weights).quant.zero_point)  # type: ignore[union-attr]
            out[f"symmetry {op}"] = claim("weights-not-symmetric", case(op), quant(weights, zeroPoint=zeros), IGNORED)
    for op in (*MOVING, *COMPARING):
        does = REFUSED if op in COMPARING else IGNORED
        out[f"same-scale {op}"] = requantised(op, does, scale=2)
        out[f"same zero point {op}"] = requantised(op, does, shift=5)
    return out


def _sparsity() -> Any:
    from ai_edge_litert import schema_py_generated as schema

    return schema.SparsityParametersT()


CLAIMS = claims()


@pytest.fixture(scope="module")
def ended() -> dict[bytes, str]:
    """How TFLite Micro ends with each of these files."""
    files = list(dict.fromkeys(data for c in CLAIMS.values() for data in (c.sound, c.broken)))
    return dict(zip(files, outcomes(files), strict=True))


@pytest.mark.parametrize("name", CLAIMS)
def test_what_is_said_of_tflite_micro_is_so(name: str, ended: dict[bytes, str]) -> None:
    c = CLAIMS[name]
    errors = {f.rule for f in linted(c.broken) if f.severity == ERROR and TFLM in f.who}
    assert c.rule in errors
    assert c.rule not in {f.rule for f in linted(c.sound)}
    before, after = ended[c.sound], ended[c.broken]
    assert before.startswith("ran ")
    does = REFUSED if after == "refused" else IGNORED if after == before else ASTRAY
    assert does == c.does


def test_every_error_of_tflite_micros_is_tried() -> None:
    """But for the schema's version, which is the application's to look at."""
    said = {name for name, rule in RULES.items() if rule.severity == ERROR and TFLM in rule.who}
    assert said - {"schema-version"} == {c.rule for c in CLAIMS.values()}


def unharmed() -> list[tuple[str, bytes]]:
    """Two of every operator's cases, and what is a warning or a note."""
    made = [(f"{op}-{i}", write_tflite(g)) for op in ops.OPS for i, g in enumerate(islice(ops.OPS[op].cases(), 2))]
    ends = [(kind, edited(write_tflite(CLEAN), converted_ends(getattr(TYPES, kind)))) for kind in ("FLOAT32", "UINT8")]
    others = {
        "version": code("CONV_2D", "CONV_2D", version=9),
        "-128": weights_of("w1", -128),
        "schema": lambda m: setattr(m, "version", 2),
    }
    return made + ends + [(name, edited(write_tflite(CLEAN), change)) for name, change in others.items()]


def test_what_no_error_is_said_of_runs() -> None:
    models = unharmed()
    for (name, data), end in zip(models, outcomes([data for _, data in models]), strict=True):
        errors = [f for f in linted(data) if f.severity == ERROR and TFLM in f.who and f.rule != "schema-version"]
        assert (errors, end[:4]) == ([], "ran "), name


def test_a_scale_for_each_row_is_right_in_this_runtime() -> None:
    """Which is a current one; the warning is for those that are not."""
    from tflite_micro.python.tflite_micro import runtime

    graph = dense()
    data = write_tflite(graph)
    assert "per-channel-fully-connected" in {f.rule for f in linted(data)}
    x = np.random.default_rng(0).integers(-128, 128, (1, 8), dtype=np.int8)
    interpreter = runtime.Interpreter.from_bytes(data, arena_size=1 << 20)
    interpreter.set_input(x, 0)
    interpreter.invoke()
    np.testing.assert_array_equal(interpreter.get_output(0), ops.run(graph, {"x": x})["shares"])


def test_models_of_others_run_unless_an_error_says_otherwise() -> None:
    paths = sorted(FOLDER.rglob("*.tflite"))
    if not paths:
        pytest.skip(f"no models in {FOLDER}")
    files = [path.read_bytes() for path in paths]
    errors = [[f.rule for f in linted(data) if f.severity == ERROR and TFLM in f.who] for data in files]
    assert [end[:4] == "ran " for end in outcomes(files)] == [not rules for rules in errors]
    assert {path.stem: set(rules) for path, rules in zip(paths, errors, strict=True) if rules} == {
        "kws_ref_model_float32": {"hybrid"}
    }
