"""Graph <-> the bytes of a `.tflite` file.

Writing is deterministic and keeps every constant on a 16-byte boundary, so that kernels can read it in place from
flash. Reading trusts nothing: lengths and offsets are checked by flatbuffers' own bounds, and whatever it trips over
becomes BadInput.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeq.convert.shape_arithmetic import known_shapes, shape_arithmetic
from edgeq.errors import BadInput, EdgeqError, Unsupported
from edgeq.graph import ABSENT, FileLayout, Graph, Node, QuantParams, Tensor
from edgeq.graph.graph import DTYPES
from edgeq.images.tflite_outline import Entries
from edgeq.ops import BY_CODE, OPS, Operator

IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
CONSTANT_ALIGNMENT = 16
MAX_ELEMENTS = 1 << 28
MAX_RANK = 8
MAX_OPERANDS = 16
DEQUANTIZE = schema.BuiltinOperator.DEQUANTIZE  # read for `integer_edges` to drop; it has no integer form
# Metadata that speaks of tensors by their number in the file, which writing it anew may change.
OF_THIS_FILE = ("OfflineMemoryAllocation",)

_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
    "bool": schema.TensorType.BOOL,
}
_TYPE_NAMES = {code: name for name, code in _TYPES.items()}
_VECTORS = ("squeeze_dims",)
_ENUMS = {"padding": schema.Padding, "activation": schema.ActivationFunctionType, "mirror": schema.MirrorPadMode}


def _names(enum: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


_OPERATOR_NAMES = _names(schema.BuiltinOperator)


# Writing


class _AlignedBuffer(schema.BufferT):  # type: ignore[misc]
    """A buffer whose data starts on a 16-byte boundary of the finished file."""

    def Pack(self, builder: Any) -> Any:
        raw = bytes(self.data) if self.data is not None else b""
        vector = None
        if raw:
            builder.StartVector(1, len(raw), CONSTANT_ALIGNMENT)
            builder.head -= len(raw)
            builder.Bytes[builder.head : builder.head + len(raw)] = raw
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if vector is not None:
            schema.BufferAddData(builder, vector)
        return schema.BufferEnd(builder)


def write_tflite(graph: Graph) -> bytes:
    """The graph as a `.tflite` file: one subgraph, int8 in and out, metadata as named buffers."""
    model = schema.ModelT()
    model.version = SCHEMA_VERSION
    model.description = f"edgeq {graph.name}"
    model.buffers = [_AlignedBuffer()]  # buffer 0 is the empty one
    codes = sorted({node.op for node in graph.nodes}, key=lambda name: OPS[name].code)
    model.operatorCodes = [_operator_code(OPS[name]) for name in codes]

    sub = schema.SubGraphT()
    sub.name = "main"
    index = {name: i for i, name in enumerate(graph.tensors)}
    sub.tensors = [_tensor(model, tensor) for tensor in graph.tensors.values()]
    sub.inputs = [index[n] for n in graph.inputs]
    sub.outputs = [index[n] for n in graph.outputs]
    sub.operators = [_operator(node, codes.index(node.op), index) for node in graph.nodes]
    model.subgraphs = [sub]

    model.metadata = []
    for key, text in sorted(graph.metadata.items()):
        entry = schema.MetadataT()
        entry.name, entry.buffer = key, _buffer(model, text.encode(errors="surrogateescape"))
        model.metadata.append(entry)

    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def _operator_code(op: Operator) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = op.code
    code.deprecatedBuiltinCode = min(op.code, 127)
    code.version = op.version
    return code


def _buffer(model: Any, data: bytes) -> int:
    buffer = _AlignedBuffer()
    buffer.data = data
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def _tensor(model: Any, tensor: Tensor) -> Any:
    out = schema.TensorT()
    out.name = tensor.name
    out.shape = list(tensor.shape)
    out.type = _TYPES[tensor.dtype]
    out.buffer = 0 if tensor.data is None else _buffer(model, np.ascontiguousarray(tensor.data).tobytes())
    out.hasRank = True
    if tensor.quant is not None:
        quant = schema.QuantizationParametersT()
        quant.scale = np.asarray(tensor.quant.scale, np.float32)
        quant.zeroPoint = np.asarray(tensor.quant.zero_point, np.int64)
        quant.quantizedDimension = tensor.quant.axis or 0
        out.quantization = quant
    return out


def _operator(node: Node, opcode_index: int, index: Mapping[str, int]) -> Any:
    out = schema.OperatorT()
    out.opcodeIndex = opcode_index
    out.inputs = [-1 if n == ABSENT else index[n] for n in node.inputs]
    out.outputs = [index[n] for n in node.outputs]
    op = OPS[node.op]
    if op.options is not None:
        options = getattr(schema, op.options + "T")()
        for attr, field in op.fields.items():
            value = node.attrs[attr]
            setattr(options, field, getattr(_ENUMS[attr], value) if attr in _ENUMS else value)
        out.builtinOptionsType = getattr(schema.BuiltinOptions, op.options)
        out.builtinOptions = options
    return out


# Reading


def read_tflite(data: bytes, name: str = "model.tflite") -> Graph:
    """The graph of a `.tflite` file with one subgraph, in the file's order. Checks its form, not its rules."""
    return _guarded(data, name, lambda model: _graph(model, data, name))


