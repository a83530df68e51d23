"""`.tflite` bytes: round trip, layout, damage, and files that others made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from edited import edited, tensor
from graphs import every_kernel

from edgeq import ops
from edgeq.convert import file_layout, read_tflite, write_tflite
from edgeq.errors import BadInput, EdgeqError, Unsupported
from edgeq.graph import Graph, to_text
from edgeq.plan import build_plan, encode_plan

DATA = Path(__file__).parents[3] / "shared" / "data"
CASES = [pytest.param(g, id=f"{op.name}-{i}") for op in ops.OPS.values() for i, g in enumerate(op.cases())]


@pytest.mark.parametrize("graph", [*CASES, pytest.param(every_kernel(), id="every-kernel")])
def test_round_trip(graph: Graph) -> None:
    data = write_tflite(graph)
    again = read_tflite(data)
    assert again.tensors == graph.tensors
    assert [(n.op, n.inputs, n.outputs, n.attrs) for n in again.nodes] == [
        (n.op, n.inputs, n.outputs, n.attrs) for n in graph.nodes
    ]
    assert to_text(again) == to_text(graph)
    assert write_tflite(again) == data  # the same graph gives the same bytes


def test_metadata_survives() -> None:
    graph = every_kernel().rebuilt(every_kernel().nodes, metadata={"source_sha256": "ab" * 32, "naïve": "ü"})
    assert read_tflite(write_tflite(graph)).metadata == graph.metadata


def test_metadata_that_is_no_text_survives() -> None:
    """TFLiteConverter's own notes are a flatbuffer."""
    binary = bytes(range(256))
    graph = every_kernel().rebuilt(every_kernel().nodes, metadata={"notes": binary.decode("utf-8", "surrogateescape")})
    again = read_tflite(write_tflite(graph))
    assert again.metadata["notes"].encode("utf-8", "surrogateescape") == binary


def test_an_arena_plan_by_tensor_numbers_does_not_outlive_its_file() -> None:
    """TFLite Micro follows it, and a file that is written anew may number its tensors otherwise."""
    plan = {"OfflineMemoryAllocation": "\1", "kept": "yes"}
    graph = every_kernel().rebuilt(every_kernel().nodes, metadata=plan)
    assert read_tflite(write_tflite(graph)).metadata == {"kept": "yes"}


def test_the_layout_says_where_constants_lie() -> None:
    graph = every_kernel()
    data = write_tflite(graph)
    layout = file_layout(data)
    constants = {t.name: t.data for t in graph.tensors.values() if t.data is not None}
    assert layout.file_bytes == len(data) and set(layout.constant_offset) == set(constants)
    for name, values in constants.items():
        at = layout.constant_offset[name]
        assert at % 16 == 0
        assert data[at : at + values.nbytes] == values.tobytes()
    assert layout.tensor_index == {name: i for i, name in enumerate(graph.tensors)}
    assert layout.operator_index == {node.outputs[0]: i for i, node in enumerate(graph.nodes)}


def changed(change: Callable[[Any], None]) -> bytes:
    """The file of `every_kernel` after a change to its object form."""
    return edited(write_tflite(every_kernel()), change)


def refused(data: bytes, kind: type[EdgeqError], *parts: str) -> None:
    with pytest.raises(kind) as caught:
        ops.check(read_tflite(data, "model.tflite"))
    assert type(caught.value) is kind
    for part in parts:
        assert part in str(caught.value)


def set_code(model: Any, code: int) -> None:
    model.operatorCodes[0].builtinCode = code


def set_type(model: Any, name: str, kind: int) -> None:
    tensor(model, name).type = kind


def set_quant(model: Any, name: str, **fields: Any) -> None:
    for field, value in fields.items():
        setattr(tensor(model, name).quantization, field, value)


def set_option(model: Any, operator: int, field: str, value: Any) -> None:
    setattr(model.subgraphs[0].operators[operator].builtinOptions, field, value)


def set_operator(model: Any, operator: int, field: str, value: Any) -> None:
    setattr(model.subgraphs[0].operators[operator], field, value)


