"""`edgeq lint`: what TFLite Micro, ESP-NN and edgeq will refuse of a `.tflite`, or get wrong."""

from __future__ import annotations

from pathlib import Path

from edgeq.convert import lint
from edgeq.convert.lint_rules import NOTE, Finding
from edgeq.pipeline.run_folder import MODEL_TFLITE, read_file
from edgeq.toolchain.resolver import BUILTINS, CUSTOM


def lint_file(path: Path) -> list[Finding]:
    """The findings of a file; a run folder stands for its `.tflite`."""
    path = path / MODEL_TFLITE if path.is_dir() else path
    return lint.lint(read_file(path), str(path), BUILTINS, CUSTOM)


def lint_warnings(data: bytes, name: str) -> list[str]:
    """What is graver than a note in a `.tflite`, a sentence for each rule with the first place it is found in."""
    found: dict[str, list[Finding]] = {}
    for finding in lint.lint(data, name, BUILTINS, CUSTOM):
        if finding.severity != NOTE:
            found.setdefault(finding.rule, []).append(finding)
    return [_sentence(breaches) for breaches in found.values()]


def _sentence(breaches: list[Finding]) -> str:
    first, more = breaches[0], len(breaches) - 1
    others = f" (and {more} more)" if more else ""
    return f"{first.rule}, {first.where}{others}: {first.what}; concerns {', '.join(first.who)}"
