"""`edgeq inspect`: what a file of any stage holds, as facts and a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeq import ops
from edgeq.convert import convert_onnx, integer_edges, is_tflite, read_tflite
from edgeq.errors import Unsupported
from edgeq.graph import ABSENT, Graph, Tensor
from edgeq.images import app, model, partitions
from edgeq.images.tflite_outline import TYPE_NAMES, Outline, TensorOutline, read_outline
from edgeq.pipeline.run_folder import MODEL_TFLITE, read_file
from edgeq.pipeline.source import Source
from edgeq.plan import Plan, decode_plan

Facts = dict[str, str | int | float]


@dataclass(frozen=True)
class Inspection:
    """A file's kind, facts on the whole, and a table: column names and rows."""

    kind: str
    facts: Facts
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int, ...], ...]


def inspect(path: Path) -> Inspection:
    """Any stage's file, told by its first bytes; a run folder stands for its `.tflite`."""
    path = path / MODEL_TFLITE if path.is_dir() else path
    data = read_file(path)
    with Source("tflite", str(path), str(path)).errors():
        return _inspect(data, path)


def _inspect(data: bytes, path: Path) -> Inspection:
    name = str(path)
    if is_tflite(data):
        return _tflite(data, name)
    if data[:4] == b"EQPL":
        return _plan(decode_plan(data, name), len(data))
    if data[:4] == b"EQMI":
        return _image(model.read_model_image(data, name), len(data))
    if data[:1] == b"\xe9":
        return _app(app.read_app_image(data), len(data))
    if data[:2] == b"\xaa\x50":
        return _partitions(partitions.read_partition_table(data, 1 << 32))
    if path.suffix == ".onnx":
        return _graph("onnx, as the integer graph it becomes", convert_onnx(data, name), len(data))
    raise Unsupported(
        "is of no kind that edgeq knows", where=name,
        hint="QDQ .onnx, .tflite, plan, model image, application image, partition table, or a run folder",
    )  # fmt: skip


def _tflite(data: bytes, name: str) -> Inspection:
    """With all that edgeq knows of its operators, or in outline where it does not know one of them."""
    try:
        graph = read_tflite(data, name)
        integer = integer_edges(graph)
        return _graph("tflite" if integer is graph else "tflite, with int8 ends", integer, len(data))
    except Unsupported as e:
        return _outline(read_outline(data, name), f"tflite, in outline: {e.what}", len(data))


def _outline(outline: Outline, kind: str, size: int) -> Inspection:
    tensors = outline.tensors
    facts: Facts = {
        "bytes": size,
        "inputs": ", ".join(_in_outline(tensors[i]) for i in outline.inputs),
        "outputs": ", ".join(_in_outline(tensors[i]) for i in outline.outputs),
        "operators": len(outline.operators),
    }
    rows = [
        (i, o.name, ", ".join(_in_outline(tensors[t]) for t in o.outputs if t >= 0),
         sum(tensors[t].constant_bytes for t in o.inputs if t >= 0), o.version)
        for i, o in enumerate(outline.operators)
    ]  # fmt: skip
    return Inspection(kind, facts, ("#", "operator", "writes", "constants, bytes", "version"), tuple(rows))


def _in_outline(tensor: TensorOutline) -> str:
    said = f"{tensor.name} {TYPE_NAMES.get(tensor.type, str(tensor.type)).lower()}[{_dims(tensor.shape)}]".strip()
    return f"{said} ({tensor.scales[0]:.6g}, {tensor.zero_points[0]})" if tensor.scales and tensor.zero_points else said


def _graph(kind: str, graph: Graph, size: int) -> Inspection:
    constants = [t for t in graph.tensors.values() if t.is_constant]
    facts: Facts = {
        "name": graph.name,
        "bytes": size,
        "inputs": ", ".join(_tensor(graph.tensor(n)) for n in graph.inputs),
        "outputs": ", ".join(_tensor(graph.tensor(n)) for n in graph.outputs),
        "operators": len(graph.nodes),
        "macs": ops.macs(graph),
        "constant_bytes": sum(t.bytes for t in constants),
        "parameters": sum(t.elements for t in constants if t.quant is not None),
    }
    facts |= {f"metadata {key}": _shown(value) for key, value in graph.metadata.items()}
    rows = []
    for i, node in enumerate(graph.nodes):
        out = graph.output(node)
        weights = [graph.tensor(n) for n in node.inputs if n != ABSENT and graph.tensor(n).is_constant]
        attributes = " ".join(f"{key}={value}" for key, value in node.attrs.items() if value not in ("NONE", 1))
        rows.append(
            (i, node.op, out.name, _shape(out), _quant(out), ops.operator(node).macs(graph, node),
             sum(t.bytes for t in weights), attributes)
        )  # fmt: skip
    columns = ("#", "operator", "output", "shape", "scale, zero point", "MACs", "constants, bytes", "attributes")
    return Inspection(kind, facts, columns, tuple(rows))