RULES: dict[str, tuple[Callable[[Any], Any], type[EdgeqError], tuple[str, ...]]] = {
    "operator": (lambda m: set_code(m, 66), Unsupported, ("SIN", "supported:")),
    "custom": (lambda m: set_code(m, 32), Unsupported, ("CUSTOM",)),
    "float": (lambda m: set_type(m, "stem", 0), Unsupported, ("CONV_2D", "float32")),
    "type": (lambda m: set_type(m, "stem", 11), Unsupported, ("COMPLEX128",)),
    "bias type": (lambda m: set_type(m, "b1", 0), Unsupported, ("int32 bias",)),
    "scale": (lambda m: set_quant(m, "stem", scale=[0.0]), BadInput, ("above zero",)),
    "nan": (lambda m: set_quant(m, "stem", scale=[float("nan")]), BadInput, ("above zero",)),
    "zero point": (lambda m: set_quant(m, "stem", zeroPoint=[200]), BadInput, ("zero point", "stem")),
    "asymmetric": (lambda m: set_quant(m, "w1", zeroPoint=[1, 0, 0, 0]), Unsupported, ("symmetric", "w1")),
    "axis": (lambda m: set_quant(m, "w2", quantizedDimension=3), Unsupported, ("axis 0",)),
    "axis beyond": (lambda m: set_quant(m, "w1", quantizedDimension=9), BadInput, ("axis 9",)),
    "tied scales": (lambda m: set_quant(m, "pooled", scale=[0.7]), Unsupported, ("MAX_POOL_2D", "pooled")),
    "factor": (lambda m: set_quant(m, "stem", scale=[1e-30]), BadInput, ("too large", "node stem")),
    "activation": (lambda m: set_option(m, 0, "fusedActivationFunction", 4), Unsupported, ("TANH", "node stem")),
    "padding": (lambda m: set_option(m, 0, "padding", 7), Unsupported, ("padding 7", "node stem")),
    "stride": (lambda m: set_option(m, 0, "strideH", 0), Unsupported, ("stride", "node stem")),
    "shape": (lambda m: set_option(m, 0, "strideH", 2), BadInput, ("its output says", "node stem")),
    "options": (lambda m: set_operator(m, 0, "builtinOptionsType", 0), BadInput, ("no options", "stem")),
    "cycle": (lambda m: m.subgraphs[0].operators.reverse(), BadInput, ("before it is written (a cycle?)",)),
    "no output": (lambda m: set_operator(m, 0, "outputs", []), BadInput, ("before it is written",)),
    "many inputs": (lambda m: set_operator(m, 0, "inputs", [0] * 99), BadInput, ("99 inputs",)),
    "bad input": (lambda m: set_operator(m, 0, "inputs", [1, 3, 999]), BadInput, ("999 does not exist",)),
    "negative output": (lambda m: set_operator(m, 0, "outputs", [-1]), BadInput, ("-1 does not exist",)),
    "absent input": (lambda m: set_operator(m, 0, "inputs", [-1, 3]), BadInput, ("no input 0",)),
    "absent weights": (lambda m: set_operator(m, 0, "inputs", [1, -1]), BadInput, ("no input 1",)),
    "subgraphs": (lambda m: m.subgraphs.append(m.subgraphs[0]), Unsupported, ("2 subgraphs",)),
    "buffer": (lambda m: setattr(tensor(m, "w1"), "buffer", 999), BadInput, ("999",)),
    "size": (lambda m: setattr(tensor(m, "w1"), "shape", [4, 3, 3, 4]), BadInput, ("w1", "holds 108 bytes")),
    "rank": (lambda m: setattr(tensor(m, "x"), "shape", [1] * 9), BadInput, ("rank 9",)),
    "dynamic": (lambda m: setattr(tensor(m, "x"), "shape", [-1, 8, 8, 3]), BadInput, ("not fixed",)),
    "huge": (lambda m: setattr(tensor(m, "x"), "shape", [1, 1 << 30, 1 << 30, 3]), BadInput, ("too large",)),
    "empty": (lambda m: setattr(tensor(m, "x"), "shape", [0, 8, 8, 3]), Unsupported, ("[0, 8, 8, 3]",)),
}


@pytest.mark.parametrize("rule", RULES)
def test_what_breaks_a_rule_is_refused(rule: str) -> None:
    change, kind, parts = RULES[rule]
    refused(changed(change), kind, *parts)


def test_an_unchanged_file_keeps_the_rules() -> None:
    ops.check(read_tflite(changed(lambda model: None)))


def test_repeated_and_missing_names_are_told_apart() -> None:
    def rename(model: Any) -> None:
        for i, t in enumerate(model.subgraphs[0].tensors):
            t.name = "same" if i % 2 else None

    graph = read_tflite(changed(rename))
    assert len(graph.tensors) == len(every_kernel().tensors)
    ops.check(graph)


