"""From a graph and where it lies in its `.tflite` to a plan: fold, share buffers, lay out, encode each step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from edgeq import ops
from edgeq.errors import Unsupported
from edgeq.graph import FileLayout, Graph, Node, Tensor
from edgeq.plan.arena import Buffer, layout
from edgeq.plan.fold_pad import fold_pad
from edgeq.plan.kernels import Kernel, kernel
from edgeq.plan.select import Target, choose
from edgeq.plan.variants.variant import Variant

MAX_STEPS = 1024
ANY = Target()


@dataclass(frozen=True)
class PlannedTensor:
    """An activation and where it lies in the arena, or a constant and where in the `.tflite`; `dims` are NHWC.

    int32 is what ARG_MAX writes: it has no quantisation, and stands in the plan with scale 1 and zero point 0.
    """

    name: str
    offset: int
    bytes: int
    scale: float
    zero_point: int
    dims: tuple[int, int, int, int]
    tflite_index: int
    constant: bool = False
    dtype: str = "int8"


@dataclass(frozen=True)
class PlannedStep:
    """One kernel call. Tensors are indices into the plan's.

    Several steps may write parts of one output, which is complete after the last of them (`Plan.completed`).
    `flash_bytes` and `arena_bytes` are its modelled traffic: what it reads of constants, reads and writes of tensors.
    """

    name: str
    op: str
    kernel: Kernel
    inputs: tuple[int, ...]
    output: int
    params: bytes
    macs: int
    tflite_operator: int
    scratch_bytes: int = 0
    flash_bytes: int = 0
    arena_bytes: int = 0


@dataclass(frozen=True)
class Plan:
    """Steps in their order, tensors, and what they need of the board."""

    tflite_bytes: int
    arena_bytes: int
    scratch_bytes: int
    tensors: tuple[PlannedTensor, ...]
    steps: tuple[PlannedStep, ...]
    input: int
    output: int

    def completed(self) -> tuple[str | None, ...]:
        """For each step the tensor that it completes, None where it writes a part and a later step the rest."""
        last = {step.output: i for i, step in enumerate(self.steps)}
        return tuple(step.name if last[step.output] == i else None for i, step in enumerate(self.steps))


def build_plan(graph: Graph, file: FileLayout, target: Target = ANY) -> Plan:
    """Plans a checked graph of one input and one output; `file` says where its parts lie in the `.tflite`.

    Without a `target` the plan runs on every board: plain C kernels, no scratch.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise Unsupported(f"{len(graph.inputs)} inputs and {len(graph.outputs)} outputs; the engine takes one of each")
    if graph.tensor(graph.inputs[0]).dtype != "int8":
        raise Unsupported(f"an input in {graph.tensor(graph.inputs[0]).dtype}", where=f"tensor {graph.inputs[0]}")
    folded = fold_pad(graph)
    steps = [(node, ops.steps(folded, node, file.constant_offset.__getitem__)) for node in folded.nodes]
    count = sum(len(made) for _, made in steps)
    if not 1 <= count <= MAX_STEPS:
        raise Unsupported(f"a model of {count} steps; the engine runs 1 to {MAX_STEPS}")
    offsets, arena_bytes = _lay_out(folded, views={node.outputs[0] for node, made in steps if not made})
    placed = target.with_arena(arena_bytes)
    chosen = [(node, [choose(folded, node, step, placed) for step in made]) for node, made in steps]
    scratch_bytes = max((c.scratch_bytes for _, made in chosen for c in made), default=0)
    read = dict.fromkeys(name for _, made in chosen for c in made for name in c.step.inputs)
    constants = [name for name in read if folded.tensor(name).is_constant]
    index = {name: i for i, name in enumerate((*offsets, *constants))}
    return Plan(
        tflite_bytes=file.file_bytes,
        arena_bytes=arena_bytes,
        scratch_bytes=scratch_bytes,
        tensors=(
            *(_activation(folded.tensor(n), at, file) for n, at in offsets.items()),
            *(_constant(folded.tensor(n), file) for n in constants),
        ),
        steps=tuple(s for node, made in chosen for s in _steps(folded, node, made, index, file)),
        input=index[folded.inputs[0]],
        output=index[folded.outputs[0]],
    )


