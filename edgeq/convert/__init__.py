"""From QDQ ONNX to a wholly integer `.tflite`, strictly: every pass is Graph -> Graph, and a failure names it.

read_onnx         ONNX operators, float tensors, NCHW; QLinearConv and its kin as QDQ
tidy              Identity, Dropout and ceil_mode, as far as they mean nothing more
fuse_activation   Relu and Clip(0, 6) become an attribute of the operator in front
fold_qdq          QuantizeLinear and DequantizeLinear become QuantParams; all tensors integer
signed            uint8 becomes int8
rescale           what TFLite wants at one scale is rescaled in front or behind
turn_gemm         Gemm and MatMul by constants have their weights [out, in]
to_nhwc           NCHW becomes NHWC, weights OIHW become OHWI
lower             ONNX operators become TFLite's
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgeq import ops
from edgeq.convert.onnx import read_onnx
from edgeq.convert.passes.fold_qdq import fold_qdq
from edgeq.convert.passes.fuse_activation import fuse_activation
from edgeq.convert.passes.integer_edges import integer_edges
from edgeq.convert.passes.lower import lower
from edgeq.convert.passes.rescale import rescale
from edgeq.convert.passes.signed import signed
from edgeq.convert.passes.tidy import tidy
from edgeq.convert.passes.to_nhwc import to_nhwc
from edgeq.convert.passes.turn_gemm import turn_gemm
from edgeq.convert.source_lines import with_line
from edgeq.convert.tflite import file_layout, is_tflite, read_tflite, write_tflite
from edgeq.errors import BadInput, EdgeqError
from edgeq.graph import Graph

__all__ = ["convert_onnx", "file_layout", "integer_edges", "is_tflite", "read_tflite", "write_tflite"]


def convert_onnx(data: bytes, name: str) -> Graph:
    """The bytes of a QDQ ONNX model as a checked integer graph of TFLite operators.

    An error names the ONNX node, and the line of the user's code where the file says it.
    """
    try:
        return _converted(data, name)
    except EdgeqError as e:
        e.where = with_line(e.where, data)
        raise


def _converted(data: bytes, name: str) -> Graph:
    graph = read_onnx(data, name)
    with np.errstate(over="ignore", invalid="ignore"):  # what leaves float32 is refused where it is used
        for step in (tidy, fuse_activation, fold_qdq, signed, rescale, turn_gemm, to_nhwc, lower):
            graph = _guarded(step, graph, name)
        return _guarded(_checked, graph, name)


def _checked(graph: Graph) -> Graph:
    ops.check(graph)
    return graph


def _guarded(step: Callable[[Graph], Graph], graph: Graph, name: str) -> Graph:
    """The step's result. onnx's checker lets models pass whose shapes and attributes contradict each other."""
    try:
        return step(graph)
    except EdgeqError as e:
        raise e if e.where else type(e)(e.what, where=name, hint=e.hint) from e
    except (ArithmeticError, LookupError, ValueError, TypeError, AttributeError, MemoryError) as e:
        raise BadInput(
            f"contradicts itself: {step.__name__.strip('_')} ended with {type(e).__name__}: {e}",
            where=name,
            hint="export it again; if onnxruntime runs it, report it as an error of edgeq's",
        ) from e
