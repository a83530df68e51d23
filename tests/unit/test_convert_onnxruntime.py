"""Models of onnxruntime's `quantize_static`, QDQ and QOperator, against onnxruntime itself."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from float_nets import NETS, assert_equals_tflm, assert_layers_equal, quantised, residual

from edgeq.convert import convert_onnx

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