def read_operators(data: bytes, name: str = "model.tflite") -> list[Graph | EdgeqError | None]:
    """Each operator of the first graph as a graph of its own, in the file's order, or why it cannot be read.

    None stands for one that `read_tflite` leaves out.
    """
    return _guarded(data, name, lambda model: _operator_graphs(model, data))


def file_layout(data: bytes, name: str = "model.tflite") -> FileLayout:
    """Where tensors, operators and constants of `read_tflite`'s graph lie in the file."""
    return _guarded(data, name, lambda model: _file_layout(model, data))


_T = TypeVar("_T")


def is_tflite(data: bytes) -> bool:
    """Whether a file says so of itself."""
    return data[4:8] == IDENTIFIER


def _guarded(data: bytes, name: str, read: Callable[[Any], _T]) -> _T:
    if not is_tflite(data):
        raise BadInput(
            "is not a .tflite file (its identifier TFL3 is missing)", where=name,
            hint="`edgeq convert` makes one of a QDQ .onnx, `edgeq quantize` the .onnx of a float model",
        )  # fmt: skip
    try:
        return read(schema.Model.GetRootAs(data, 0))
    except EdgeqError as e:
        raise e if e.where else type(e)(e.what, where=name, hint=e.hint) from e
    except (struct.error, IndexError, ValueError, TypeError, AttributeError, KeyError, OverflowError) as e:
        raise BadInput("is damaged or truncated", where=name, hint="make or download the file again") from e


def _subgraph(model: Any) -> Any:
    if model.SubgraphsLength() == 0:
        raise BadInput("holds no graph", hint="make or download the file again")
    if model.SubgraphsLength() != 1:
        raise Unsupported(
            f"a model with {model.SubgraphsLength()} subgraphs", hint="only plain feed-forward models run"
        )
    return model.Subgraphs(0)


def _tensor_names(sub: Any, entries: Entries) -> list[str]:
    """The tensors' names, made unique where a file repeats or omits one."""
    names: list[str] = []
    seen: set[str] = {ABSENT}
    for i in range(entries.take(sub.TensorsLength())):
        raw = sub.Tensors(i).Name()
        entries.take(len(raw or b""), 1)
        wanted = raw.decode("utf-8", "replace") if raw else f"tensor_{i}"
        unique = wanted if wanted not in seen else f"{wanted}#{i}"
        names.append(unique)
        seen.add(unique)
    return names


def _constant_start(model: Any, tensor: Any) -> int | None:
    """The byte offset of a tensor's constant data, None for an activation."""
    index = tensor.Buffer()
    if index >= model.BuffersLength():
        raise BadInput(f"buffer {index} does not exist")
    buffer = model.Buffers(index)
    if buffer.Offset() > 1:
        raise Unsupported("a model whose constants lie outside the flatbuffer")
    if buffer.DataLength() == 0:
        return None
    table = buffer._tab
    return int(table.Vector(table.Offset(4)))


