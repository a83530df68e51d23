"""Small QDQ ONNX models as an exporter makes them: float edges, QuantizeLinear and DequantizeLinear around all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper


class Qdq:
    """Collects nodes and initialisers. The model's input is x, float, NCHW; `x` names what to read of it."""

    def __init__(self, *shape: int, scale: float = 0.05, zero_point: int = 3, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []
        self.inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
        self.x = self.qdq("x", scale, zero_point)

    def constant(self, name: str, values: NDArray[Any]) -> str:
        self.initialisers.append(numpy_helper.from_array(values, name))
        return name

    def node(self, op: str, inputs: Sequence[str], output: str, **attrs: Any) -> str:
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=f"the {output}", **attrs))
        return output

    def params(self, name: str, scale: Any, zero_point: Any, dtype: Any = np.int8) -> list[str]:
        return [
            self.constant(f"{name}.scale", np.asarray(scale, np.float32)),
            self.constant(f"{name}.zero", np.asarray(zero_point, dtype)),
        ]

    def qdq(self, name: str, scale: float, zero_point: int) -> str:
        """Quantises and dequantises the float tensor `name`; returns what to read instead."""
        params = self.params(name, scale, zero_point)
        self.node("QuantizeLinear", [name, *params], f"{name}.q")
        return self.node("DequantizeLinear", [f"{name}.q", *params], f"{name}.dq")

    def weights(self, name: str, *shape: int, per_channel: bool = True) -> str:
        """int8 weights behind a DequantizeLinear, symmetric, per channel along axis 0 or per tensor."""
        values = self.rng.integers(-127, 128, shape, dtype=np.int8)
        scale = self.rng.uniform(0.002, 0.01, shape[0]) if per_channel else 0.007
        zero = np.zeros(shape[0]) if per_channel else 0
        axis = {"axis": 0} if per_channel else {}
        inputs = [self.constant(f"{name}.q", values), *self.params(name, scale, zero)]
        return self.node("DequantizeLinear", inputs, name, **axis)

    def float_bias(self, name: str, channels: int) -> str:
        return self.constant(name, self.rng.uniform(-1, 1, channels).astype(np.float32))

    def model(self, output: str, opset: int = 19) -> onnx.ModelProto:
        value = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "net", self.inputs, [value], self.initialisers)
        imports = [helper.make_opsetid("", opset), helper.make_opsetid("example.org", 1)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=10)
        return onnx.shape_inference.infer_shapes(model)

    def bytes(self, output: str, opset: int = 19) -> bytes:
        return bytes(self.model(output, opset).SerializeToString())
