"""Ten thousand damaged model images under ASan and UBSan: each is refused with a reason, or runs without a report.

Most are damaged in one field and get their CRC-32 and SHA-256 right again, so that the field itself is what the engine
must see through. A seed that fails is printed; `engine_host mutate SEED 1` repeats it alone.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from hashlib import sha256

import numpy as np
import pytest
from engine_host import EngineHost, Planned, planned
from graphs import every_kernel

from edgeq import ops
from edgeq.plan import Target
from edgeq.plan.encode import STEP
from edgeq.plan.variants import VARIANTS, conv2d_gather, conv2d_mac16, depthwise

BATCH = 2500


@pytest.fixture(scope="module")
def model() -> Planned:
    """Every kernel, and two golden samples."""
    graph = every_kernel()
    inputs = np.random.default_rng(1).integers(-128, 128, (2, 8, 8, 3), dtype=np.int8)
    outputs = ops.run(graph, {"x": inputs})[graph.outputs[0]]
    return planned(graph, b"".join(x.tobytes() + y.tobytes() for x, y in zip(inputs, outputs, strict=True)))


@pytest.fixture(scope="module", params=[v.offer for v in (conv2d_gather, conv2d_mac16)], ids=["gather", "mac16"])
def fast(request: pytest.FixtureRequest) -> Iterator[Planned]:
    """The same with the kernels of a core that has MAC16, and their scratch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(VARIANTS, "conv2d_s8", (request.param,))
        yield planned(every_kernel(), target=Target(mac16=True, scratch_bytes=98304))


def test_damaged_images_with_scratch_are_refused_or_run(engine_host: EngineHost, fast: Planned) -> None:
    assert fast.plan.scratch_bytes > 0
    ended = engine_host.mutate(fast.image, 1, BATCH)
    assert sum(ended.values()) == BATCH and min(ended["ok"], ended["bad plan"]) >= 100


