"""The rules of `edgeq lint`, and what it finds against them: docs/lint.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

TFLM, ESP_NN, EDGEQ = "TFLite Micro", "ESP-NN", "edgeq"
ERROR, WARNING, NOTE = "error", "warning", "note"

_REQUANTISE = "quantise the model again; edgeq's own rules and TFLiteConverter's do this right"
_IN_TFLM = "run it in TFLite Micro"
_INTEGER = "quantise all of it: `edgeq quantize`, or TFLiteConverter with a data set and TFLITE_BUILTINS_INT8"


@dataclass(frozen=True)
class Rule:
    """How bad its breach is, who refuses the model or gets it wrong, and what to do."""

    severity: str
    who: tuple[str, ...]
    hint: str


RULES: dict[str, Rule] = {
    "schema-version": Rule(ERROR, (TFLM,), "convert the model again with a current converter"),
    "several-graphs": Rule(ERROR, (EDGEQ,), f"export without control flow; or {_IN_TFLM}"),
    "several-ends": Rule(ERROR, (EDGEQ,), "export a model of one input and one output"),
    "dynamic-shape": Rule(ERROR, (TFLM, EDGEQ), "export with fixed shapes, batch size 1"),
    "batch": Rule(ERROR, (EDGEQ,), "export with batch size 1"),
    "constant-size": Rule(ERROR, (TFLM, EDGEQ), "make or download the file again"),
    "unaligned-constant": Rule(ERROR, (EDGEQ,), "write the file anew with a current converter, which aligns"),
    "vector-alignment": Rule(NOTE, (ESP_NN,), "write the file anew: `edgeq convert FILE.tflite` aligns to 16 bytes"),
    "scale": Rule(ERROR, (TFLM, EDGEQ), _REQUANTISE),
    "no-scale": Rule(ERROR, (TFLM, EDGEQ), _REQUANTISE),
    "sparse": Rule(ERROR, (TFLM, EDGEQ), "convert without sparsity"),
    "variable": Rule(ERROR, (EDGEQ,), f"{_IN_TFLM}: the native engine has no state between inferences"),
    "converted-ends": Rule(
        NOTE, (TFLM, EDGEQ), "let the application give and take int8: `inference_input_type` of TFLiteConverter"
    ),
    "float-model": Rule(ERROR, (EDGEQ,), _INTEGER),
    "float-island": Rule(ERROR, (EDGEQ,), _INTEGER),
    "hybrid": Rule(ERROR, (TFLM, EDGEQ), _INTEGER),
    "unsigned": Rule(ERROR, (TFLM, EDGEQ), "quantise to int8: uint8 is TFLite's form before 2020"),
    "weights-not-symmetric": Rule(ERROR, (TFLM, EDGEQ), "quantise weights symmetrically, zero point 0"),
    "weights-minus-128": Rule(WARNING, (TFLM,), "quantise weights to [-127, 127], as TFLite's specification wants"),
    "channel-axis": Rule(ERROR, (TFLM, EDGEQ), _REQUANTISE),
    "channel-count": Rule(ERROR, (TFLM, EDGEQ), _REQUANTISE),
    "per-channel-fully-connected": Rule(
        WARNING, (TFLM,), "quantise dense layers per tensor where the runtime is an old one: it takes the first scale"
    ),
    "bias-scale": Rule(ERROR, (TFLM, EDGEQ), _REQUANTISE),
    "depthwise-bias": Rule(WARNING, (TFLM,), "give it a bias, of zeros if need be; or build TFLite Micro for release"),
    "same-scale": Rule(ERROR, (TFLM, EDGEQ), _REQUANTISE),
    "output-scale": Rule(ERROR, (TFLM, EDGEQ), _REQUANTISE),
    "softmax-classes": Rule(WARNING, (TFLM,), "leave SOFTMAX out: the largest logit is the largest probability"),
    "grouped-convolution": Rule(ERROR, (ESP_NN,), "use the native engine: ESP-NN reads the weights as if of one group"),
    "slow-kernel": Rule(NOTE, (ESP_NN,), "the reference kernel runs instead, about ten times slower"),
    "missing-operator": Rule(ERROR, (TFLM,), "express it with other operators, or leave it to the application"),
    "unknown-operator": Rule(ERROR, (EDGEQ,), f"{_IN_TFLM}, or express it with operators of docs/operators.md"),
    "operator-version": Rule(NOTE, (TFLM, EDGEQ), "neither looks at versions: compare the outputs with `edgeq verify`"),
    "not-int8": Rule(ERROR, (EDGEQ,), f"{_IN_TFLM}: the native engine computes in int8 alone"),
    "engine-rule": Rule(ERROR, (EDGEQ,), _REQUANTISE),
}


@dataclass(frozen=True)
class Finding:
    """A breach of one rule: where in the file, and what is wrong there."""

    rule: str
    where: str
    what: str
    advice: str = ""

    @property
    def severity(self) -> str:
        """error: someone refuses the model or gets it wrong; warning: some runtimes do; note: it costs time."""
        return RULES[self.rule].severity

    @property
    def who(self) -> tuple[str, ...]:
        """Who refuses it, gets it wrong, or is slow."""
        return RULES[self.rule].who

    @property
    def hint(self) -> str:
        """What to do: the finding's own advice, else its rule's."""
        return self.advice or RULES[self.rule].hint


def refused(findings: Iterable[Finding]) -> bool:
    """Whether any of them is an error."""
    return any(f.severity == ERROR for f in findings)
