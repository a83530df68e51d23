"""From a graph and where it lies in its `.tflite` to a plan: fold, share buffers, lay out, encode each step."""

from __future__ import annotations

from dataclasses import dataclass

from edgeq import ops
from edgeq.errors import Unsupported
from edgeq.graph import ABSENT, FileLayout, Graph, Node, Tensor
from edgeq.plan.arena import Buffer, layout
from edgeq.plan.fold_pad import fold_pad
from edgeq.plan.kernels import Kernel, kernel

MAX_STEPS = 1024
IN_PLACE = ("ADD",)


@dataclass(frozen=True)
class PlannedTensor:
    """An activation and where it lies in the arena; `dims` are NHWC."""

    name: str
    arena_offset: int
    bytes: int
    scale: float
    zero_point: int
    dims: tuple[int, int, int, int]
    tflite_index: int


@dataclass(frozen=True)
class PlannedStep:
    """One kernel call. Tensors are indices into the plan's."""

    name: str
    op: str
    kernel: Kernel
    inputs: tuple[int, ...]
    output: int
    params: bytes
    macs: int
    tflite_operator: int


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


def build_plan(graph: Graph, file: FileLayout) -> Plan:
    """Plans a checked graph of one input and one output; `file` says where its parts lie in the `.tflite`."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise Unsupported(f"{len(graph.inputs)} inputs and {len(graph.outputs)} outputs; the engine takes one of each")
    folded = fold_pad(graph)
    steps = [node for node in folded.nodes if ops.operator(node).step is not None]
    if not 1 <= len(steps) <= MAX_STEPS:
        raise Unsupported(f"a model of {len(steps)} steps; the engine runs 1 to {MAX_STEPS}")
    offsets, arena_bytes = _lay_out(folded, steps)
    index = {name: i for i, name in enumerate(offsets)}
    return Plan(
        tflite_bytes=file.file_bytes,
        arena_bytes=arena_bytes,
        scratch_bytes=0,  # the plain C kernels need none
        tensors=tuple(_tensor(folded.tensor(n), at, file) for n, at in offsets.items()),
        steps=tuple(_step(folded, node, index, file) for node in steps),
        input=index[folded.inputs[0]],
        output=index[folded.outputs[0]],
    )


def _tensor(tensor: Tensor, offset: int, file: FileLayout) -> PlannedTensor:
    n, *rest = tensor.shape
    if n != 1 or len(rest) > 3 or max(tensor.shape) > 0xFFFF:
        raise Unsupported(f"an activation of {list(tensor.shape)}", where=f"tensor {tensor.name}")
    h, w, c = (*(1,) * (3 - len(rest)), *rest)
    return PlannedTensor(
        tensor.name, offset, tensor.bytes, tensor.scale, tensor.zero_point, (1, h, w, c), file.tensor_index[tensor.name]
    )


def _step(graph: Graph, node: Node, index: dict[str, int], file: FileLayout) -> PlannedStep:
    op = ops.operator(node)
    if op.step is None:
        raise Unsupported(f"{node.op} has no kernel", where=f"node {node.name}")
    step = op.step(graph, node, file.constant_offset.__getitem__)
    return PlannedStep(
        name=node.outputs[0],
        op=node.op,
        kernel=kernel(step.kernel),
        inputs=tuple(index[n] for n in _activations(graph, node)),
        output=index[node.outputs[0]],
        params=step.params,
        macs=op.macs(graph, node),
        tflite_operator=file.operator_index[node.outputs[0]],
    )


def _activations(graph: Graph, node: Node) -> list[str]:
    return [n for n in node.inputs if n != ABSENT and not graph.tensor(n).is_constant]


def _lay_out(graph: Graph, steps: list[Node]) -> tuple[dict[str, int], int]:
    """(arena offset of every activation, arena bytes)."""
    owner = _share(graph, steps)
    first, last = _lifetimes(graph, steps, owner)
    buffers = [Buffer(n, graph.tensor(n).bytes, first[n], last[n]) for n in first]
    offsets, total = layout(buffers)
    return {name: offsets[held] for name, held in owner.items()}, total


def _share(graph: Graph, steps: list[Node]) -> dict[str, str]:
    """For every activation the one whose buffer it uses: views share, and ADD overwrites an operand that ends there."""
    owner = {name: name for name in graph.inputs}
    for node in graph.nodes:
        inputs = _activations(graph, node)
        output = node.outputs[0]
        owner[output] = output
        if ops.operator(node).step is None:  # a view
            owner[output] = owner[inputs[0]]
        elif node.op in IN_PLACE:
            ending = [n for n in inputs if _ends_at(graph, node, owner, n)]
            if ending:
                owner[output] = owner[ending[0]]
    return owner


def _ends_at(graph: Graph, node: Node, owner: dict[str, str], name: str) -> bool:
    """Whether nothing reads the bytes of `name` after `node`, so that `node` may overwrite them."""
    held = owner[name]
    sharing = {n for n, o in owner.items() if o == held}
    later = graph.nodes[graph.nodes.index(node) + 1 :]
    return not sharing & set(graph.outputs) and not any(sharing & set(n.inputs) for n in later)


def _lifetimes(graph: Graph, steps: list[Node], owner: dict[str, str]) -> tuple[dict[str, int], dict[str, int]]:
    first = {owner[n]: 0 for n in graph.inputs}
    last = dict(first)
    for i, node in enumerate(steps):
        for name in (*_activations(graph, node), *node.outputs):
            first.setdefault(owner[name], i)
            last[owner[name]] = i
    for name in graph.outputs:
        last[owner[name]] = len(steps)
    return first, last