def _file_layout(model: Any, data: bytes) -> FileLayout:
    sub, entries = _subgraph(model), Entries(len(data))
    names = _tensor_names(sub, entries)
    starts = {n: _constant_start(model, sub.Tensors(i)) for i, n in enumerate(names)}
    written = [_node_name(sub.Operators(i), names) for i in range(entries.take(sub.OperatorsLength()))]
    return FileLayout(
        file_bytes=len(data),
        tensor_index={n: i for i, n in enumerate(names)},
        operator_index={n: i for i, n in enumerate(written)},
        constant_offset={n: start for n, start in starts.items() if start is not None},
    )


def _graph(model: Any, data: bytes, name: str) -> Graph:
    sub, entries = _subgraph(model), Entries(len(data))
    names = _tensor_names(sub, entries)
    operators = range(entries.take(sub.OperatorsLength()))
    left_out = shape_arithmetic(model, sub, len(operators))
    nodes = [_read_node(model, sub.Operators(i), names) for i in operators if i not in left_out]
    tensors = {n: _read_tensor(model, sub.Tensors(i), n, data, entries) for i, n in enumerate(names)}
    computed = _written(sub, left_out, names)
    tensors = known_shapes(nodes, tensors, computed)
    inputs = tuple(names[_index(sub.Inputs(i), names)] for i in range(entries.take(sub.InputsLength())))
    outputs = tuple(names[_index(sub.Outputs(i), names)] for i in range(entries.take(sub.OutputsLength())))
    description = model.Description()
    title = description.decode("utf-8", "replace") if description else name
    return Graph(title.removeprefix("edgeq "), tensors, tuple(nodes), inputs, outputs, _metadata(model, entries))


def _written(sub: Any, operators: Iterable[int], names: Sequence[str]) -> set[str]:
    return {names[sub.Operators(i).Outputs(o)] for i in operators for o in range(sub.Operators(i).OutputsLength())}


def _operator_graphs(model: Any, data: bytes) -> list[Graph | EdgeqError | None]:
    sub, entries = model.Subgraphs(0), Entries(len(data))
    names = _tensor_names(sub, entries)
    index = {n: i for i, n in enumerate(names)}
    operators = range(entries.take(sub.OperatorsLength()))
    left_out = shape_arithmetic(model, sub, len(operators))
    computed = _written(sub, left_out, names)
    out: list[Graph | EdgeqError | None] = []
    for i in operators:
        if i in left_out:
            out.append(None)
            continue
        try:
            node = _read_node(model, sub.Operators(i), names)
            used = [n for n in dict.fromkeys((*node.inputs, *node.outputs)) if n != ABSENT]
            tensors = {n: _read_tensor(model, sub.Tensors(index[n]), n, data, entries) for n in used}
            tensors = known_shapes([node], tensors, computed)
            inputs = tuple(n for n in used if n in node.inputs and not tensors[n].is_constant)
            out.append(Graph(node.name, tensors, (node,), inputs, node.outputs))
        except EdgeqError as e:
            out.append(e)
    return out


def _metadata(model: Any, entries: Entries) -> dict[str, str]:
    """Named texts; what is no UTF-8 is kept as Python keeps it in file names (surrogateescape)."""
    out = {}
    for i in range(entries.take(model.MetadataLength())):
        entry = model.Metadata(i)
        buffer = model.Buffers(entry.Buffer()) if entry.Buffer() < model.BuffersLength() else None
        if entry.Name() and buffer is not None and buffer.DataLength():
            entries.take(len(entry.Name()) + buffer.DataLength(), 1)
            key = entry.Name().decode("utf-8", "replace")
            if key not in OF_THIS_FILE:
                out[key] = bytes(buffer.DataAsNumpy()).decode("utf-8", "surrogateescape")
    return out


