"""What is known of a quantisation: how it was made, what it did to each tensor, what it cost, what to try.

SQNR is in dB and null where nothing was lost; ranges are (low, high) in floats; shares are of one.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from edgeq.report.part import Count, Part, Share, Text, Value

Range = tuple[float, float]
Spread = Annotated[float, Field(ge=1)]


class Histogram(Part):
    """How many of a tensor's floats lie in each of equally wide bins from `low` to `high`."""

    low: float
    high: float
    counts: Annotated[tuple[Count, ...], Field(min_length=1, max_length=256)]


class Activation(Part):
    """One int8 activation, measured on held-out samples.

    `db` is its SQNR with the noise of all before it, `own_db` that of rounding it alone, `median_channel_db` the same
    of the median channel. `range` is what its levels represent, `seen` what it held in calibration, null where its
    scale is fixed by rule. `clipped` is the share of values beyond the levels, `levels` how many of the 256 occur,
    `channel_spread` the largest channel's magnitude over the median one's. The layers that did worst have a histogram.
    """

    name: Text
    shape: tuple[Count, ...]
    db: float | None
    own_db: float | None
    median_channel_db: float | None
    range: Range
    seen: Range | None
    clipped: Share
    levels: Annotated[int, Field(ge=1, le=256)]
    channel_spread: Spread
    histogram: Histogram | None = None


class Weight(Part):
    """One layer's int8 weight; `worst_channel_db` is the SQNR of its worst output channel."""

    name: Text
    shape: tuple[Count, ...]
    per_channel: bool
    db: float | None
    worst_channel_db: float | None
    channel_spread: Spread
    range: Range
    histogram: Histogram | None = None


class Cost(Part):
    """What the output gains where the activations `names`, which share a scale, and their weights stay in float."""

    names: Annotated[tuple[Text, ...], Field(min_length=1)]
    db: float | None
    gain_db: float | None
    top1_gain: Annotated[float, Field(ge=-1, le=1)]


class LeaveOneOut(Part):
    """All costs, the highest first; `db` and `top1` are the output's with everything in int8, on the same samples."""

    samples: Annotated[int, Field(gt=0)]
    db: float | None
    top1: Share
    costs: tuple[Cost, ...]


class Hint(Part):
    """What was found, what to try, and the layers it is about."""

    rule: Text
    found: Text
    tries: Text
    layers: tuple[Text, ...] = ()


class Repair(Part):
    """The output's SQNR without and with a repair, on calibration samples, and whether it was kept."""

    repair: Text
    before_db: float | None
    after_db: float | None
    kept: bool


class Epoch(Part):
    """The INT8 network behind an epoch of training, on the images set aside; `trained_loss` is null of epoch 0."""

    number: Count
    trained_loss: Value | None
    loss: Value
    top1: Share


class Training(Part):
    """Fine-tuning with INT8's rounding: on how many images, scored on how many, by epoch; epoch 0 is what was before.

    `kept` is the number of the epoch whose network is the result.
    """

    images: Annotated[int, Field(gt=0)]
    set_aside: Annotated[int, Field(gt=0)]
    kept: Count
    epochs: Annotated[tuple[Epoch, ...], Field(min_length=1)]


class Moved(Part):
    """Samples that the float network takes for `float_class` and the INT8 one for `int8_class`.

    In `lost` of them the float network was right, in `won` the INT8 one.
    """

    float_class: Text
    int8_class: Text
    count: Annotated[int, Field(gt=0)]
    lost: Count
    won: Count

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.lost + self.won > self.count:
            raise ValueError(f"{self.lost} lost and {self.won} won are more than {self.count}")
        return self


class Quantisation(Part):
    """A quantisation; the activations are measured on `samples` held-out samples, in the network's order."""

    weight_scales: Literal["per-channel", "per-tensor"]
    observer: Text
    effort: Text
    calibration_samples: Annotated[int, Field(gt=0)]
    samples: Annotated[int, Field(gt=0)]
    activations: Annotated[tuple[Activation, ...], Field(min_length=1)]
    weights: tuple[Weight, ...] = ()
    left_out: LeaveOneOut | None = None
    hints: tuple[Hint, ...] = ()
    repairs: tuple[Repair, ...] = ()
    training: Training | None = None
    warnings: tuple[Text, ...] = ()
