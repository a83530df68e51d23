"""Requests and answers behind the frames, packed and unpacked with every field checked. Pure.

The tables are docs/link-protocol.md's. Every unpack raises BoardTrouble if the board's bytes cannot be such an answer.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from edgeq.errors import BadInput, BoardTrouble
from edgeq.link.escape import escape
from edgeq.link.frames import PAYLOAD_MAX_BYTES

VERSION = 1
MAX_STEPS = 1024
READ_MAX_BYTES = 248
WRITE_MAX_BYTES = PAYLOAD_MAX_BYTES - 4
ROWS_MAX = 32
INFO_MAX_BYTES = 16384
MODEL_NAME_MAX_BYTES = 64
ENGINE_NAME_MAX_BYTES = 16
ARENA_MAX_BYTES = 64 << 20  # more than any of these chips addresses

ANSWER = 0x40  # added to the request's type
BUSY = 0xFE
ERROR = 0xFF


class Request(IntEnum):
    """Types of requests."""

    HELLO = 0x80
    INFO = 0x81
    MODEL = 0x82
    STEP = 0x83
    WRITE_INPUT = 0x84
    RUN = 0x85
    READ_OUTPUT = 0x86
    READ_PROFILE = 0x87
    READ_HASHES = 0x88
    READ_STEP = 0x89
    SELFTEST = 0x8A
    REBOOT = 0x8B
    CLOCK = 0x8C
    LOAD_GOLDEN = 0x8D
    ENGINE = 0x8E
    PREPROCESSING = 0x8F
    PICTURE = 0x90
    WRITE_PICTURE = 0x91
    READ_INPUT = 0x92
    LABEL = 0x93
    PIN = 0x94


class RunFlag(IntFlag):
    """What RUN collects on the way."""

    NONE = 0
    HASH = 1
    PROFILE = 2


class ErrorCode(IntEnum):
    """Codes of the error answer."""

    UNKNOWN_REQUEST = 1
    MALFORMED = 2
    OUT_OF_RANGE = 3
    NO_MODEL = 4
    NOT_READY = 5
    ENGINE_FAILED = 6
    MODEL_REFUSED = 7
    NO_HELLO = 8


@dataclass(frozen=True)
class TensorInfo:
    """The model's input or output, NHWC: int8, or int32 where `bytes` is four times the product of `dims`."""

    bytes: int
    scale: float
    zero_point: int
    dims: tuple[int, int, int, int]

    def __post_init__(self) -> None:
        elements = math.prod(self.dims)
        _true(self.bytes in (elements, 4 * elements) and elements > 0, f"{self.bytes} bytes in dims {self.dims}")
        _true(math.isfinite(self.scale) and self.scale > 0, f"a scale of {self.scale}")
        _true(-128 <= self.zero_point <= 127, f"a zero point of {self.zero_point}")

    @property
    def is_int32(self) -> bool:
        """Whether it holds places, as ARG_MAX finds them, and not quantised values."""
        return self.bytes != math.prod(self.dims)


@dataclass(frozen=True)
class ModelInfo:
    """The model image in the board's flash. `name` is escaped, `image_sha256` is in hex digits."""

    name: str
    input: TensorInfo
    output: TensorInfo
    steps: int
    goldens: int
    arena_used_bytes: int
    arena_capacity_bytes: int
    scratch_bytes: int
    image_bytes: int
    image_sha256: str

    def __post_init__(self) -> None:
        _true(not self.input.is_int32, "an input of int32")
        _true(1 <= self.steps <= MAX_STEPS, f"{self.steps} steps")
        _true(
            self.arena_used_bytes <= self.arena_capacity_bytes <= ARENA_MAX_BYTES,
            f"an arena of {self.arena_used_bytes} bytes in a capacity of {self.arena_capacity_bytes}",
        )
        # What is made room for, asked for and gone through on a board's word alone.
        ends_bytes = self.input.bytes + self.output.bytes
        _true(max(self.input.bytes, self.output.bytes) <= self.arena_used_bytes, f"{ends_bytes} bytes of ends")
        _true(
            self.goldens * ends_bytes <= self.image_bytes, f"{self.goldens} golden samples in {self.image_bytes} bytes"
        )


@dataclass(frozen=True)
class StepInfo:
    """A step of the plan. `op` is TFLite's builtin code; `name` is escaped."""

    index: int
    name: str
    op: int
    kernel: int
    macs: int
    output_tensor: int
    output_bytes: int


