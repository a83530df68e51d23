"""ONNX's own node tests, each node between QuantizeLinear and DequantizeLinear, where TFLite can mean the same.

The integer graph is compared with onnx's reference evaluator on the quantised model, within one integer, and with what
the node test expects, within what quantising can cost.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from shared_data import FOLDER

from edgeq import ops
from edgeq.convert import convert_onnx
from edgeq.convert.onnx import OPSETS
from edgeq.errors import EdgeqError

NODES = FOLDER / "onnx_node"

# Why a node has no twin. Each of these must be refused.
LEFT_OUT: dict[str, tuple[str, ...]] = {
    "computes on the integers themselves, not on what they stand for": (
        "add_int8", "add_uint8", "clip_default_int8_inbounds", "clip_default_int8_max", "clip_default_int8_min",
        "convinteger_with_padding", "convinteger_without_padding", "edge_pad", "matmulinteger", "maxpool_2d_uint8",
    ),
    "quantises at run time": (
        "dynamicquantizelinear", "dynamicquantizelinear_max_adjusted", "dynamicquantizelinear_min_adjusted",
    ),
    "trains": ("batchnorm_epsilon_training_mode", "batchnorm_example_training_mode"),
    "an edge of a model alone, without an operator": ("quantizelinear", "quantizelinear_axis", "quantizelinear_int16"),
    "activations quantised per channel, by blocks or in 16 bits": (
        "dequantizelinear_axis", "dequantizelinear_blocked", "dequantizelinear_int16", "dequantizelinear_uint16",
        "quantizelinear_blocked_asymmetric", "quantizelinear_blocked_symmetric", "quantizelinear_uint16",
    ),
    "weights with a zero point": ("qlinearconv", "qlinearmatmul_2D_int8_float32", "qlinearmatmul_2D_uint8_float32"),
    "pictures of one or three dimensions": (
        "averagepool_1d_default", "averagepool_3d_default", "maxpool_1d_default", "maxpool_3d_default",
    ),
    "TFLite's pools have no dilation": ("averagepool_2d_dilations", "maxpool_2d_dilations"),
    "TFLite's averages leave padding out only where it is SAME": (
        "averagepool_2d_ceil", "averagepool_2d_pads", "averagepool_2d_same_lower",
    ),
    "a range of which TFLite has no activation": ("clip_min_greater_than_max",),
    "moves or joins batches": (
        "concat_1d_axis_0", "concat_1d_axis_negative_1", "concat_2d_axis_0", "concat_2d_axis_negative_2",
        "concat_3d_axis_0", "concat_3d_axis_negative_3", "flatten_axis0", "flatten_axis2", "flatten_axis3",
        "flatten_negative_axis1", "flatten_negative_axis2", "flatten_negative_axis4", "gemm_all_attributes",
        "gemm_transposeA", "reduce_mean_default_axes_keepdims_example", "reduce_mean_default_axes_keepdims_random",
        "reshape_negative_extended_dims", "reshape_one_dim", "reshape_reordered_all_dims", "softmax_axis_0",
        "transpose_all_permutations_2", "transpose_all_permutations_3", "transpose_all_permutations_4",
        "transpose_all_permutations_5", "transpose_default",
    ),
    "a bias for each element of the batch": ("gemm_default_matrix_bias",),
    "products of vectors": ("matmul_1d_1d", "matmul_1d_3d", "matmul_4d_1d"),
    "no elements": ("reshape_allowzero_reordered",),
    "a scale of 39, at which a step more is e^39 times less": ("softmax_large_number",),
}  # fmt: skip
REASONS = {name: reason for reason, names in LEFT_OUT.items() for name in names}


def node_tests() -> list[Any]:
    """A parameter per node test, else one that skips and says so."""
    found = sorted(path.parent for path in NODES.glob("test_*/model.onnx"))
    if not found:
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"no node tests in {NODES}"))]
    return [pytest.param(path, id=path.name.removeprefix("test_")) for path in found]


def tensors(folder: Path, kind: str) -> list[NDArray[Any]]:
    paths = sorted((folder / "test_data_set_0").glob(f"{kind}_*.pb"), key=lambda p: int(p.stem.split("_")[1]))
    return [numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes())) for path in paths]


class Quantised:
    """The node of a node test with int8 at all its float ends; constants where an operator wants them.

    A node on integers stays as it is.
    """

    ACTIVATIONS = ("Add", "Mul", "Concat", "MatMul")  # operators of several
    WEIGHTED = ("Conv", "Gemm", "MatMul", "Add", "Mul")  # whose second input is quantised if it is a constant
    KEEPING = ("MaxPool", "AveragePool", "Flatten", "Reshape", "Transpose", "Identity", "Pad", "Clip")

    def __init__(self, folder: Path) -> None:
        model = onnx.load(str(folder / "model.onnx"))
        (self.node,) = model.graph.node
        self.given, self.expected = tensors(folder, "input"), tensors(folder, "output")
        self.opset = min(
            max(model.opset_import[0].version, 19), OPSETS.stop - 1
        )  # onnx's evaluator has DequantizeLinear from 19 on
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []
        self.inputs: dict[str, NDArray[Any]] = {}
        self.ranges: list[float] = []

    def model(self) -> onnx.ModelProto:
        """The model; `inputs` are its inputs' values by name then."""
        names = [name for name in self.node.input if name]
        reads, params = [], [""]
        for i, (name, values) in enumerate(zip(names, self.given, strict=True)):
            constant = self._is_constant(i, values)
            if constant:
                self.initialisers.append(numpy_helper.from_array(values, name))
            else:
                self.inputs[name] = values
            if values.dtype == np.float32 and (not constant or (i == 1 and self.node.op_type in self.WEIGHTED)):
                params = self._params(name, values, symmetric=constant)
                reads.append(self._qdq(name, params))
            else:
                reads.append(name)
        made = onnx.NodeProto()
        made.CopyFrom(self.node)
        operands = iter(reads)
        made.input[:] = [next(operands) if name else "" for name in self.node.input]
        made.output[:] = ["result"]
        self.nodes.append(made)
        return self._finished("result" if self.node.op_type.startswith("QLinear") else self._result(params))

    def _is_constant(self, index: int, values: NDArray[Any]) -> bool:
        if self.node.op_type == "MatMul":
            return index == 1 and values.ndim == 2
        if self.node.op_type in self.ACTIVATIONS:
            return values.ndim < self.given[0].ndim
        return index > 0

    def _result(self, params: list[str]) -> str:
        if self.node.op_type == "Softmax":
            fixed = (("scale", np.float32(1 / 256)), ("zero", np.int8(-128)))
            self.initialisers += [numpy_helper.from_array(np.asarray(v), f"result.{n}") for n, v in fixed]
            params = ["result.scale", "result.zero"]
        elif self.node.op_type not in self.KEEPING:
            params = self._params("result", self.expected[0], symmetric=False)
        return self._qdq("result", params)

    def _params(self, name: str, values: NDArray[Any], symmetric: bool) -> list[str]:
        low, high = min(float(values.min(initial=0)), 0.0), max(float(values.max(initial=0)), 0.0)
        scale = max(-low, high, 1e-6) / 127 if symmetric else max(high - low, 1e-6) / 255
        zero = 0 if symmetric else int(np.clip(np.rint(-128 - low / scale), -128, 127))
        self.ranges.append(scale * 255)
        pairs = (("scale", np.float32(scale)), ("zero", np.int8(zero)))
        self.initialisers += [numpy_helper.from_array(np.asarray(v), f"{name}.{n}") for n, v in pairs]
        return [f"{name}.{n}" for n, _ in pairs]

    def _qdq(self, name: str, params: list[str]) -> str:
        self.nodes.append(helper.make_node("QuantizeLinear", [name, *params], [f"{name}.q"]))
        self.nodes.append(helper.make_node("DequantizeLinear", [f"{name}.q", *params], [f"{name}.dq"]))
        return f"{name}.dq"

    def _finished(self, output: str) -> onnx.ModelProto:
        def value(name: str, values: NDArray[Any], kind: np.dtype[Any]) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(kind), values.shape)

        inputs = [value(n, v, v.dtype) for n, v in self.inputs.items()]
        kind = self.expected[0].dtype if output == "result" else np.dtype(np.float32)
        graph = helper.make_graph(
            self.nodes, "node", inputs, [value(output, self.expected[0], kind)], self.initialisers
        )  # fmt: skip
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10)


