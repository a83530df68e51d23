"""How much scratch ESP-NN's kernels ask TensorFlow Lite Micro for, per operator and chip (docs/tflm.md has the rule).

As of esp-nn d45b843 and esp-tflite-micro 1.4.0. The chips other than those of `VECTOR_CHIPS` run the generic kernels,
which ask for nothing but a row of SOFTMAX.
"""

from __future__ import annotations

from dataclasses import dataclass

from ai_edge_litert import schema_py_generated as schema

from edgeq.images.tflite_outline import OperatorOutline, Outline

VECTOR_CHIPS = ("esp32s3",)

_INT8 = schema.TensorType.INT8
_WHOLE_INT8_MOST, _WHOLE_INT16_MOST = 40 << 10, 48 << 10  # larger inputs are taken in strips
_MARGIN = 64  # for the vector kernels' alignment, and what they read beyond a buffer's ends


@dataclass(frozen=True)
class _Window:
    """A convolution's numbers; sizes are in elements."""

    in_h: int
    in_w: int
    channels: int
    filter_h: int
    filter_w: int
    out_h: int
    out_w: int
    out_channels: int
    stride_h: int
    stride_w: int
    pad_h: int
    pad_w: int

    @property
    def beyond_h(self) -> int:
        """Rows that ESP-NN counts behind the input's last one."""
        return max(0, self.out_h * self.stride_h + self.filter_h - 1 - self.in_h)

    @property
    def beyond_w(self) -> int:
        """Columns that ESP-NN counts behind the input's last one."""
        return max(0, self.out_w * self.stride_w + self.filter_w - 1 - self.in_w)


def scratch_bytes(outline: Outline, operator: OperatorOutline, chip: str) -> int:
    """What the kernel of this operator asks for; 0 for kernels that ask for nothing."""
    tensors = [outline.tensors[i] for i in operator.inputs if i >= 0]
    if operator.custom or not tensors or tensors[0].type != _INT8:
        return 0
    if operator.name == "SOFTMAX":
        shape = tensors[0].shape
        return 4 * shape[1] if len(shape) > 1 else 0
    if chip not in VECTOR_CHIPS or operator.name not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return 0
    window = _window(outline, operator)
    if window is None:
        return 0
    if operator.name == "CONV_2D":
        return _conv_esp32s3(window)
    return _depthwise_esp32s3(window, operator.options.get("DepthMultiplier", 1))


def _window(outline: Outline, operator: OperatorOutline) -> _Window | None:
    shapes = [outline.tensors[i].shape for i in (*operator.inputs[:2], *operator.outputs[:1]) if i >= 0]
    if len(shapes) != 3 or any(len(shape) != 4 for shape in shapes):
        return None
    (_, in_h, in_w, channels), (_, filter_h, filter_w, _), (_, out_h, out_w, out_channels) = shapes
    stride_h, stride_w = operator.options.get("StrideH", 1), operator.options.get("StrideW", 1)
    same = operator.options.get("Padding") == schema.Padding.SAME
    span_h = (filter_h - 1) * operator.options.get("DilationHFactor", 1) + 1
    span_w = (filter_w - 1) * operator.options.get("DilationWFactor", 1) + 1
    pad_h = max(0, (out_h - 1) * stride_h + span_h - in_h) // 2 if same else 0
    pad_w = max(0, (out_w - 1) * stride_w + span_w - in_w) // 2 if same else 0
    return _Window(
        in_h, in_w, channels, filter_h, filter_w, out_h, out_w, out_channels, stride_h, stride_w, pad_h, pad_w
    )


def _conv_esp32s3(w: _Window) -> int:
    pixels = w.in_h * w.in_w
    if (w.filter_h, w.filter_w, w.pad_h, w.pad_w, w.stride_h, w.stride_w) == (1, 1, 0, 0, 1, 1):
        channels = _up(w.channels, 8)
        padded_input = pixels * channels if w.channels % 8 else 0
        transposed = 16 * channels if pixels >= 8 else 0
        return padded_input + channels * w.out_channels + transposed + _MARGIN
    row, taps = w.filter_w * w.channels, w.filter_h * w.filter_w * w.channels
    if row < 16 <= taps:  # each window is gathered into one row
        return w.out_channels * (4 + _up(taps, 16)) + _up(taps, 16) + 32 + _MARGIN
    padded = (w.in_h + 2 * w.pad_h) * (w.in_w + 2 * w.pad_w) * w.channels if w.pad_h or w.pad_w else 0
    filters = w.filter_h * w.filter_w * _up(w.channels, 16) * w.out_channels
    aligned_filters = _up(row, 16) * w.filter_h * w.out_channels
    reached = (w.in_h + w.beyond_h) * (w.in_w + w.beyond_w) * w.channels if w.beyond_h or w.beyond_w else 0
    return padded + filters + aligned_filters + reached + 4 * w.out_channels + _MARGIN


def _depthwise_esp32s3(w: _Window, multiplier: int) -> int:
    """One rule per variant of the kernel, which is chosen by the multiplier, the channels and the window."""
    filters = w.filter_h * w.filter_w * w.out_channels
    pixels = w.in_h * w.in_w * w.channels
    as_int16 = 2 * (filters + pixels) + 32
    if multiplier == 1 and w.channels % 8 == 0:
        if (w.filter_h, w.filter_w) != (3, 3):
            strip = 2 * (filters + w.in_w * w.filter_h * w.channels) + 32
            return as_int16 if as_int16 - 32 <= _WHOLE_INT16_MOST else strip
        if w.channels % 16 == 0:
            return filters + _padded_3x3(w) + 16
        return _widened_3x3(w) if w.channels >= 12 else as_int16
    if multiplier == 1 and w.channels > 3:
        return _widened(w)
    return as_int16 if multiplier % 4 == 0 else 32


def _padded_3x3(w: _Window) -> int:
    """The input with its padding, whole, or of a large one as many rows as the window has."""
    by_hand = bool(w.pad_h or w.pad_w)
    pad_h = 2 * w.pad_h if by_hand else w.out_h * w.stride_h + 2 - w.in_h
    pad_w = 2 * w.pad_w if by_hand else w.out_w * w.stride_w + 2 - w.in_w
    if not (pad_h or pad_w):
        return 0
    whole = (w.in_h + pad_h) * (w.in_w + pad_w) * w.channels
    return whole if whole <= _WHOLE_INT8_MOST else (w.in_w + pad_w) * w.filter_h * w.channels


def _widened_3x3(w: _Window) -> int:
    """Filters, padded input and output with the channels filled up to 16."""
    channels = _up(w.channels, 16)
    padded = (w.in_h + 2 * w.pad_h + w.beyond_h) * (w.in_w + 2 * w.pad_w + w.beyond_w)
    return channels * (9 + padded + w.out_h * w.out_w) + 64


def _widened(w: _Window) -> int:
    """Filters and input as int16, output as int8, bias, shift and multiplier, the channels filled up to 8."""
    channels = _up(w.channels, 8)
    filters = _up(2 * w.filter_h * w.filter_w * channels, 16)
    inputs = _up(2 * w.in_h * w.in_w * channels, 16)
    outputs = _up(w.out_h * w.out_w * channels, 16)
    return filters + inputs + outputs + 3 * 4 * channels + 16


def _up(n: int, to: int) -> int:
    return -(-n // to) * to
