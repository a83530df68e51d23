"""`edgeq inspect`: what a file of any stage holds, as facts and a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeq import ops
from edgeq.convert import convert_onnx, read_tflite
from edgeq.errors import Unsupported
from edgeq.graph import ABSENT, Graph, Tensor
from edgeq.images import app, model, partitions
from edgeq.pipeline.run_folder import MODEL_TFLITE, read_file
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
    name = str(path)
    if data[4:8] == b"TFL3":
        return _graph("tflite", read_tflite(data, name), len(data))
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
    }  # fmt: skip
    rows = []
    for i, step in enumerate(plan.steps):
        places = [plan.tensors[t] for t in (*step.inputs, step.output)]
        *sources, target = ("constant" if t.constant else f"{t.offset}+{t.bytes}" for t in places)
        rows.append((i, step.name, f"{step.kernel.name}:{step.kernel.version}", ", ".join(sources), target,
                     "x".join(str(d) for d in places[-1].dims[1:]), step.macs, len(step.params)))  # fmt: skip
    columns = ("#", "step", "kernel", "reads arena", "writes arena", "shape", "MACs", "parameters, bytes")
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
    return "x".join(str(d) for d in tensor.shape)


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
    return f"{tensor.name} {tensor.dtype}[{_shape(tensor)}] ({_quant(tensor)})"
