"""From QDQ ONNX to a wholly integer `.tflite`, strictly: every pass is Graph -> Graph, and a failure names it.

read_onnx         ONNX operators, float tensors, NCHW; QLinearConv and its kin as QDQ
fuse_activation   Relu and Clip(0, 6) become an attribute of the operator in front
fold_qdq          QuantizeLinear and DequantizeLinear become QuantParams; all tensors integer
signed            uint8 becomes int8
rescale           what TFLite wants at one scale is rescaled in front or behind
turn_gemm         Gemm and MatMul by constants have their weights [out, in]
to_nhwc           NCHW becomes NHWC, weights OIHW become OHWI
lower             ONNX operators become TFLite's
"""

from __future__ import annotations

from edgeq import ops
from edgeq.convert.onnx import read_onnx
from edgeq.convert.passes.fold_qdq import fold_qdq
from edgeq.convert.passes.fuse_activation import fuse_activation
from edgeq.convert.passes.integer_edges import integer_edges
from edgeq.convert.passes.lower import lower
from edgeq.convert.passes.rescale import rescale
from edgeq.convert.passes.signed import signed
from edgeq.convert.passes.to_nhwc import to_nhwc
from edgeq.convert.passes.turn_gemm import turn_gemm
from edgeq.convert.tflite import file_layout, read_tflite, write_tflite
from edgeq.graph import Graph

__all__ = ["convert_onnx", "file_layout", "integer_edges", "read_tflite", "write_tflite"]


def convert_onnx(data: bytes, name: str) -> Graph:
    """The bytes of a QDQ ONNX model as a checked integer graph of TFLite operators."""
    graph = read_onnx(data, name)
    for step in (fuse_activation, fold_qdq, signed, rescale, turn_gemm, to_nhwc, lower):
        graph = step(graph)
    ops.check(graph)
    return graph
