"""The planner: arena, folding, sharing; the plan's bytes."""

from __future__ import annotations

import itertools
import re
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graphs import Builder, every_kernel
from hypothesis import given
from hypothesis import strategies as st

from edgeq import ops
from edgeq.convert import file_layout, write_tflite
from edgeq.errors import Unsupported
from edgeq.graph import Graph
from edgeq.plan import Plan, Target, build_plan, encode_plan
from edgeq.plan.arena import ALIGNMENT, Buffer, layout
from edgeq.plan.arena_use import ArenaUse, arena_use
from edgeq.plan.encode import NAME_MAX, NONE
from edgeq.plan.fold_pad import fold_pad
from edgeq.plan.kernels import kernel, kernels
from edgeq.plan.variants import VARIANTS

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "every-kernel-plan.txt"


def plan_of(graph: Graph) -> Plan:
    return build_plan(graph, file_layout(write_tflite(graph)))


# Arena

SPANS = st.tuples(st.integers(1, 5000), st.integers(0, 12), st.integers(0, 5))


@given(st.lists(SPANS, max_size=25))
def test_buffers_never_overlap_in_time_and_space(spans: list[tuple[int, int, int]]) -> None:
    buffers = [Buffer(str(i), size, first, first + length) for i, (size, first, length) in enumerate(spans)]
    offsets, total = layout(buffers)
    assert set(offsets) == {b.name for b in buffers}
    for i, a in enumerate(buffers):
        assert offsets[a.name] % ALIGNMENT == 0 and offsets[a.name] + a.bytes <= total
        for b in buffers[:i]:
            at_once = a.first <= b.last and b.first <= a.last
            apart = offsets[a.name] + a.bytes <= offsets[b.name] or offsets[b.name] + b.bytes <= offsets[a.name]
            assert apart or not at_once
    assert total % ALIGNMENT == 0
    assert total <= sum(-(-b.bytes // ALIGNMENT) * ALIGNMENT for b in buffers)
    assert total >= max((sum(b.bytes for b in buffers if b.first <= t <= b.last) for t in range(18)), default=0)


def test_the_arena_while_each_step_runs() -> None:
    b, names = Builder("waiting", 3), ["x", "first", "second", "third", "y"]
    tensors = [b.activation(name, (1, 4, 4, 2), 0.1, 0) for name in names]
    for x, y in itertools.pairwise(tensors[:4]):
        weights = b.weights(f"{y}/w", 2, 1, 1, 2)
        b.conv(x, weights, b.bias(f"{y}/b", x, weights), y, "SAME")
    plan = plan_of(b.graph(b.node("ADD", ["first", "third"], "y", activation="NONE")))
    assert arena_use(plan) == (
        ArenaUse("first", 64, 32, 32),
        ArenaUse("second", 64, 32, 32),
        ArenaUse("third", 96, 32, 32),  # first waits
        ArenaUse("y", 64, 64, 0),  # over one of its operands
    )


def test_the_use_of_the_arena_is_within_it() -> None:
    plan = plan_of(every_kernel())
    uses = arena_use(plan)
    assert [use.step for use in uses] == [step.name for step in plan.steps]
    assert max(use.live_bytes for use in uses) <= plan.arena_bytes
    for use, step in zip(uses, plan.steps, strict=True):
        operands = {plan.tensors[n].offset: plan.tensors[n].bytes for n in step.inputs if not plan.tensors[n].constant}
        assert use.read_bytes == sum(operands.values()) and use.read_bytes + use.written_bytes <= use.live_bytes


def test_buffers_that_follow_each_other_share() -> None:
    offsets, total = layout([Buffer("a", 100, 0, 1), Buffer("b", 60, 1, 2), Buffer("c", 100, 2, 3)])
    assert offsets["a"] == offsets["c"] == 0 and offsets["b"] == 112
    assert total == 176
    assert layout([]) == ({}, 0)


# Folding and sharing


def test_folding_keeps_the_meaning() -> None:
    graph = every_kernel()
    folded = fold_pad(graph)
    assert [n.op for n in folded.nodes].count("PAD") == 1  # the average pool's stays
    assert [n.op for n in folded.nodes].count("PADV2") == 0
    x = np.random.default_rng(0).integers(-128, 128, (9, 8, 8, 3), dtype=np.int8)
    before, after = ops.run(graph, {"x": x}), ops.run(folded, {"x": x})
    assert set(after) == set(before) - {"stem/pad", "pooled/pad"}
    for name, values in after.items():
        np.testing.assert_array_equal(values, before[name])


@pytest.mark.parametrize("value", [-128, -127, 0])
@pytest.mark.parametrize("zero_point", [-128, 0])
@pytest.mark.parametrize("op", ["CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D"])
def test_only_a_pad_of_the_same_meaning_is_folded(op: str, zero_point: int, value: int) -> None:
    b = Builder("padded")
    x = b.activation("x", (1, 4, 4, 2), 0.1, zero_point)
    table = b.constant("amounts", np.array([[0, 0], [1, 0], [0, 1], [0, 0]], np.int32))
    fill = b.constant("value", np.array([value], np.int8), b.tensors[x].quant)
    padded = b.node("PADV2", [x, table, fill], b.like("padded", x, (1, 5, 5, 2)))
    if op == "CONV_2D":
        y, weights = b.activation("y", (1, 4, 4, 3), 0.2, 0), b.weights("w", 3, 2, 2, 2)
        b.conv(padded, weights, b.bias("b", x, weights), y, "VALID")
    else:
        y = b.pool(op, padded, b.like("y", x, (1, 4, 4, 2)), 2, 1)
    same = {"CONV_2D": value == zero_point, "MAX_POOL_2D": value == -128, "AVERAGE_POOL_2D": False}[op]
    assert len(fold_pad(b.graph(y)).nodes) == (1 if same else 2)


def test_a_pad_that_others_read_too_stays() -> None:
    graph = every_kernel()
    kept = replace(graph, outputs=(*graph.outputs, "stem/pad"))
    assert "stem/pad" in {n.outputs[0] for n in fold_pad(kept).nodes}


def test_views_share_and_add_overwrites() -> None:
    plan = plan_of(every_kernel())
    at = {t.name: t.offset for t in plan.tensors}
    assert at["flat"] == at["mean"]
    assert at["total"] in (at["branch"], at["pooled"])
    assert at["branch"] != at["pooled"]


def test_add_does_not_overwrite_what_is_read_later() -> None:
    b = Builder("residual")
    x = b.activation("x", (1, 2, 2, 1), 0.1, 0)
    for name in ("a", "b", "c"):
        b.activation(name, (1, 2, 2, 1), 0.1, 0)
    b.node("ADD", [x, x], "a", activation="NONE")
    b.node("ADD", ["a", "a"], "b", activation="NONE")
    b.node("ADD", ["a", "b"], "c", activation="NONE")
    plan = plan_of(b.graph("c"))
    at = {t.name: t.offset for t in plan.tensors}
    assert at["a"] == at["x"] and at["b"] != at["a"] and at["c"] in (at["a"], at["b"])


def test_an_output_is_not_overwritten() -> None:
    b = Builder("net")
    x = b.activation("x", (1, 2, 2, 1), 0.1, 0)
    y = b.node("ADD", [x, x], b.activation("y", (1, 2, 2, 1), 0.1, 0), activation="NONE")
    b.node("ADD", [y, y], b.activation("unused", (1, 2, 2, 1), 0.1, 0), activation="NONE")
    at = {t.name: t.offset for t in plan_of(b.graph(y)).tensors}
    assert at["unused"] != at["y"]


def test_running_in_the_arena_gives_the_reference() -> None:
    """Each step on bytes that lie where the plan says: nothing is overwritten before its last reader."""
    graph = every_kernel()
    folded, plan = fold_pad(graph), plan_of(graph)
    at = {t.name: t for t in plan.tensors if not t.constant}
    x = np.random.default_rng(3).integers(-128, 128, (1, 8, 8, 3), dtype=np.int8)
    expected = ops.run(graph, {"x": x})
    arena = np.zeros(plan.arena_bytes, np.int8)

    def part(name: str) -> np.ndarray[tuple[int, ...], Any]:
        tensor = at[name]
        return arena[tensor.offset : tensor.offset + tensor.bytes].view(tensor.dtype).reshape(graph.tensor(name).shape)

    part("x")[:] = x
    for node in folded.nodes:
        values = {n: part(n).copy() for n in node.inputs if n in at}
        for name, computed in ops.evaluate(folded, node, values).items():
            part(name)[:] = computed
            np.testing.assert_array_equal(part(name), expected[name])


def test_what_the_engine_does_not_run_is_refused() -> None:
    graph = every_kernel()
    with pytest.raises(Unsupported, match="2 outputs"):
        plan_of(replace(graph, outputs=("y", "mean")))
    b = Builder("view")
    x = b.activation("x", (1, 4), 0.1, 0)
    y = b.node("RESHAPE", [x, b.constant("s", np.array([1, 2, 2], np.int32))], b.like("y", x, (1, 2, 2)))
    with pytest.raises(Unsupported, match="0 steps"):
        plan_of(b.graph(y))
    b = Builder("batch")
    x = b.activation("x", (2, 4), 0.1, 0)
    b.node("ADD", [x, x], b.activation("y", (2, 4), 0.1, 0), activation="NONE")
    with pytest.raises(Unsupported, match=r"\[2, 4\]"):
        plan_of(b.graph("y"))


# Bytes


def to_text(data: bytes) -> str:
    """The plan's bytes as people read them, by docs/plan-format.md alone."""
    assert data[:4] == b"EQPL"
    major, minor, size, crc, *fields = struct.unpack_from("<2H18I", data, 4)
    tflite, arena, scratch, features = fields[:4]
    needs_at, needs, tensors_at, tensors, steps_at, steps, params_at, params, names_at, names = fields[4:14]
    assert size == len(data)
    assert crc == zlib.crc32(data[:12] + bytes(4) + data[16:])
    assert params_at % 16 == 0 and all(at % 4 == 0 for at in (needs_at, tensors_at, steps_at))
    assert max(needs_at + 4 * needs, tensors_at + 32 * tensors, steps_at + 52 * steps, params_at + params) <= size
    ends = f"input {fields[14]}, output {fields[15]}"
    lines = [f"plan {major}.{minor}, tflite {tflite}, arena {arena}, scratch {scratch}, features {features}, {ends}"]
    for i in range(needs):
        lines.append("needs kernel {} version {}".format(*struct.unpack_from("<2H", data, needs_at + 4 * i)))
    for i in range(tensors):
        at, length, scale, zero, *rest = struct.unpack_from("<2Ifi4H2I", data, tensors_at + 32 * i)
        shape = "x".join(map(str, rest[:4]))
        place = ("", " constant", " int32")[rest[5]]
        lines.append(f"tensor {i}: {shape} at {at}, {length} bytes{place}, *{scale:.6g}{zero:+d}, tflite {rest[4]}")
    for i in range(steps):
        row = struct.unpack_from("<2H12I", data, steps_at + 52 * i)
        kernel_id, op, first, second, out, param, param_bytes, name, name_bytes, macs, operator, *costs = row
        text = data[names_at + name : names_at + name + name_bytes].decode()
        values = struct.unpack_from(f"<{param_bytes // 4}i", data, params_at + param)
        inputs = f"{first}" if second == NONE else f"{first}, {second}"
        lines.append(f"step {text}: kernel {kernel_id}, op {op}, {inputs} -> {out}, {macs} MACs, operator {operator}")
        lines.append("  scratch {}, from flash {}, arena {}".format(*costs))
        lines.append(f"  {' '.join(map(str, values))}")
    assert names <= size - names_at
    return "\n".join(lines) + "\n"


def test_the_bytes_are_the_documented_ones() -> None:
    """Refresh with `python tests/unit/test_plan.py`, and read the difference."""
    assert to_text(encode_plan(plan_of(every_kernel()))) == GOLDEN.read_text(encoding="utf-8")


def test_the_same_plan_gives_the_same_bytes() -> None:
    assert encode_plan(plan_of(every_kernel())) == encode_plan(plan_of(every_kernel()))


@given(st.text(st.characters(codec="utf-8"), max_size=90))
def test_names_are_cut_between_characters(name: str) -> None:
    plan = plan_of(every_kernel())
    step = replace(plan.steps[0], name=name)
    data = encode_plan(replace(plan, steps=(step,)))
    names_at, _ = struct.unpack_from("<2I", data, 64)
    (steps_at,) = struct.unpack_from("<I", data, 48)
    at, size = struct.unpack_from("<2I", data, steps_at + 24)
    written = data[names_at + at : names_at + at + size]
    assert size <= NAME_MAX and name.endswith(written.decode())
    assert len(name.encode()) - size < 4 or size > NAME_MAX - 4


# The list of kernels


def test_every_kernel_of_the_list_is_planned_and_documented() -> None:
    graph = every_kernel()
    locate, target = (
        file_layout(write_tflite(graph)).constant_offset.__getitem__,
        Target(mac16=True, scratch_bytes=98304),
    )
    used = {step.kernel.name for step in plan_of(graph).steps}
    for node in graph.nodes:
        for step in ops.steps(graph, node, locate):
            used |= {v.step.kernel for offer in VARIANTS.get(step.kernel, ()) for v in offer(graph, node, step, target)}
    assert used == set(kernels())
    page = (ROOT / "docs" / "plan-format.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in kernels())
    header = (ROOT / "firmware/components/eq_kernels/eq_kernels.h").read_text(encoding="utf-8")
    assert all(f"eq_{name}(" in header for name in kernels())
    cited = {a for p in (ROOT / "edgeq/ops").glob("*.py") for a in re.findall(r"plan-format\.md#(\w+)", p.read_text())}
    assert cited and all(f'<a id="{anchor}"></a>' in page for anchor in cited)


def test_kernel_ids_are_unique() -> None:
    assert len({k.id for k in kernels().values()}) == len(kernels())
    with pytest.raises(Unsupported, match="no kernel tanh_s8"):
        kernel("tanh_s8")


if __name__ == "__main__":
    GOLDEN.write_text(to_text(encode_plan(plan_of(every_kernel()))), encoding="utf-8")