def test_the_axis_of_a_bias_may_be_that_of_the_weights() -> None:
    graph = read_tflite(changed(lambda m: set_quant(m, "b1", quantizedDimension=3)))
    assert graph.tensor("b1").quant == every_kernel().tensor("b1").quant


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\0" * 8, b"\0\0\0\0TFL3", b"\xff" * 4 + b"TFL3" + b"\xff" * 99])
def test_what_is_no_tflite_file_is_refused(data: bytes) -> None:
    refused(data, BadInput, "model.tflite")


def survives(data: bytes) -> bool:
    """Reads, checks and plans; whether it was accepted. Anything but an EdgeqError is a bug and comes out."""
    try:
        graph = read_tflite(data)
        ops.check(graph)
        encode_plan(build_plan(graph, file_layout(data)))
    except EdgeqError:
        return False
    return True


def test_damaged_files_end_in_an_edgeq_error_or_a_plan() -> None:
    original, rng = write_tflite(every_kernel()), np.random.default_rng(0)
    accepted = 0
    for _ in range(600):
        data = bytearray(original)
        # Half of the damage lies in the tables in front and behind, not in the constants.
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(0, len(data)))
            data[at] = int(rng.integers(0, 256)) if rng.random() < 0.5 else data[at] ^ (1 << int(rng.integers(0, 8)))
        accepted += survives(bytes(data))
    assert 50 < accepted < 500


def test_truncated_files_end_in_an_edgeq_error() -> None:
    original = write_tflite(every_kernel())
    for size in range(0, len(original) - 4, 53):  # the last word is an operator's version, which nothing needs
        assert not survives(original[:size])


@pytest.mark.parametrize("path", sorted(DATA.glob("**/*.tflite")) or [None], ids=lambda p: p.stem if p else "none")
def test_files_that_others_made(path: Path | None) -> None:
    if path is None:
        pytest.skip("no third-party models beside the project (../shared/data)")
    data = path.read_bytes()
    try:
        graph = read_tflite(data, path.name)
        ops.check(graph)
    except Unsupported as e:
        assert any(name in str(e) for name in [*vars(schema.BuiltinOperator)])
        return
    plan = build_plan(graph, file_layout(data))
    assert plan.steps and encode_plan(plan)


def with_computed_shape(m: Any) -> None:
    """The first RESHAPE gets a shape from SHAPE, STRIDED_SLICE and PACK, as TFLiteConverter writes an unknown batch."""
    main = m.subgraphs[0]
    reshape, *_ = [
        o for o in main.operators if m.operatorCodes[o.opcodeIndex].builtinCode == schema.BuiltinOperator.RESHAPE
    ]
    source = reshape.inputs[0]

    def add(code: int, inputs: list[int], output: int, at: int) -> None:
        entry = schema.OperatorCodeT()
        entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, min(code, 127), 1
        m.operatorCodes.append(entry)
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = len(m.operatorCodes) - 1, inputs, [output]
        main.operators.insert(at, operator)

    def tensor_of(name: str, size: int) -> int:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, [size], schema.TensorType.INT32, 0
        main.tensors.append(made)
        return len(main.tensors) - 1

    shape, first, packed = tensor_of("shape of x", 4), tensor_of("batch", 1), tensor_of("packed", 2)
    at = main.operators.index(reshape)
    add(schema.BuiltinOperator.SHAPE, [source], shape, at)
    add(schema.BuiltinOperator.STRIDED_SLICE, [shape, shape, shape, shape], first, at + 1)
    add(schema.BuiltinOperator.PACK, [first, first], packed, at + 2)
    reshape.inputs = [source, packed]


def test_a_shape_that_is_computed_from_shapes_is_a_constant() -> None:
    graph = every_kernel()
    again = read_tflite(changed(with_computed_shape))
    ops.check(again)
    assert [n.op for n in again.nodes] == [n.op for n in graph.nodes]
    reshapes = [next(n for n in g.nodes if n.op == "RESHAPE") for g in (again, graph)]
    assert again.constant(reshapes[0], 1).tolist() == graph.constant(reshapes[1], 1).tolist()
    assert not {"shape of x", "batch"} & set(again.tensors)


def test_a_shape_that_leaves_the_model_is_no_constant() -> None:
    def leaves(m: Any) -> None:
        with_computed_shape(m)
        m.subgraphs[0].outputs = [len(m.subgraphs[0].tensors) - 3]

    refused(changed(leaves), Unsupported, "SHAPE")
