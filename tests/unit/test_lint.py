"""`edgeq lint`: a model without fault, and for each rule one that breaks it."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from edited import TYPES, converted_ends, edited, operator, tensor, twin
from graphs import Builder, every_kernel
from shared_data import tflite_files

from edgeq.convert import lint, write_tflite
from edgeq.convert.lint_rules import RULES, Finding, refused
from edgeq.errors import BadInput
from edgeq.graph import Graph
from edgeq.ops import OPS
from edgeq.pipeline.lint import lint_file
from edgeq.toolchain.resolver import BUILTINS, CUSTOM

ROOT = Path(__file__).parents[2]
CODES = schema.BuiltinOperator


def linted(data: bytes) -> list[Finding]:
    return lint.lint(data, "model.tflite", BUILTINS, CUSTOM)


def changed(graph: Graph, change: Callable[[Any], Any]) -> bytes:
    """The graph's file after a change to its object form."""
    return edited(write_tflite(graph), change)


def put(name: str, **fields: Any) -> Callable[[Any], None]:
    """Sets fields of a tensor."""

    def change(model: Any) -> None:
        for field, value in fields.items():
            setattr(tensor(model, name), field, value)

    return change


def quant(name: str, **fields: Any) -> Callable[[Any], None]:
    """Sets fields of a tensor's quantisation."""

    def change(model: Any) -> None:
        for field, value in fields.items():
            setattr(tensor(model, name).quantization, field, value)

    return change


def code(old: str, new: str, custom: str | None = None, version: int = 1) -> Callable[[Any], None]:
    """Makes one operator another."""

    def change(model: Any) -> None:
        for entry in model.operatorCodes:
            if entry.builtinCode == getattr(CODES, old):
                entry.builtinCode = entry.deprecatedBuiltinCode = getattr(CODES, new)
                entry.customCode, entry.version = custom, version

    return change


def all_of(*changes: Callable[[Any], Any]) -> Callable[[Any], None]:
    return lambda model: [change(model) for change in changes] and None


def every_type(old: int, new: int) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        for t in model.subgraphs[0].tensors:
            t.type = new if t.type == old and not model.buffers[t.buffer].data is not None else t.type

    return change


def weights_of(name: str, value: int) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        buffer = model.buffers[tensor(model, name).buffer]
        buffer.data = np.array(buffer.data, np.uint8)
        buffer.data[3] = value % 256

    return change


