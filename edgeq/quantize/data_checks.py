"""What is suspicious about calibration data: it is used all the same, and the user is told."""

from __future__ import annotations

from edgeq.quantize.images import Floats
from edgeq.quantize.recipe import InputFacts

FEW = 32
# Inputs beyond this are hardly what a network was trained on: preprocessing brings them to a few units around zero.
LARGE = 16.0


def data_warnings(stored: Floats, inputs: Floats, facts: InputFacts) -> tuple[str, ...]:
    """Sentences on calibration samples, `stored` [N, h, w, c] and preprocessed [N, H, W, C]; none if all is well."""
    warnings = []
    if len(inputs) < FEW:
        warnings.append(f"{len(inputs)} calibration samples are few; ranges settle at {FEW} and more, better 100")
    if float(inputs.max()) == float(inputs.min()):
        warnings.append(f"every calibration input is the constant {inputs.max():g}; no range can be told from it")
    elif len(inputs) > 1 and (inputs == inputs[0]).all():
        warnings.append("all calibration inputs are the same image")
    low, high = float(stored.min()), float(stored.max())
    if high > facts.white * 1.001:
        warnings.append(f"stored pixels reach {high:g}, but model.toml says that white is {facts.white:g}")
    elif 0 < high <= 1 < facts.white / 50 and low >= 0:
        warnings.append(
            f"stored pixels are {low:g} to {high:g}, but model.toml says that white is {facts.white:g}: "
            "images in 0..1 where 0..255 is expected?"
        )
    largest = max(abs(float(inputs.min())), abs(float(inputs.max())))
    if largest > LARGE:
        warnings.append(
            f"inputs reach {largest:g} after preprocessing: 0..255 where 0..1 was trained? "
            "scale in model.toml would be 1/255 = 0.003921569"
        )
    return tuple(warnings)