def _read_tensor(model: Any, tensor: Any, name: str, data: bytes, entries: Entries) -> Tensor:
    where = f"tensor {name}"
    if tensor.Type() not in _TYPE_NAMES:
        raise Unsupported(f"type {_names(schema.TensorType).get(tensor.Type(), tensor.Type())}", where=where)
    dtype = _TYPE_NAMES[tensor.Type()]
    if tensor.ShapeLength() > MAX_RANK:
        raise BadInput(f"rank {tensor.ShapeLength()}", where=where)
    shape = tuple(int(tensor.Shape(i)) for i in range(tensor.ShapeLength()))
    if any(d < 0 for d in shape) or math.prod(shape) > MAX_ELEMENTS:
        raise BadInput(f"shape {list(shape)} is not fixed or too large", where=where)
    start = _constant_start(model, tensor)
    values = None
    if start is not None:
        kind = np.dtype(DTYPES[dtype])
        size = model.Buffers(tensor.Buffer()).DataLength()
        if size != math.prod(shape) * kind.itemsize or start + size > len(data):
            raise BadInput(f"holds {size} bytes for {dtype}{list(shape)}", where=where)
        values = np.frombuffer(data, kind, math.prod(shape), start).reshape(shape)
    return Tensor(name, shape, dtype, _read_quant(tensor.Quantization(), len(shape), where, entries), values)


def _read_quant(quant: Any, rank: int, where: str, entries: Entries) -> QuantParams | None:
    if quant is None or quant.ScaleLength() == 0:
        return None
    if quant.DetailsType():
        raise Unsupported("a custom quantisation", where=where)
    n = entries.take(quant.ScaleLength())
    scale = tuple(quant.ScaleAsNumpy().tolist())
    zeros = tuple(quant.ZeroPointAsNumpy().tolist()) if entries.take(quant.ZeroPointLength(), 8) else ()
    axis = int(quant.QuantizedDimension()) if n > 1 else None
    if axis is not None and rank == 1:
        axis = 0  # older converters write the weights' axis on the bias
    return QuantParams(scale, zeros or (0,) * n, axis)


def _node_name(operator: Any, names: list[str]) -> str:
    # TFLite's operators have no names; the tensor they write stands for them.
    return names[_index(operator.Outputs(0), names)] if operator.OutputsLength() else "?"


def _read_node(model: Any, operator: Any, names: list[str]) -> Node:
    code = model.OperatorCodes(operator.OpcodeIndex())
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    name = _node_name(operator, names)
    if number not in BY_CODE and number != DEQUANTIZE:
        shown = _OPERATOR_NAMES.get(number, str(number))
        raise Unsupported(
            f"the operator {shown} is not supported", where=f"node {name}", hint=f"supported: {', '.join(OPS)}"
        )
    op = BY_CODE.get(number)
    if max(operator.InputsLength(), operator.OutputsLength()) > MAX_OPERANDS:
        raise BadInput(f"{_OPERATOR_NAMES[number]} with {operator.InputsLength()} inputs", where=f"node {name}")
    inputs = tuple(_input_name(operator.Inputs(i), names) for i in range(operator.InputsLength()))
    outputs = tuple(names[_index(operator.Outputs(i), names)] for i in range(operator.OutputsLength()))
    if op is None:
        return Node("DEQUANTIZE", name, inputs, outputs)
    return Node(op.name, name, inputs, outputs, _read_options(op, operator, name))


def _input_name(index: int, names: list[str]) -> str:
    return ABSENT if index == -1 else names[_index(index, names)]


def _index(index: int, names: list[str]) -> int:
    if not 0 <= index < len(names):
        raise BadInput(f"tensor {index} does not exist")
    return index


def _read_options(op: Operator, operator: Any, name: str) -> dict[str, Any]:
    if op.options is None or not op.fields:
        return {}
    table = getattr(schema, op.options)()
    raw = operator.BuiltinOptions()
    if raw is None or operator.BuiltinOptionsType() != getattr(schema.BuiltinOptions, op.options):
        raise BadInput(f"{op.name} has no options", where=f"node {name}")
    table.Init(raw.Bytes, raw.Pos)
    attrs: dict[str, Any] = {}
    for attr, field in op.fields.items():
        getter = field[0].upper() + field[1:]
        if attr in _VECTORS:
            length = getattr(table, f"{getter}Length")()
            attrs[attr] = [int(getattr(table, getter)(i)) for i in range(min(length, MAX_RANK))]
            continue
        value = getattr(table, getter)()
        attrs[attr] = _names(_ENUMS[attr]).get(value, str(value)) if attr in _ENUMS else value
    return attrs
