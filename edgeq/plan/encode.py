"""The plan's bytes (docs/plan-format.md)."""

from __future__ import annotations

import struct
import zlib

from edgeq import ops
from edgeq.plan.build import Plan, PlannedStep, PlannedTensor

MAGIC = b"EQPL"
VERSION = (2, 0)
NONE = 0xFFFFFFFF
NAME_MAX = 64
# A tensor's place is the index of whether it is a constant and its type.
PLACES = ((False, "int8"), (True, "int8"), (False, "int32"))

HEADER = struct.Struct("<4s2H18I")
NEED = struct.Struct("<2H")
TENSOR = struct.Struct("<2Ifi4H2I")
STEP = struct.Struct("<2H12I")


def encode_plan(plan: Plan) -> bytes:
    """The plan as the firmware reads it; the same plan gives the same bytes."""
    needed = sorted({(s.kernel.id, s.kernel.version) for s in plan.steps})
    needs = b"".join(NEED.pack(*need) for need in needed)
    tensors = b"".join(_tensor(t) for t in plan.tensors)
    names, params, rows = b"", b"", []
    for step in plan.steps:
        name = _name(step.name)
        rows.append(_step(step, len(params), len(names), len(name)))
        names += name
        params += step.params
    needs_at = HEADER.size
    tensors_at = needs_at + len(needs)
    steps_at = tensors_at + len(tensors)
    params_at = _aligned(steps_at + len(rows) * STEP.size)
    names_at = params_at + len(params)
    total = _aligned(names_at + len(names))

    def header(crc: int) -> bytes:
        return HEADER.pack(
            MAGIC, *VERSION, total, crc, plan.tflite_bytes, plan.arena_bytes, plan.scratch_bytes, 0,
            needs_at, len(needed), tensors_at, len(plan.tensors), steps_at, len(rows),
            params_at, len(params), names_at, len(names), plan.input, plan.output,
        )  # fmt: skip

    body = (needs + tensors + b"".join(rows)).ljust(params_at - HEADER.size, b"\0") + params + names
    body = body.ljust(total - HEADER.size, b"\0")
    return header(zlib.crc32(header(0) + body)) + body


def _aligned(n: int) -> int:
    return -(-n // 16) * 16


def _name(name: str) -> bytes:
    """At most NAME_MAX bytes of UTF-8, the end of a longer name, where exporters put what tells it apart."""
    return name.encode()[-NAME_MAX:].decode("utf-8", "ignore").encode()


def _tensor(t: PlannedTensor) -> bytes:
    place = PLACES.index((t.constant, t.dtype))
    return TENSOR.pack(t.offset, t.bytes, t.scale, t.zero_point, *t.dims, t.tflite_index, place)


def _step(step: PlannedStep, params_at: int, name_at: int, name_bytes: int) -> bytes:
    first, second = (*step.inputs, NONE)[:2]
    return STEP.pack(
        step.kernel.id, ops.OPS[step.op].code, first, second, step.output,
        params_at, len(step.params), name_at, name_bytes, min(step.macs, NONE), step.tflite_operator,
        step.scratch_bytes, min(step.flash_bytes, NONE), min(step.arena_bytes, NONE),
    )  # fmt: skip
