"""Float ONNX, as exporters write it: told from quantised ONNX, its batch made 1, read into a Graph."""

from __future__ import annotations

import onnx
from google.protobuf.message import DecodeError

from edgeq.convert.onnx import read_onnx
from edgeq.errors import BadInput
from edgeq.graph import Graph

# In the names of all operators that quantise, and of those that are quantised.
_MARKS = (b"QuantizeLinear", b"QLinear", b"ConvInteger", b"MatMulInteger")


def is_quantised(data: bytes) -> bool:
    """Whether an ONNX file is to be converted as it is; otherwise it is to be quantised first."""
    return any(mark in data for mark in _MARKS)


def read_float_onnx(data: bytes, name: str) -> Graph:
    """ONNX operators on float tensors, NCHW, batch 1.

    Raises:
        BadInput: not an ONNX model, or one that contradicts itself.
        Unsupported: external data, an opset that is not read, sizes other than the batch that are not fixed.
    """
    return _channels_first(read_onnx(_of_batch_1(data, name), name))


def _channels_first(graph: Graph) -> Graph:
    """Without the Transpose in front by which networks that take NHWC, as those from TensorFlow, come to NCHW."""
    readers = [node for node in graph.nodes if set(node.inputs) & set(graph.inputs)]
    if len(readers) != 1 or readers[0].op != "Transpose" or tuple(readers[0].attrs.get("perm", ())) != (0, 3, 1, 2):
        return graph
    return graph.rebuilt([node for node in graph.nodes if node is not readers[0]], inputs=readers[0].outputs)


def _of_batch_1(data: bytes, name: str) -> bytes:
    """The model with 1 for a batch that is left open; what was inferred from the open one is dropped."""
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise BadInput("is not an ONNX model (it does not parse)", where=name) from error
    constants = {tensor.name for tensor in model.graph.initializer}
    opened = False
    for value in model.graph.input:
        dims = value.type.tensor_type.shape.dim
        if value.name not in constants and len(dims) and not dims[0].HasField("dim_value"):
            dims[0].dim_value = 1
            opened = True
    if not opened:
        return data
    del model.graph.value_info[:]
    for value in model.graph.output:
        for dim in value.type.tensor_type.shape.dim:
            dim.Clear()
    return bytes(model.SerializeToString())
