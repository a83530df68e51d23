"""TFLite Micro's arena: exact for the interpreter at hand, and bounded from above for the ESP32."""

import math
from pathlib import Path

import pytest
from graphs import every_kernel
from shared_data import FOLDER, tflite_files

from edgeq.bench import tflm
from edgeq.bench.oracles import has_tflm, tflm_arena_bytes
from edgeq.convert import write_tflite
from edgeq.errors import Unsupported
from edgeq.images.tflite_outline import OperatorOutline, Outline, TensorOutline, read_outline
from edgeq.plan.esp_nn import scratch_bytes
from edgeq.plan.tflm_arena import esp32_arena_bound

INT8 = 9
needs_tflm = pytest.mark.skipif(not has_tflm(), reason="TFLite Micro's interpreter is not installed")
REFUSED = {"kws_ref_model_float32"}  # TFLM takes no float activations with int8 weights


@needs_tflm
@pytest.mark.parametrize("path", tflite_files())
def test_a_byte_less_fails_and_the_size_works(path: Path) -> None:
    model = path.read_bytes()
    if path.stem in REFUSED:
        with pytest.raises(Unsupported, match="Hybrid models are not supported"):
            tflm_arena_bytes(model)
        return
    exact = tflm_arena_bytes(model)
    assert tflm._opens(model, exact)
    assert not tflm._opens(model, exact - 1)
    for chip in ("esp32", "esp32s3", "esp32c3"):
        assert esp32_arena_bound(read_outline(model), exact, chip) >= exact


@needs_tflm
def test_the_smallest_model() -> None:
    model = write_tflite(every_kernel())
    exact = tflm_arena_bytes(model)
    assert tflm._opens(model, exact) and not tflm._opens(model, exact - 1)


@needs_tflm
def test_a_bound_is_above_what_a_board_used_and_not_far() -> None:
    path = FOLDER / "tflm" / "models" / "person_detect.tflite"
    if not path.is_file():
        pytest.skip(f"no models in {FOLDER}")
    used = 82_300  # esp-tflite-micro with ESP-NN on an emulated ESP32
    model = path.read_bytes()
    assert used <= esp32_arena_bound(read_outline(model), tflm_arena_bytes(model), "esp32") < 1.05 * used


@needs_tflm
def test_a_damaged_model_does_no_harm() -> None:
    whole = write_tflite(every_kernel())
    with pytest.raises(Unsupported):
        tflm_arena_bytes(whole[: len(whole) // 2])


def network(name: str, *shapes: tuple[int, ...], **options: int) -> Outline:
    """One operator on the first shape, with the second as weights, giving the last."""
    last = len(shapes) - 1
    tensors = [TensorOutline(shape, INT8, math.prod(shape), i in (0, last)) for i, shape in enumerate(shapes)]
    operator = OperatorOutline(name, False, tuple(range(last)), (last,), options)
    return Outline(tuple(tensors), (operator,), (0,), (last,))


def asked(chip: str, name: str, *shapes: tuple[int, ...], **options: int) -> int:
    outline = network(name, *shapes, **options)
    return scratch_bytes(outline, outline.operators[0], chip)


def test_scratch_by_hand() -> None:
    """Numbers worked out by hand from the rules in docs/tflm.md."""
    conv = ((1, 8, 8, 16), (32, 3, 3, 16), (1, 8, 8, 32))
    assert asked("esp32", "CONV_2D", *conv, Padding=0, StrideH=1, StrideW=1) == 0
    assert asked("esp32c3", "DEPTHWISE_CONV_2D", (1, 8, 8, 16), (1, 3, 3, 16), (1, 8, 8, 16)) == 0
    assert asked("esp32", "SOFTMAX", (1, 12), (1, 12)) == 48
    # padded input 10*10*16, filters 9*16*32 twice, reach (8+2)*(8+2)*16, sums 4*32, margin 64
    assert asked("esp32s3", "CONV_2D", *conv, Padding=0, StrideH=1, StrideW=1) == 1600 + 4608 * 2 + 1600 + 128 + 64
    # 1x1: filters 16*8, two rows of 8 pixels, margin
    pointwise = ((1, 4, 4, 16), (8, 1, 1, 16), (1, 4, 4, 8))
    assert asked("esp32s3", "CONV_2D", *pointwise, Padding=1, StrideH=1, StrideW=1) == 128 + 256 + 64
    # a row of the window is short: gathered windows of 27, filled up to 32
    first = ((1, 8, 8, 3), (4, 3, 3, 3), (1, 6, 6, 4))
    assert asked("esp32s3", "CONV_2D", *first, Padding=1, StrideH=1, StrideW=1) == 4 * 36 + 32 + 32 + 64
    depthwise = ((1, 8, 8, 16), (1, 3, 3, 16), (1, 8, 8, 16))
    assert asked("esp32s3", "DEPTHWISE_CONV_2D", *depthwise, Padding=0, StrideH=1, StrideW=1, DepthMultiplier=1) == (
        144 + 10 * 10 * 16 + 16
    )


def test_scratch_of_no_int8_operator_is_none() -> None:
    outline = network("SOFTMAX", (1, 12), (1, 12))
    wide = Outline(
        tuple(TensorOutline(t.shape, 0, 4 * t.bytes, t.planned) for t in outline.tensors),
        outline.operators, outline.inputs, outline.outputs,
    )  # fmt: skip
    assert scratch_bytes(wide, wide.operators[0], "esp32") == 0


def test_the_bound_grows_with_the_largest_scratch() -> None:
    outline = network("SOFTMAX", (1, 1000), (1, 1000))
    assert esp32_arena_bound(outline, 10_000, "esp32") >= 10_000 + 4000
