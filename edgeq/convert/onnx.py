"""The bytes of an ONNX model as a Graph of ONNX operators: float tensors, NCHW, fixed shapes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import numpy_helper, shape_inference

from edgeq.convert.qoperator import ONNX_DOMAINS, expand_qoperators
from edgeq.errors import BadInput, Unsupported
from edgeq.graph import Graph, Node, Tensor

OPSETS = range(13, 24)
MAX_ELEMENTS = 1 << 28
_STEPS = 4  # which of Slice's inputs

_DTYPES: dict[int, str] = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.INT8: "int8",
    onnx.TensorProto.UINT8: "uint8",
    onnx.TensorProto.INT16: "int16",
    onnx.TensorProto.INT32: "int32",
    onnx.TensorProto.INT64: "int64",
    onnx.TensorProto.BOOL: "bool",
}


def read_onnx(data: bytes, name: str) -> Graph:
    """Parses, checks and shape-infers; the metadata gets the file's SHA-256."""
    model = _parse(data, name)
    graph = model.graph
    constants = {init.name: _array(init) for init in graph.initializer}
    nodes: list[Node] = []
    for i, proto in enumerate(graph.node):
        if proto.domain not in ONNX_DOMAINS:
            raise Unsupported(f"the operator {proto.domain}::{proto.op_type} is not ONNX's own", where=_at(proto, i))
        attrs = {a.name: _attribute(a) for a in proto.attribute if a.name != "metadata"}
        if proto.op_type == "Constant":
            constants[proto.output[0]] = _constant(attrs, _at(proto, i))
        else:
            nodes.append(
                Node(
                    proto.op_type, proto.name or f"{proto.op_type}_{i}", tuple(proto.input), tuple(proto.output), attrs
                )
            )
    inputs = tuple(v.name for v in graph.input if v.name not in constants)
    outputs = tuple(v.name for v in graph.output)
    tensors = {n: Tensor(n, tuple(v.shape), str(v.dtype), None, v) for n, v in constants.items()}
    # A file may describe tensors that are no more, as a quantiser leaves them behind.
    used = {*inputs, *outputs, *(name for node in nodes for name in (*node.inputs, *node.outputs))}
    for value in (*graph.input, *graph.value_info, *graph.output):
        if value.name in used and value.name not in tensors:
            tensors[value.name] = _activation(value)
    for node in nodes:
        for output in node.outputs:
            if output and output not in tensors:
                raise Unsupported(
                    f"the shape of {output} is not known", where=f"node {node.name}", hint="export with fixed shapes"
                )
    metadata = {p.key: p.value for p in model.metadata_props} | {"source_sha256": hashlib.sha256(data).hexdigest()}
    return Graph(graph.name or name, tensors, (), inputs, inputs, {}).rebuilt(
        nodes, tensors, outputs=outputs, metadata=metadata, name=metadata.get("edgeq.model", name)
    )


def _parse(data: bytes, name: str) -> onnx.ModelProto:
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as e:
        raise BadInput(
            "is not an ONNX model (it does not parse)", where=name, hint="make or download the file again"
        ) from e
    version = next((o.version for o in model.opset_import if o.domain in ONNX_DOMAINS), None)
    if not model.graph.node or version is None:
        raise BadInput("is not an ONNX model (no graph or no opset)", where=name)
    if version not in OPSETS:
        raise Unsupported(
            f"ONNX opset {version}; {OPSETS.start} to {OPSETS.stop - 1} are read",
            where=name,
            hint="export with opset 18",
        )
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _constant_protos(model)):
        raise Unsupported("weights in a file beside the model", where=name, hint="save it as one file")
    expand_qoperators(model)
    _check_what_ends_onnx(model, name)
    try:
        onnx.checker.check_model(model)
        # Inference fills in what an exporter left out; what it contradicts is an error.
        return shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except (onnx.checker.ValidationError, shape_inference.InferenceError, ValueError, RuntimeError) as e:
        reason = (str(e).strip() or type(e).__name__).splitlines()[0]
        raise BadInput(f"onnx's checker refuses it: {reason}", where=name) from e


def _check_what_ends_onnx(model: onnx.ModelProto, name: str) -> None:
    """Refuses what makes onnx's shape inference end the process: negative dimensions, and a Slice of endless steps."""
    graph = model.graph
    for value in (*graph.input, *graph.value_info, *graph.output):
        if any(dim.dim_value < 0 for dim in value.type.tensor_type.shape.dim):
            raise BadInput("a negative dimension", where=f"tensor {value.name}", hint="export with fixed shapes")
    constants = {t.name: t for t in graph.initializer}
    constants |= {n.output[0]: a.t for n in graph.node if n.op_type == "Constant" and n.output for a in n.attribute}
    for i, node in enumerate(graph.node):
        steps = constants.get(node.input[_STEPS]) if node.op_type == "Slice" and len(node.input) > _STEPS else None
        if steps is not None and np.abs(_array(steps).astype(np.float64)).max(initial=0) > MAX_ELEMENTS:
            raise BadInput("Slice with a step beyond every tensor", where=_at(node, i))


def _constant_protos(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors


def _at(proto: onnx.NodeProto, index: int) -> str:
    return f"node {proto.name or index}"


def _array(proto: onnx.TensorProto) -> NDArray[Any]:
    where = f"constant {proto.name}"
    if proto.data_type not in _DTYPES:
        raise Unsupported(f"constants of ONNX type {proto.data_type}", where=where)
    try:
        return numpy_helper.to_array(proto)
    except (ValueError, TypeError) as e:
        raise BadInput("is damaged", where=where) from e


def _constant(attrs: dict[str, Any], where: str) -> NDArray[Any]:
    if "value" in attrs:
        return np.asarray(attrs["value"])
    for key, dtype in (("value_int", np.int64), ("value_ints", np.int64), ("value_float", np.float32)):
        if key in attrs:
            return np.asarray(attrs[key], dtype)
    raise Unsupported(f"a Constant of {', '.join(attrs)}", where=where)


def _attribute(attribute: onnx.AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return _array(value) if isinstance(value, onnx.TensorProto) else value


def _activation(value: onnx.ValueInfoProto) -> Tensor:
    kind = value.type.tensor_type
    if kind.elem_type not in _DTYPES:
        raise Unsupported(f"activations of ONNX type {kind.elem_type}", where=f"tensor {value.name}")
    if not kind.HasField("shape"):
        raise Unsupported("its rank is not known", where=f"tensor {value.name}", hint="export with fixed shapes")
    dims = []
    for dim in kind.shape.dim:
        if not dim.HasField("dim_value") or dim.dim_value < 1:
            raise Unsupported(
                f"a dimension that is not fixed ({dim.dim_param or '?'})",
                where=f"tensor {value.name}",
                hint="export with the batch size that will be deployed, 1",
            )
        dims.append(int(dim.dim_value))
    if math.prod(dims) > MAX_ELEMENTS:
        raise Unsupported(f"a shape of {dims}", where=f"tensor {value.name}", hint="no board holds as much")
    return Tensor(value.name, tuple(dims), _DTYPES[kind.elem_type])