def clean() -> Graph:
    """A small network that breaks no rule."""
    b = Builder("clean")
    x = b.activation("x", (1, 8, 8, 3), 0.02, -3)
    weights = b.weights("w1", 4, 3, 3, 3)
    stem = b.activation("stem", (1, 8, 8, 4), 0.05, -128)
    b.conv(x, weights, b.bias("b1", x, weights), stem, "SAME", "RELU")
    amounts = b.constant("amounts", np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
    padded = b.node("PAD", [stem, amounts], b.like("stem/pad", stem, (1, 10, 10, 4)))
    pooled = b.pool("MAX_POOL_2D", padded, b.like("pooled", stem, (1, 4, 4, 4)), 3, 2)
    mean = b.activation("mean", (1, 4), 0.03, -100)
    b.node("MEAN", [pooled, b.constant("axes", np.array([1, 2], np.int32))], mean, keep_dims=False)
    return b.graph(b.node("SOFTMAX", [mean], b.activation("shares", (1, 4), 1 / 256, -128), beta=1.0))


def dense() -> Graph:
    """Two dense layers, the first with a scale per channel, and a SOFTMAX over 600 classes."""
    b = Builder("dense")
    x = b.activation("x", (1, 8), 0.05, 3)
    for name, source, inputs, outputs in (("a", x, 8, 6), ("logits", "a", 6, 600)):
        weights = b.weights(f"{name}/w", outputs, inputs)
        operands = [source, weights, b.bias(f"{name}/b", source, weights)]
        b.activation(name, (1, outputs), 0.1, -5)
        b.node("FULLY_CONNECTED", operands, name, activation="NONE", keep_num_dims=False)
    return b.graph(b.node("SOFTMAX", ["logits"], b.activation("shares", (1, 600), 1 / 256, -128), beta=1.0))


def grouped() -> Graph:
    """A convolution in two groups, dilated, and one that adds a channel vector."""
    b = Builder("grouped")
    x = b.activation("x", (1, 6, 6, 4), 0.05, 3)
    weights = b.weights("w", 4, 3, 3, 2)
    y = b.conv(x, weights, b.bias("b", x, weights), b.activation("y", (1, 6, 6, 4), 0.1, 0), "SAME")
    values = b.constant("v", np.arange(4, dtype=np.int8), b.tensors[x].quant)
    return b.graph(b.node("ADD", [y, values], b.activation("z", (1, 6, 6, 4), 0.2, 0), activation="NONE"))


def depthwise() -> Graph:
    """One depthwise convolution of three channels."""
    return list(OPS["DEPTHWISE_CONV_2D"].cases())[1]


CLEAN = clean()
BREACHES: dict[str, tuple[Graph, Callable[[Any], Any]]] = {
    "schema-version": (CLEAN, lambda m: setattr(m, "version", 2)),
    "several-graphs": (CLEAN, lambda m: m.subgraphs.append(m.subgraphs[0])),
    "several-ends": (CLEAN, lambda m: setattr(m.subgraphs[0], "outputs", [0, 1])),
    "dynamic-shape": (CLEAN, put("x", shape=[-1, 8, 8, 3])),
    "batch": (CLEAN, put("x", shape=[4, 8, 8, 3])),
    "constant-size": (CLEAN, put("w1", shape=[4, 3, 3, 4])),
    "scale": (CLEAN, quant("stem", scale=[float("nan")])),
    "no-scale": (CLEAN, put("stem", quantization=None)),
    "sparse": (CLEAN, put("w1", sparsity=schema.SparsityParametersT())),
    "variable": (CLEAN, put("pooled", isVariable=True)),
    "converted-ends": (CLEAN, converted_ends(TYPES.FLOAT32)),
    "float-model": (CLEAN, every_type(TYPES.INT8, TYPES.FLOAT32)),
    "float-island": (CLEAN, all_of(put("pooled", type=TYPES.FLOAT32), put("stem/pad", type=TYPES.FLOAT32))),
    "hybrid": (CLEAN, put("x", type=TYPES.FLOAT32)),
    "unsigned": (CLEAN, put("stem/pad", type=TYPES.UINT8)),
    "weights-not-symmetric": (CLEAN, quant("w1", zeroPoint=[1, 0, 0, 0])),
    "weights-minus-128": (CLEAN, weights_of("w1", -128)),
    "channel-axis": (CLEAN, quant("w1", quantizedDimension=3)),
    "channel-count": (CLEAN, quant("w1", scale=[0.01] * 3, zeroPoint=[0] * 3)),
    "per-channel-fully-connected": (dense(), lambda m: None),
    "bias-scale": (CLEAN, quant("b1", scale=[0.5] * 4)),
    "depthwise-bias": (depthwise(), lambda m: setattr(m.subgraphs[0].operators[0], "inputs", [0, 1])),
    "same-scale": (CLEAN, quant("pooled", scale=[0.7])),
    "output-scale": (CLEAN, quant("shares", scale=[0.01])),
    "softmax-classes": (dense(), lambda m: None),
    "grouped-convolution": (grouped(), lambda m: None),
    "slow-kernel": (grouped(), lambda m: None),
    "missing-operator": (CLEAN, code("CONV_2D", "CUSTOM", "Mystery")),
    "unknown-operator": (CLEAN, code("MEAN", "SQRT")),
    "operator-version": (CLEAN, code("CONV_2D", "CONV_2D", version=9)),
    "not-int8": (CLEAN, put("pooled", type=TYPES.INT16)),
    "engine-rule": (CLEAN, lambda m: setattr(m.subgraphs[0].operators[0].builtinOptions, "strideH", 0)),
}
# Of bytes, not of the model: below.
OF_BYTES = {"unaligned-constant", "vector-alignment"}


def test_a_model_without_fault() -> None:
    assert linted(write_tflite(CLEAN)) == []


def test_every_kernel_of_ours_is_an_operator_of_both() -> None:
    found = {f.rule for f in linted(write_tflite(every_kernel()))}
    assert not found & {"missing-operator", "unknown-operator", "engine-rule", "same-scale", "output-scale"}


def test_every_rule_is_broken_here() -> None:
    assert set(BREACHES) | OF_BYTES == set(RULES)


@pytest.mark.parametrize("rule", BREACHES)
def test_a_breach_is_found(rule: str) -> None:
    graph, change = BREACHES[rule]
    before = [f.rule for f in linted(write_tflite(graph))]
    found = linted(changed(graph, change))
    assert rule in {f.rule for f in found}, found
    if write_tflite(graph) != changed(graph, change) and graph is CLEAN:
        assert before.count(rule) < [f.rule for f in found].count(rule)
    assert refused(found) == any(RULES[f.rule].severity == "error" for f in found)
    assert all(f.where and f.what and f.hint and f.who for f in found)


def test_constants_that_are_not_on_16_bytes() -> None:
    (found,) = linted(changed(CLEAN, lambda m: m))  # the object form packs them anywhere
    assert found.rule == "vector-alignment" and re.match(r"\d+ constants? ", found.what)


def test_an_int32_constant_between_words() -> None:
    """Its vector moved five bytes on, where a length and the same values stand."""
    values = CLEAN.constant(CLEAN.nodes[0], 2).tobytes()

    def nested(model: Any) -> None:
        model.buffers[tensor(model, "b1").buffer].data = list(b"\0" + struct.pack("<I", len(values)) + values)

    data = bytearray(changed(CLEAN, nested))
    model = schema.Model.GetRootAs(data, 0)
    names = [model.Subgraphs(0).Tensors(i).Name() for i in range(model.Subgraphs(0).TensorsLength())]
    table = model.Buffers(model.Subgraphs(0).Tensors(names.index(b"b1")).Buffer())._tab
    at = table.Pos + table.Offset(4)
    struct.pack_into("<I", data, at, struct.unpack_from("<I", data, at)[0] + 5)
    assert "unaligned-constant" in {f.rule for f in linted(bytes(data))}


def test_an_operator_of_no_one_is_named_once_for_each_who_lacks_it() -> None:
    found = [f for f in linted(changed(CLEAN, code("CONV_2D", "CUSTOM", "Mystery"))) if "Mystery" in f.where]
    assert [f.rule for f in found if f.where == found[0].where] == ["missing-operator", "unknown-operator"]


@pytest.mark.parametrize("data", [b"", b"\0\0\0\0TFL3", b"\xff" * 4 + b"TFL3" + b"\xff" * 99])
def test_what_is_no_tflite_file_is_refused(data: bytes) -> None:
    with pytest.raises(BadInput, match=r"model\.tflite"):
        linted(data)


@pytest.mark.parametrize("kind", ["FLOAT32", "UINT8"])
def test_converted_ends_are_no_fault(kind: str) -> None:
    """edgeq takes such a model (test_integer_edges), so that nothing but a note of either end is left."""
    found = linted(edited(write_tflite(CLEAN), converted_ends(getattr(TYPES, kind))))
    told = [(f.where, f.what) for f in found if f.rule != "vector-alignment"]
    last = "DEQUANTIZE" if kind == "FLOAT32" else "QUANTIZE"
    assert [where for where, _ in told] == ["operator 0 QUANTIZE", f"operator 6 {last}"]
    assert all(f"converts a {kind.lower()} end" in what for _, what in told)
    assert not refused(found)


def test_converted_ends_are_told_from_what_is_wrong_between_them() -> None:
    """Where edgeq refuses the model for another reason, its ends are none."""
    change = all_of(converted_ends(TYPES.FLOAT32), code("MEAN", "SQRT"))
    found = {f.where: f.rule for f in linted(edited(write_tflite(CLEAN), change)) if f.severity != "note"}
    assert found == {"operator 4 SQRT": "unknown-operator"}


def test_an_island_is_named_with_the_conversions_around_it() -> None:
    def island(model: Any) -> None:
        (sub,) = model.subgraphs
        pooled = next(o for o in sub.operators if o.outputs == [sub.tensors.index(tensor(model, "pooled"))])
        floats = [twin(model, i, TYPES.FLOAT32) for i in (pooled.inputs[0], pooled.outputs[0])]
        at = sub.operators.index(pooled)
        ends = [(pooled.inputs[0], floats[0]), (floats[1], pooled.outputs[0])]
        pooled.inputs, pooled.outputs = floats[:1], floats[1:]
        sub.operators.insert(at, operator(model, "DEQUANTIZE", *ends[0]))
        sub.operators.insert(at + 2, operator(model, "QUANTIZE", *ends[1]))

    found = [(f.where, f.rule) for f in linted(edited(write_tflite(CLEAN), island)) if f.severity == "error"]
    assert found == [(f"operator {i} {name}", "float-island") for i, name in
                     ((2, "DEQUANTIZE"), (3, "MAX_POOL_2D"), (4, "QUANTIZE"))]  # fmt: skip


def test_damage_ends_in_findings_or_a_clear_error() -> None:
    original, rng, errors = write_tflite(CLEAN), np.random.default_rng(0), 0
    for _ in range(150):
        data = bytearray(original[: rng.integers(1, len(original))] if rng.random() < 0.2 else original)
        for at in rng.integers(0, len(data), rng.integers(1, 5)):
            data[at] ^= 1 << int(rng.integers(0, 8))
        try:
            linted(bytes(data))
        except BadInput:
            errors += 1
    assert errors > 20


def test_the_page_has_every_rule_as_it_is() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (\w+) \| ([^|]+) \|", (ROOT / "docs/lint.md").read_text(), re.MULTILINE)
    assert [(name, severity, tuple(who.strip().split(", "))) for name, severity, who in rows] == [
        (name, rule.severity, rule.who) for name, rule in RULES.items()
    ]


@pytest.mark.parametrize("path", tflite_files())
def test_models_of_others(path: Path) -> None:
    """Float models are told from integer ones, and no integer model that runs in TFLM breaks a rule of TFLM's."""
    found = lint_file(path)
    floats = {"float-model", "float-island"} & {f.rule for f in found}
    assert bool(floats) == (re.search(r"fp32|float|_f$|pretrainedResnet$", path.stem) is not None)
    if not floats:
        assert not [f for f in found if f.severity == "error" and f.who != ("edgeq",)]


@pytest.mark.parametrize("breach", [None, "same-scale"])
def test_the_command(breach: str | None, tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(changed(*BREACHES[breach]) if breach else write_tflite(CLEAN))
    command = [sys.executable, "-m", "edgeq", "lint", str(path)]
    ran = [subprocess.run([*command, *e], capture_output=True, text=True, check=False) for e in ([], ["--json"])]
    assert [r.returncode for r in ran] == [1 if breach else 0] * 2
    rules = {f["rule"] for f in json.loads(ran[1].stdout)["findings"]}
    assert all(rule in ran[0].stdout for rule in rules) and (breach in rules or breach is None)
    assert re.search(r"^\d+ errors?, \d+ warnings?, \d+ notes?$", ran[0].stdout, re.MULTILINE)
