"""Whether pictures can be run on a model: the board's integer preprocessing beside the one that calibration used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import BadInput
from edgeq.graph import QuantParams
from edgeq.pipeline.progress import Progress
from edgeq.preprocess import FloatRule, IntegerRule, integer_rule, to_pixels

LSB_MOST = 1


def picture_rule(
    real: FloatRule, quant: QuantParams, stored: NDArray[Any], inputs: NDArray[np.float32], progress: Progress
) -> tuple[IntegerRule | None, dict[str, str]]:
    """The integers of `real`, and what was measured, as facts for the lock file.

    `stored` [N, h, w, c] are samples as the data set holds them, `inputs` the same preprocessed for calibration. Where
    the integers are further from them than LSB_MOST, or there can be none, there is no rule and a note says why.
    """
    try:
        rule = integer_rule(real, quant.scale[0], quant.zero_point[0])
        pixels = to_pixels(stored, real.white)
        fixed = np.stack([rule.apply(picture) for picture in pixels])
    except BadInput as e:
        progress.note(f"pictures cannot be run on this model: {e.what}")
        return None, {}
    exact = quant.quantise(inputs, "int8")
    difference = int(np.abs(exact.astype(np.int32) - fixed).max())
    if difference > LSB_MOST:
        progress.note(
            f"pictures cannot be run on this model: as bytes, its samples differ by {difference} LSB from what it was "
            f"calibrated with. Is white = {real.white:g} in model.toml's [input] right?"
        )
        return None, {}
    if 2 * stored.max() < real.white:
        progress.note(
            f"the brightest pixel of the data is {stored.max():g}, but white is {real.white:g}: image files will look "
            f"far brighter than the data. Say white = {stored.max():g} in model.toml's [input] if that is white"
        )
    return rule, {"preprocessing": f"differs by at most {difference} LSB on {len(stored)} samples"}
