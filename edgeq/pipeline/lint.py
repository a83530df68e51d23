"""`edgeq lint`: what TFLite Micro, ESP-NN and edgeq will refuse of a `.tflite`, or get wrong."""

from __future__ import annotations

from pathlib import Path

from edgeq.convert import lint
from edgeq.convert.lint_rules import Finding
from edgeq.pipeline.run_folder import MODEL_TFLITE, read_file
from edgeq.toolchain.resolver import BUILTINS, CUSTOM


def lint_file(path: Path) -> list[Finding]:
    """The findings of a file; a run folder stands for its `.tflite`."""
    path = path / MODEL_TFLITE if path.is_dir() else path
    return lint.lint(read_file(path), str(path), BUILTINS, CUSTOM)