def test_damaged_images_with_the_depthwise_kernel_of_all_windows(
    engine_host: EngineHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(VARIANTS, "depthwise_conv2d_s8", (depthwise.offer,))
    ended = engine_host.mutate(planned(every_kernel()).image, 2, BATCH)
    assert sum(ended.values()) == BATCH and min(ended["ok"], ended["bad plan"]) >= 100


@pytest.mark.parametrize("seed", range(0, 4 * BATCH, BATCH))
def test_damaged_images_are_refused_or_run(engine_host: EngineHost, model: Planned, seed: int) -> None:
    ended = engine_host.mutate(model.image, seed, BATCH)
    assert sum(ended.values()) == BATCH
    # The mutants reach every kind of check, and the kernels behind them.
    assert min(ended[status] for status in ("ok", "bad image", "bad plan", "unsupported", "too large")) >= 5
    assert not ended["map failed"] + ended["not open"] + ended["out of range"]


HEADER = {"arena": 20, "features": 28, "needs_count": 36, "steps_count": 52, "input": 72}
TENSOR_ROW = {"offset": 0, "bytes": 4, "scale": 8, "zero_point": 12, "batch": 16, "place": 28}
STEP_ROW = {"kernel": 0, "input": 4, "second": 8, "output": 12, "params": 16, "params_bytes": 20, "name_bytes": 28}
CONV_PARAMS = {
    "stride": 8,
    "dilation": 16,
    "top": 24,
    "zero_point": 32,
    "low": 40,
    "weights": 48,
    "bias": 52,
    "multiplier": 56,
    "shift": 72,
}

PLAN = planned(every_kernel()).plan


def step_at(name: str) -> int:
    """Where the row of the step that writes `name` lies in its table."""
    return STEP.size * [step.name for step in PLAN.steps].index(name)


def tensor(name: str) -> int:
    """The index of the tensor `name` in the plan."""
    return [t.name for t in PLAN.tensors].index(name)


def with_field(image: bytes, table: int | None, at: int, value: int) -> bytes:
    """The image with one u32 of its plan changed, else sound. `table` is where the header gives a table's offset."""
    out = bytearray(image)
    plan, size = struct.unpack_from("<2I", out, 16 + 4)
    base = plan + (struct.unpack_from("<I", out, plan + table)[0] if table else 0)
    struct.pack_into("<I", out, base + at, value & 0xFFFFFFFF)
    struct.pack_into("<I", out, plan + 12, 0)
    struct.pack_into("<I", out, plan + 12, zlib.crc32(out[plan : plan + size]))
    return bytes(out[:-32]) + sha256(out[:-32]).digest()


REFUSED = [
    (None, HEADER["arena"], 0, "bad plan"),
    (None, HEADER["arena"], 1 << 30, "too large"),
    (None, HEADER["features"], 1, "unsupported"),
    (None, HEADER["needs_count"], 0, "bad plan"),
    (None, HEADER["steps_count"], 1 << 20, "bad plan"),
    (None, HEADER["input"], 99, "bad plan"),
    (40, 32 * tensor("y") + TENSOR_ROW["offset"], 24, "bad plan"),  # into a gap
    (40, TENSOR_ROW["offset"], 1 << 31, "bad plan"),
    (40, TENSOR_ROW["bytes"], 193, "bad plan"),
    (40, TENSOR_ROW["scale"], 0x7FC00000, "bad plan"),
    (40, TENSOR_ROW["zero_point"], 128, "bad plan"),
    (40, TENSOR_ROW["batch"], 2 | 8 << 16, "bad plan"),
    (40, TENSOR_ROW["place"], 1, "bad plan"),  # the input is no constant
    (40, 32 + TENSOR_ROW["place"], 1, "bad plan"),  # nor is what a step writes
    (40, TENSOR_ROW["place"], 2, "bad plan"),
    (48, STEP_ROW["kernel"], 99, "unsupported"),
    (48, STEP_ROW["input"], 99, "bad plan"),
    (48, STEP_ROW["output"], 0xFFFFFFFF, "bad plan"),
    (48, STEP_ROW["params"], 2, "bad plan"),
    (48, STEP_ROW["params_bytes"], 4, "bad plan"),
    (48, STEP_ROW["name_bytes"], 65, "bad plan"),
    (48, step_at("total") + STEP_ROW["second"], tensor("x"), "bad plan"),  # ADD of another shape
    (48, step_at("total/pad") + STEP_ROW["output"], tensor("x"), "bad plan"),  # PAD into other channels
    (48, step_at("mean") + STEP_ROW["output"], tensor("y"), "bad plan"),  # MEAN into fewer channels
    (56, CONV_PARAMS["stride"], 0, "bad plan"),
    (56, CONV_PARAMS["stride"], 1024, "bad plan"),
    (56, CONV_PARAMS["dilation"], 1 << 30, "bad plan"),
    (56, CONV_PARAMS["top"], -1, "bad plan"),
    (56, CONV_PARAMS["zero_point"], -129, "bad plan"),
    (56, CONV_PARAMS["low"], 128, "bad plan"),
    (56, CONV_PARAMS["weights"], 1 << 20, "bad plan"),
    (56, CONV_PARAMS["weights"], -1, "bad plan"),
    (56, CONV_PARAMS["bias"], 2, "bad plan"),
    (56, CONV_PARAMS["bias"], -2, "bad plan"),
    (56, CONV_PARAMS["multiplier"], -1, "bad plan"),
    (56, CONV_PARAMS["shift"], 31, "bad plan"),
    (56, CONV_PARAMS["shift"], -32, "bad plan"),
]


@pytest.mark.parametrize(("table", "at", "value", "status"), REFUSED)
def test_one_wrong_field_is_refused(
    engine_host: EngineHost, model: Planned, table: int | None, at: int, value: int, status: str
) -> None:
    assert engine_host.open(model.image) == "ok"
    assert engine_host.open(with_field(model.image, table, at, value)) == status


def test_a_name_longer_than_the_buffers_of_those_who_show_it_is_refused(
    engine_host: EngineHost, model: Planned
) -> None:
    names = with_field(with_field(model.image, None, 64, 80), None, 68, 1024)  # the names' table: long enough
    assert engine_host.open(with_field(names, 48, STEP_ROW["name_bytes"], 64)) == "ok"
    assert engine_host.open(with_field(names, 48, STEP_ROW["name_bytes"], 65)) == "bad plan"


@pytest.mark.parametrize(("at", "value"), [(8, 0xFFFFFFFF), (12, 17), (16 + 3 * 16 + 8, 64), (16 + 3 * 16, 0)])
def test_a_wrong_section_table_is_refused(engine_host: EngineHost, model: Planned, at: int, value: int) -> None:
    out = bytearray(model.image)
    struct.pack_into("<I", out, at, value)
    out[-32:] = sha256(out[:-32]).digest()
    assert engine_host.open(bytes(out)) == "bad image"


@pytest.mark.parametrize(
    ("image", "status"),
    [(b"", "no model"), (b"\xff" * 4096, "no model"), (b"\0" * 4096, "bad image"), (b"EQMI" * 1024, "unsupported")],
)
def test_what_is_no_image_is_refused(engine_host: EngineHost, image: bytes, status: str) -> None:
    assert engine_host.open(image) == status


def test_an_image_cut_anywhere_is_refused(engine_host: EngineHost, model: Planned) -> None:
    for size in range(0, len(model.image), 97):
        assert engine_host.open(model.image[:size]) in ("no model", "bad image")