def _plan(plan: Plan, size: int) -> Inspection:
    facts: Facts = {
        "bytes": size, "tflite_bytes": plan.tflite_bytes, "arena_bytes": plan.arena_bytes,
        "scratch_bytes": plan.scratch_bytes, "steps": len(plan.steps), "tensors": len(plan.tensors),
        "macs": sum(step.macs for step in plan.steps),
        "flash_traffic_bytes": sum(step.flash_bytes for step in plan.steps),
        "arena_traffic_bytes": sum(step.arena_bytes for step in plan.steps),
    }  # fmt: skip
    rows = []
    for i, step in enumerate(plan.steps):
        places = [plan.tensors[t] for t in (*step.inputs, step.output)]
        *sources, target = ("constant" if t.constant else f"{t.offset}+{t.bytes}" for t in places)
        rows.append((
            i, step.name, f"{step.kernel.name}:{step.kernel.version}", ", ".join(sources), target,
            "x".join(str(d) for d in places[-1].dims[1:]), step.macs, step.scratch_bytes, step.flash_bytes,
            step.arena_bytes, len(step.params),
        ))  # fmt: skip
    columns = (
        "#", "step", "kernel", "reads arena", "writes arena", "shape", "MACs", "scratch, bytes",
        "flash traffic, bytes", "arena traffic, bytes", "parameters, bytes",
    )  # fmt: skip
    return Inspection("plan", facts, columns, tuple(rows))


def _image(image: model.ModelImage, size: int) -> Inspection:
    plan = decode_plan(image.plan)
    facts: Facts = {"name": image.name, "bytes": size, "labels": ", ".join(image.labels)}
    sample = plan.tensors[plan.input].bytes + plan.tensors[plan.output].bytes
    facts["golden_samples"] = len(image.golden) // sample
    if image.tflm_arena_bytes:
        facts["tflm_arena_bytes"] = image.tflm_arena_bytes
    rows = (("plan", len(image.plan)), ("tflite", len(image.tflite)), ("golden samples", len(image.golden)))
    return Inspection("model image", facts, ("section", "bytes"), rows)


def _app(image: app.AppImage, size: int) -> Inspection:
    facts: Facts = {"bytes": size, "chip_id": f"{image.chip_id:#06x}", "entry": f"{image.entry:#010x}"}
    rows = tuple((i, f"{s.address:#010x}", len(s.data)) for i, s in enumerate(image.segments))
    return Inspection("application image", facts, ("#", "address", "bytes"), rows)


def _partitions(table: partitions.PartitionTable) -> Inspection:
    rows = tuple((p.name, f"{p.type:#04x}", f"{p.subtype:#04x}", f"{p.offset:#x}", p.size) for p in table.partitions)
    facts: Facts = {"partitions": len(rows)}
    return Inspection("partition table", facts, ("name", "type", "subtype", "offset", "bytes"), rows)


def _shape(tensor: Tensor) -> str:
    return _dims(tensor.shape)


def _dims(shape: tuple[int, ...]) -> str:
    return "x".join(str(d) for d in shape)


def _quant(tensor: Tensor) -> str:
    quant = tensor.quant
    if quant is None:
        return ""
    return f"{quant.scale[0]:.6g}, {quant.zero_point[0]}" if not quant.is_per_channel else f"{len(quant.scale)} scales"


def _shown(metadata: str) -> str:
    """The text without what fills it up; of what is no text, how long it is."""
    text = metadata.rstrip("\0")
    return text if text.isprintable() else f"{len(metadata.encode(errors='surrogateescape'))} bytes"


def _tensor(tensor: Tensor) -> str:
    said = f"{tensor.name} {tensor.dtype}[{_shape(tensor)}]"
    return f"{said} ({_quant(tensor)})" if tensor.quant else said
