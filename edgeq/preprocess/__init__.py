"""From a picture's pixels to the network's input, twice: in real numbers for calibration, in integers for the board.

docs/preprocessing.md is the specification; firmware/components/eq_preprocess/ is the integers' twin in C. Pure numpy.
"""

from edgeq.preprocess.c_header import c_header
from edgeq.preprocess.float_rule import FloatRule, Method
from edgeq.preprocess.integer_rule import IntegerRule, integer_rule
from edgeq.preprocess.pixels import SIDE_MOST, to_pixels
from edgeq.preprocess.section import decode_section, encode_section

__all__ = [
    "SIDE_MOST",
    "FloatRule",
    "IntegerRule",
    "Method",
    "c_header",
    "decode_section",
    "encode_section",
    "integer_rule",
    "to_pixels",
]
