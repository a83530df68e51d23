"""The preprocessing section of a model image (docs/preprocessing.md), written and read."""

from __future__ import annotations

import math
import struct

from edgeq.errors import BadInput
from edgeq.preprocess.float_rule import Method
from edgeq.preprocess.integer_rule import IntegerRule

VERSION = 1
METHODS: tuple[Method, ...] = ("nearest", "bilinear")

_HEAD = struct.Struct("<H2B2HfI")
_ROW = struct.Struct("<qi")


def encode_section(rule: IntegerRule) -> bytes:
    """The section's bytes."""
    method = METHODS.index(rule.method)
    head = _HEAD.pack(VERSION, method, rule.channels, rule.height, rule.width, rule.white, 0)
    return head + b"".join(_ROW.pack(*row) for row in zip(rule.offsets, rule.multipliers, strict=True))


def decode_section(data: bytes, where: str) -> IntegerRule:
    """The inverse; refuses what the firmware would refuse."""
    if len(data) < _HEAD.size:
        raise BadInput(f"its preprocessing ends after {len(data)} bytes", where=where)
    version, method, channels, height, width, white, zero = _HEAD.unpack_from(data)
    if version != VERSION:
        raise BadInput(f"its preprocessing has version {version}; this edgeq reads {VERSION}", where=where)
    if method >= len(METHODS) or zero or len(data) != _HEAD.size + channels * _ROW.size:
        raise BadInput("its preprocessing is damaged", where=where)
    if not (math.isfinite(white) and white > 0):
        raise BadInput(f"its preprocessing has a white of {white}", where=where)
    rows = list(_ROW.iter_unpack(data[_HEAD.size :]))
    offsets, multipliers = tuple(row[0] for row in rows), tuple(row[1] for row in rows)
    try:
        return IntegerRule(height, width, channels, METHODS[method], multipliers, offsets, white)
    except BadInput as error:
        raise BadInput(f"its preprocessing: {error.what}", where=where, hint=error.hint) from error
