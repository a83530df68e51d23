"""The model image: plan, `.tflite`, golden samples and name in one file with its SHA-256 (docs/plan-format.md)."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum

from edgeq.errors import BadInput

MAGIC = b"EQMI"
VERSION = (1, 0)
NAME_MAX = 64
LABEL_MAX = 256  # bytes: the link carries a label in one answer
MAX_SECTIONS = 16

_HEADER = struct.Struct("<4s2H2I")
_ROW = struct.Struct("<4I")
_U32 = struct.Struct("<I")
_DIGEST = 32


class Section(IntEnum):
    """Kinds of section."""

    PLAN = 1
    TFLITE = 2
    GOLDEN = 3
    NAME = 4
    LABELS = 5
    PREPROCESS = 6
    TFLM = 7


@dataclass(frozen=True)
class ModelImage:
    """What the `model` partition holds. `golden` is each sample's input bytes followed by its output bytes.

    `preprocess` is the section of docs/preprocessing.md, empty where pictures are not for this model.
    `tflm_arena_bytes` is what TensorFlow Lite Micro takes at most, 0 where that is not known.
    """

    name: str
    plan: bytes
    tflite: bytes
    golden: bytes = b""
    labels: tuple[str, ...] = ()
    preprocess: bytes = b""
    tflm_arena_bytes: int = 0


def write_model_image(image: ModelImage) -> bytes:
    """The image's bytes; the same image gives the same bytes. Refuses what no firmware would open."""
    if not (image.name and image.plan and image.tflite):
        raise BadInput("a model image needs a name, a plan and a .tflite", where=image.name)
    if any(not label or "\n" in label for label in image.labels):
        raise BadInput("a label is empty or has a line break", where=image.name)
    if any(len(label.encode()) > LABEL_MAX for label in image.labels):
        raise BadInput(f"a label is longer than {LABEL_MAX} bytes", where=image.name)
    contents = {
        Section.PLAN: image.plan,
        Section.TFLITE: image.tflite,
        Section.GOLDEN: image.golden,
        Section.NAME: image.name.encode()[:NAME_MAX].decode("utf-8", "ignore").encode(),
        Section.LABELS: "\n".join(image.labels).encode(),
        Section.PREPROCESS: image.preprocess,
        Section.TFLM: _U32.pack(image.tflm_arena_bytes) if image.tflm_arena_bytes else b"",
    }
    present = {kind: data for kind, data in contents.items() if data}
    at = _aligned(_HEADER.size + len(present) * _ROW.size)
    rows, body = b"", b""
    start = at
    for kind, data in present.items():
        rows += _ROW.pack(kind, at, len(data), 0)
        body = body.ljust(at - start, b"\0") + data
        at = _aligned(at + len(data))
    total = start + len(body) + _DIGEST
    head = (_HEADER.pack(MAGIC, *VERSION, total, len(present)) + rows).ljust(start, b"\0")
    return head + body + hashlib.sha256(head + body).digest()


def read_model_image(data: bytes, name: str = "model image") -> ModelImage:
    """The inverse; refuses what the firmware would refuse."""
    if len(data) < _HEADER.size + _DIGEST or data[:4] != MAGIC:
        raise BadInput("is not a model image (its magic EQMI is missing)", where=name)
    _, major, _, total, count = _HEADER.unpack_from(data)
    if major != VERSION[0]:
        raise BadInput(f"has version {major}; this edgeq reads {VERSION[0]}", where=name)
    table_end = _HEADER.size + count * _ROW.size
    if not 1 <= count <= MAX_SECTIONS or not table_end + _DIGEST <= total <= len(data):
        raise BadInput(f"is truncated: it says {total} bytes, there are {len(data)}", where=name)
    if hashlib.sha256(data[: total - _DIGEST]).digest() != data[total - _DIGEST : total]:
        raise BadInput("is damaged: its SHA-256 does not match", where=name)
    sections: dict[int, bytes] = {}
    end, limit = table_end, total - _DIGEST
    for i in range(count):
        kind, offset, size, _ = _ROW.unpack_from(data, _HEADER.size + i * _ROW.size)
        if offset % 16 or offset < end or offset + size > limit or kind in sections or not kind or not size:
            raise BadInput(f"section {kind} is empty, out of place or there twice", where=name)
        sections[kind] = data[offset : offset + size]
        end = offset + size
    if len(sections.get(Section.NAME, b"")) > NAME_MAX:
        raise BadInput(f"its name is longer than {NAME_MAX} bytes", where=name)
    try:
        labels = sections.get(Section.LABELS, b"").decode()
        return ModelImage(
            sections[Section.NAME].decode(), sections[Section.PLAN], sections[Section.TFLITE],
            sections.get(Section.GOLDEN, b""), tuple(labels.split("\n")) if labels else (),
            sections.get(Section.PREPROCESS, b""), _U32.unpack_from(sections.get(Section.TFLM, bytes(_U32.size)))[0],
        )  # fmt: skip
    except struct.error as e:
        raise BadInput("what it says of TensorFlow Lite Micro is too short", where=name) from e
    except KeyError as e:
        raise BadInput(f"the section {Section(e.args[0]).name} is missing", where=name) from e
    except UnicodeDecodeError as e:
        raise BadInput("its name or labels are not UTF-8", where=name) from e


def _aligned(n: int) -> int:
    return -(-n // 16) * 16