def _activation(tensor: Tensor, offset: int, file: FileLayout) -> PlannedTensor:
    if tensor.shape[:1] != (1,):
        raise Unsupported(f"an activation of {list(tensor.shape)}", where=f"tensor {tensor.name}")
    return _tensor(tensor, tensor.shape[1:], offset, file)


def _constant(tensor: Tensor, file: FileLayout) -> PlannedTensor:
    return replace(_tensor(tensor, tensor.shape, file.constant_offset[tensor.name], file), constant=True)


def _tensor(tensor: Tensor, shape: tuple[int, ...], offset: int, file: FileLayout) -> PlannedTensor:
    # Filled with ones in front; what is more than three dimensions counts as height.
    *more, h, w, c = (1, 1, 1, *shape)
    dims = (1, math.prod(more) * h, w, c)
    if max(dims) > 0xFFFF:
        raise Unsupported(f"a tensor of {list(tensor.shape)}", where=f"tensor {tensor.name}")
    scale, zero_point = (1.0, 0) if tensor.dtype == "int32" else (tensor.scale, tensor.zero_point)
    return PlannedTensor(
        tensor.name, offset, tensor.bytes, scale, zero_point, dims, file.tensor_index[tensor.name], dtype=tensor.dtype
    )


def _steps(
    graph: Graph, node: Node, made: list[Variant], index: dict[str, int], file: FileLayout
) -> Iterator[PlannedStep]:
    for variant in made:
        step = variant.step
        yield PlannedStep(
            name=step.output,
            op=node.op,
            kernel=kernel(step.kernel),
            inputs=tuple(index[n] for n in step.inputs),
            output=index[step.output],
            params=step.params,
            macs=ops.operator(node).macs(graph, node) if variant is made[-1] else 0,
            tflite_operator=file.operator_index[node.outputs[0]],
            scratch_bytes=variant.scratch_bytes,
            flash_bytes=variant.flash_bytes(graph, node) // len(made),  # each does its part
            arena_bytes=variant.arena_bytes(graph, node) // len(made),
        )


def _lay_out(graph: Graph, views: set[str]) -> tuple[dict[str, int], int]:
    """(arena offset of every activation, arena bytes). Time is counted in nodes."""
    owner = _share(graph, views)
    first, last = _lifetimes(graph, owner)
    buffers = [Buffer(n, graph.tensor(n).bytes, first[n], last[n]) for n in first]
    offsets, total = layout(buffers)
    return {name: offsets[held] for name, held in owner.items()}, total


def _share(graph: Graph, views: set[str]) -> dict[str, str]:
    """For every activation the one whose buffer it uses: views share, and an element-wise
    operator overwrites an operand of its output's size that ends there.
    """
    owner = {name: name for name in graph.inputs}
    for node in graph.nodes:
        inputs = ops.activations(graph, node)
        output = node.outputs[0]
        owner |= {name: name for name in node.outputs}
        if output in views:
            owner[output] = owner[inputs[0]]
        elif ops.operator(node).element_wise:
            size = graph.output(node).bytes
            ending = [n for n in inputs if graph.tensor(n).bytes == size and _ends_at(graph, node, owner, n)]
            if ending:
                owner[output] = owner[ending[0]]
    return owner


def _ends_at(graph: Graph, node: Node, owner: dict[str, str], name: str) -> bool:
    """Whether nothing reads the bytes of `name` after `node`, so that `node` may overwrite them."""
    held = owner[name]
    sharing = {n for n, o in owner.items() if o == held}
    later = graph.nodes[graph.nodes.index(node) + 1 :]
    return not sharing & set(graph.outputs) and not any(sharing & set(n.inputs) for n in later)


def _lifetimes(graph: Graph, owner: dict[str, str]) -> tuple[dict[str, int], dict[str, int]]:
    first = {owner[n]: 0 for n in graph.inputs}
    last = dict(first)
    for i, node in enumerate(graph.nodes):
        for name in (*ops.activations(graph, node), *node.outputs):
            first.setdefault(owner[name], i)
            last[owner[name]] = i
    for name in graph.outputs:
        last[owner[name]] = len(graph.nodes)
    return first, last