@dataclass(frozen=True)
class SelftestResult:
    """Whether a golden sample's output came out equal, and else the first byte that differs."""

    equal: bool
    first_difference: int


@dataclass(frozen=True)
class Busy:
    """Steps done of a long request."""

    done: int
    steps: int


@dataclass(frozen=True)
class PicturesInfo:
    """How the board takes pictures: bytes there is room for, and docs/preprocessing.md's section (empty if none)."""

    room_bytes: int
    section: bytes


@dataclass(frozen=True)
class PinState:
    """The virtual trigger's level, the done pin's; triggered runs since boot, and the last one's clock ticks."""

    trigger: bool
    done: bool
    runs: int
    ticks: int


class BoardError(BoardTrouble):
    """The board answered a request with an error. `code` is an ErrorCode where it is a known one."""

    def __init__(self, request: Request, code: int, text: str) -> None:
        self.request = request
        self.code = code
        known = {c.value: c.name.lower().replace("_", " ") for c in ErrorCode}
        super().__init__(
            f"the board answers {request.name} with error {code} ({known.get(code, 'unknown')}): {text}",
            hint=_HINTS.get(code, "`edgeq monitor` and `info` there tell more"),
        )


_HINTS = {
    ErrorCode.UNKNOWN_REQUEST.value: "flash the firmware of this version of edgeq",
    ErrorCode.NO_MODEL.value: "flash a model image with `edgeq flash`",
    ErrorCode.MODEL_REFUSED.value: "flash a model image made for this firmware and board",
    ErrorCode.NO_HELLO.value: "the board restarted in between: check its supply, then try again",
}


def _true(condition: bool, what: str) -> None:
    if not condition:
        raise BoardTrouble(f"the board says what cannot be: {what}", hint="flash the firmware again")


def _length(payload: bytes, least: int, most: int, what: str) -> None:
    _true(least <= len(payload) <= most, f"{len(payload)} bytes as {what}")


def pack_u32(*values: int) -> bytes:
    """The arguments of most requests. ValueError if one is no u32."""
    for value in values:
        if not 0 <= value <= 0xFFFFFFFF:
            raise ValueError(f"{value} is no u32")
    return struct.pack(f"<{len(values)}I", *values)


def pack_write(offset: int, data: bytes) -> bytes:
    """WRITE_INPUT and WRITE_PICTURE. ValueError for no bytes, or more than WRITE_MAX_BYTES."""
    if not 1 <= len(data) <= WRITE_MAX_BYTES:
        raise ValueError(f"{len(data)} bytes at once")
    return pack_u32(offset) + data


def pack_name(name: str) -> bytes:
    """The name of an engine, 1 to 16 bytes of ASCII."""
    if not (name.isascii() and 1 <= len(name) <= ENGINE_NAME_MAX_BYTES):
        raise BadInput(f"{name!r} is no engine's name", hint="native or tflm")
    return name.encode()


def unpack_nothing(payload: bytes) -> None:
    """The answer to WRITE_INPUT, LOAD_GOLDEN, REBOOT, ENGINE, PICTURE and WRITE_PICTURE."""
    _length(payload, 0, 0, "an empty answer")


def unpack_hello(payload: bytes) -> None:
    """HELLO's answer: the version and payload limit that this tool speaks."""
    _length(payload, 4, 4, "HELLO")
    version, limit = struct.unpack("<HH", payload)
    if version != VERSION or limit != PAYLOAD_MAX_BYTES:
        raise BoardTrouble(
            f"the board speaks version {version} of the protocol with payloads of {limit} bytes, this tool "
            f"version {VERSION} with {PAYLOAD_MAX_BYTES}",
            hint="flash the firmware of this version of edgeq",
        )


def unpack_info_part(payload: bytes) -> tuple[int, bytes]:
    """INFO's answer: bytes of text in all, and a part of it."""
    _length(payload, 4, PAYLOAD_MAX_BYTES, "INFO")
    (total,) = struct.unpack("<I", payload[:4])
    _true(total <= INFO_MAX_BYTES, f"{total} bytes of INFO")
    return total, payload[4:]


def parse_info(text: bytes) -> dict[str, str]:
    """INFO's lines; keys and values are escaped."""
    facts: dict[str, str] = {}
    for line in text.split(b"\n"):
        if not line:
            continue
        key, equals, value = line.partition(b"=")
        name = escape(key)
        _true(bool(key and equals) and name not in facts, f"the line '{escape(line)}' in INFO")
        facts[name] = escape(value)
    return facts


