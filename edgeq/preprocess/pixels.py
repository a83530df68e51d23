"""What a pixel is: a byte, 0 for black and 255 for white, whatever a data set stores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import BadInput

SIDE_MOST = 16384  # rows or columns, so that all of a coordinate's arithmetic fits 32 bits

# Red, green and blue in grey, of 256: ITU-R BT.601's luma in 8 bits.
LUMA = (77, 150, 29)


def to_pixels(stored: NDArray[Any], white: float) -> NDArray[np.uint8]:
    """Stored values, 0 to `white` (both as float32), as pixels of the same shape: floor(stored * 255 / white + 1/2).

    Raises:
        BadInput: a value below 0, above `white`, or none at all.
    """
    white = float(np.float32(white))  # as a model image holds it
    values = stored.astype(np.float32).astype(np.float64)
    if not (values.min() >= 0 and values.max() <= white):  # also where there is a NaN
        raise BadInput(
            f"stored pixels are {values.min():g} to {values.max():g}, they must lie in 0 to white = {white:g}",
            hint="say in model.toml's [input] which stored value is white",
        )
    return np.floor(values * 255 / white + 0.5).astype(np.uint8)
