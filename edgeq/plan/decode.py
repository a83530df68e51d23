"""A plan read back from its bytes, for people to look at; the firmware has its own, stricter reader."""

from __future__ import annotations

import struct
import zlib

from edgeq import ops
from edgeq.errors import BadInput
from edgeq.plan.build import Plan, PlannedStep, PlannedTensor
from edgeq.plan.encode import HEADER, MAGIC, NEED, NONE, PLACES, STEP, TENSOR, VERSION
from edgeq.plan.kernels import Kernel, kernels


def decode_plan(data: bytes, name: str = "plan") -> Plan:
    """The inverse of `encode_plan`. Tensors have no names in a plan: they are called by their `.tflite` index."""
    if len(data) < HEADER.size or data[:4] != MAGIC:
        raise BadInput("is not a plan (its magic EQPL is missing)", where=name)
    _, major, _, size, crc, tflite_bytes, arena_bytes, scratch_bytes, _, *tables = HEADER.unpack_from(data)
    if major != VERSION[0]:
        raise BadInput(f"has version {major}; this edgeq reads {VERSION[0]}", where=name)
    if size != len(data) or zlib.crc32(data[:12] + bytes(4) + data[16:]) != crc:
        raise BadInput("is damaged: its length or CRC-32 does not match", where=name)
    needs_at, needs, tensors_at, tensors, steps_at, steps, params_at, _, names_at, _, first, last = tables
    try:
        versions = dict(NEED.unpack_from(data, needs_at + i * NEED.size) for i in range(needs))
        return Plan(
            tflite_bytes, arena_bytes, scratch_bytes,
            tuple(_tensor(data, tensors_at + i * TENSOR.size) for i in range(tensors)),
            tuple(_step(data, steps_at + i * STEP.size, params_at, names_at, versions) for i in range(steps)),
            first, last,
        )  # fmt: skip
    except (struct.error, LookupError, UnicodeDecodeError) as e:
        raise BadInput(f"is damaged ({type(e).__name__})", where=name) from e


def _tensor(data: bytes, at: int) -> PlannedTensor:
    offset, size, scale, zero_point, n, h, w, c, index, place = TENSOR.unpack_from(data, at)
    constant, dtype = PLACES[place]
    return PlannedTensor(f"#{index}", offset, size, scale, zero_point, (n, h, w, c), index, constant, dtype)


def _step(data: bytes, at: int, params_at: int, names_at: int, versions: dict[int, int]) -> PlannedStep:
    row = STEP.unpack_from(data, at)
    kernel_id, op, first, second, output, params, params_bytes, name, name_bytes, macs, operator, *costs = row
    known = {k.id: k.name for k in kernels().values()}
    return PlannedStep(
        name=data[names_at + name : names_at + name + name_bytes].decode(),
        op=ops.BY_CODE[op].name,
        kernel=Kernel(kernel_id, known.get(kernel_id, f"kernel {kernel_id}"), versions[kernel_id]),
        inputs=(first,) if second == NONE else (first, second),
        output=output,
        params=data[params_at + params : params_at + params + params_bytes],
        macs=macs,
        tflite_operator=operator,
        scratch_bytes=costs[0],
        flash_bytes=costs[1],
        arena_bytes=costs[2],
    )