_MODEL = struct.Struct("<8I fi fi 4H 4H 32s B")


def unpack_model(payload: bytes) -> ModelInfo:
    """MODEL's answer."""
    _length(payload, _MODEL.size, _MODEL.size + MODEL_NAME_MAX_BYTES, "MODEL")
    f = _MODEL.unpack_from(payload)
    name = payload[_MODEL.size :]
    _true(len(name) == f[21], f"a name of {f[21]} bytes with {len(name)} sent")
    return ModelInfo(
        name=escape(name),
        input=TensorInfo(f[0], f[8], f[9], f[12:16]),
        output=TensorInfo(f[1], f[10], f[11], f[16:20]),
        steps=f[2],
        goldens=f[3],
        arena_used_bytes=f[4],
        arena_capacity_bytes=f[5],
        scratch_bytes=f[6],
        image_bytes=f[7],
        image_sha256=f[20].hex(),
    )


_STEP = struct.Struct("<5I B")


def unpack_step(index: int, payload: bytes) -> StepInfo:
    """STEP's answer for step `index`."""
    _length(payload, _STEP.size, PAYLOAD_MAX_BYTES, "STEP")
    macs, output_bytes, output_tensor, op, kernel, name_bytes = _STEP.unpack_from(payload)
    name = payload[_STEP.size :]
    _true(len(name) == name_bytes, f"a name of {name_bytes} bytes with {len(name)} sent")
    return StepInfo(index, escape(name), op, kernel, macs, output_tensor, output_bytes)


def unpack_ticks(payload: bytes) -> int:
    """The answer to RUN and CLOCK."""
    _length(payload, 8, 8, "clock ticks")
    return int.from_bytes(payload, "little")


def unpack_rows(payload: bytes) -> list[bytes]:
    """The answer to READ_PROFILE and READ_HASHES: rows of 8 bytes."""
    _length(payload, 0, 8 * ROWS_MAX, "rows")
    _true(len(payload) % 8 == 0, f"{len(payload)} bytes as rows of 8")
    return [payload[at : at + 8] for at in range(0, len(payload), 8)]


def unpack_bytes(payload: bytes, asked: int) -> bytes:
    """The answer to READ_INPUT, READ_OUTPUT and READ_STEP: as many bytes as were asked for."""
    _length(payload, asked, asked, f"the {asked} bytes asked for")
    return payload


def unpack_selftest(payload: bytes) -> SelftestResult:
    """SELFTEST's answer."""
    _length(payload, 8, 8, "SELFTEST")
    equal, first_difference = struct.unpack("<II", payload)
    _true(equal in (0, 1), f"{equal} as yes or no")
    return SelftestResult(bool(equal), first_difference)


def unpack_preprocessing(payload: bytes) -> PicturesInfo:
    """PREPROCESSING's answer; the section is not looked into."""
    _length(payload, 4, PAYLOAD_MAX_BYTES, "PREPROCESSING")
    return PicturesInfo(int.from_bytes(payload[:4], "little"), payload[4:])


def unpack_label(payload: bytes) -> str:
    """LABEL's answer, escaped."""
    _length(payload, 1, PAYLOAD_MAX_BYTES, "a label")
    return escape(payload)


def unpack_pin(payload: bytes) -> PinState:
    """PIN's answer."""
    _length(payload, 20, 20, "PIN")
    trigger, done, runs, ticks = struct.unpack("<IIIQ", payload)
    _true(trigger in (0, 1) and done in (0, 1), f"pins at {trigger} and {done}")
    return PinState(bool(trigger), bool(done), runs, ticks)


def unpack_busy(payload: bytes) -> Busy:
    """BUSY."""
    _length(payload, 8, 8, "BUSY")
    done, steps = struct.unpack("<II", payload)
    _true(done <= steps <= MAX_STEPS, f"{done} of {steps} steps done")
    return Busy(done, steps)


def unpack_error(request: Request, payload: bytes) -> BoardError:
    """The error answer to `request`, to be raised."""
    _length(payload, 4, PAYLOAD_MAX_BYTES, "an error")
    code, about = struct.unpack("<HH", payload[:4])
    _true(about == request, f"an error about request {about:#x} in answer to {request.name}")
    return BoardError(request, code, escape(payload[4:]))