def signed(x: NDArray[Any]) -> NDArray[np.int64]:
    return x.astype(np.int64) - (128 if x.dtype == np.uint8 else 0)


def channels_last(x: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if x.ndim == 4 else x


def check(folder: Path) -> None:
    """The node means the same as an integer graph, or an EdgeqError says that there is none."""
    quantised = Quantised(folder)
    model = quantised.model()
    graph = convert_onnx(model.SerializeToString(), folder.name)
    feeds = {}
    for name, (given, values) in zip(graph.inputs, quantised.inputs.items(), strict=True):
        quant = graph.tensor(name).quant
        assert quant is not None and name.startswith(given)
        q = quant.quantise(values, "int8") if values.dtype == np.float32 else signed(values).astype(np.int8)
        feeds[name] = channels_last(q)
    (y,) = graph.outputs
    quant = graph.tensor(y).quant
    assert quant is not None
    found = ops.run(graph, feeds)[y]
    turned = channels_last if graph.tensor(y).shape == channels_last(quantised.expected[0]).shape else np.asarray
    (real,) = ReferenceEvaluator(model).run(None, quantised.inputs)
    exact = turned(signed(real) if real.dtype != np.float32 else quant.quantise(real, "int8"))
    assert found.shape == exact.shape
    assert np.abs(found.astype(int) - exact).max(initial=0) <= 1
    expected = turned(quantised.expected[0])
    if expected.dtype != np.float32:
        assert np.abs(found.astype(int) - signed(expected)).max(initial=0) <= 1
        return
    spread = max(float(np.ptp(expected)) if expected.size else 0.0, *quantised.ranges)
    assert np.abs(quant.dequantise(found) - expected).max(initial=0) <= 0.05 * spread


@pytest.mark.parametrize("folder", node_tests())
def test_the_node_means_the_same(folder: Path) -> None:
    reason = REASONS.get(folder.name.removeprefix("test_"))
    if reason is None:
        check(folder)
        return
    with pytest.raises(EdgeqError):
        check(folder)
    pytest.skip(reason)


def test_what_is_left_out_is_there() -> None:
    present = {path.name.removeprefix("test_") for path in NODES.glob("test_*")}
    assert not present or set(REASONS) <= present
