"""Models of onnxruntime's `quantize_static`, QDQ and QOperator, against onnxruntime itself."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from float_nets import NETS, every_value, quantised, residual
from numpy.typing import NDArray

from edgeq import ops
from edgeq.convert import convert_onnx, write_tflite
from edgeq.graph import Graph

pytest.importorskip("onnxruntime")

SAMPLES = 4
FORMS: dict[str, dict[str, Any]] = {
    "per-tensor": {},
    "per-channel": {"per_channel": True},
    "uint8": {"activations": "QUInt8"},
    "uint8-weights": {"activations": "QUInt8", "weights": "QUInt8"},
    "per-channel-uint8": {"per_channel": True, "activations": "QUInt8"},
}
SINGLE = {
    "relu-left": {"QDQKeepRemovableActivations": True},
    "dedicated-pairs": {"DedicatedQDQPair": True},
    "float-bias": {"QuantizeBias": False},
    "unfolded-weights": {"AddQDQPairToWeight": True},
}


def integers(values: NDArray[Any]) -> NDArray[np.int64]:
    """onnxruntime's int8 or uint8 as our int8, channels last."""
    signed = values.astype(np.int64) - (128 if values.dtype == np.uint8 else 0)
    return signed.transpose(0, 2, 3, 1) if values.ndim == 4 else signed


def assert_layers_equal(data: bytes, graph: Graph, seed: int) -> int:
    """Each of our operators, on the integers that onnxruntime computed for its inputs, is within one of onnxruntime's.

    Gives the number of tensors that were compared.
    """
    (x,) = graph.inputs
    shape = tuple(d.dim_value for d in onnx.load_from_string(data).graph.input[0].type.tensor_type.shape.dim)
    real = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    theirs = every_value(data, real)
    assert graph.tensor(x).quant is not None
    values: dict[str, Any] = {x: integers(theirs[x]).astype(np.int8)}
    compared = 0
    for node in graph.nodes:
        for name, found in ops.evaluate(graph, node, values).items():
            values[name] = found
            if node.op == "RESHAPE" or name not in theirs:  # a flattened map is in another order
                continue
            expected = integers(theirs[name])
            assert found.shape == expected.shape
            assert np.abs(found - expected).max() <= 1, f"{node.op} {name}"
            values[name], compared = expected.astype(np.int8), compared + 1
    (y,) = graph.outputs
    assert np.array_equal(ops.run(graph, {x: values[x]})[y].argmax(), integers(theirs[y]).argmax())
    return compared


def assert_equals_tflm(graph: Graph) -> None:
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime", reason="the TFLM wheel is Linux x86-64")
    interpreter = runtime.Interpreter.from_bytes(write_tflite(graph), arena_size=1 << 20)
    (x,), (y,) = graph.inputs, graph.outputs
    shape = graph.tensor(x).shape
    for q in np.random.default_rng(3).integers(-128, 128, (SAMPLES, *shape), dtype=np.int8):
        interpreter.set_input(q, 0)
        interpreter.invoke()
        np.testing.assert_array_equal(interpreter.get_output(0), ops.run(graph, {x: q})[y])


@pytest.mark.parametrize("qoperator", [False, True], ids=["QDQ", "QOperator"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NETS)
def test_a_quantised_network_is_onnxruntimes(name: str, form: str, qoperator: bool, tmp_path: Path) -> None:
    data = quantised(NETS[name]().model(), tmp_path, qoperator=qoperator, **FORMS[form])
    graph = convert_onnx(data, name)
    for seed in range(SAMPLES):
        assert assert_layers_equal(data, graph, seed) >= 6
    assert_equals_tflm(graph)


@pytest.mark.parametrize("option", SINGLE)
def test_other_habits_of_quantize_static(option: str, tmp_path: Path) -> None:
    data = quantised(residual().model(), tmp_path, **SINGLE[option])
    graph = convert_onnx(data, option)
    assert assert_layers_equal(data, graph, 0) >= 6
    assert_equals_tflm(graph)


@pytest.mark.parametrize("opset", [13, 15, 18, 21, 23])
def test_opsets(opset: int, tmp_path: Path) -> None:
    data = quantised(residual().model(opset), tmp_path, activations="QUInt8", per_channel=True)
    assert assert_layers_equal(data, convert_onnx(data, "m"), 0) >= 6


def test_an_unsigned_model_means_what_the_signed_one_means(tmp_path: Path) -> None:
    """uint8 and int8 of one calibration differ by 128 in every activation and zero point, and in nothing else."""
    model = residual().model()
    signed, unsigned = (convert_onnx(quantised(model, tmp_path, activations=kind), "m") for kind in ("QInt8", "QUInt8"))
    assert [n.op for n in signed.nodes] == [n.op for n in unsigned.nodes]
    shared = sorted(signed.tensors.keys() & unsigned.tensors.keys())
    assert len(shared) > 15
    for name in shared:
        a, b = signed.tensor(name), unsigned.tensor(name)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        if a.quant is not None and b.quant is not None:
            assert a.quant.scale == pytest.approx(b.quant.scale, rel=1e-6)
            assert np.abs(np.subtract(a.quant.zero_point, b.quant.zero_point)).max() <= 1  # rounded in its own range


def test_a_constant_that_two_operators_share(tmp_path: Path) -> None:
    net = residual()
    for node in net.nodes:
        if node.op_type == "Conv" and node.input[1] == "b.w":
            node.input[1] = "a.w"
    data = quantised(net.model(), tmp_path)
    graph = convert_onnx(data, "m")
    assert Counter(n.op for n in graph.nodes)["CONV_2D"] == 3
    assert assert_layers_equal(data, graph, 0) >= 6
    assert_equals_tflm(graph)
