"""`edgeq compare`: two runs' files beside each other, held to a gate."""

from __future__ import annotations

import json
from pathlib import Path

from edgeq.compare import words
from edgeq.compare.cases import cases
from edgeq.compare.compare import compare
from edgeq.compare.finding import Comparison
from edgeq.compare.gate import MOST_BYTES as MOST_GATE_BYTES
from edgeq.compare.gate import Gate, read_gate
from edgeq.compare.markdown import markdown
from edgeq.compare.subject import Subject, subject_of
from edgeq.errors import BadInput, CheckFailed
from edgeq.pipeline.run_folder import REPORT, read_file, write_file
from edgeq.report.junit import junit
from edgeq.report.validate import read_bench, read_report

MOST_BYTES = 64 << 20


def compare_files(base: Path, new: Path, gate: Path | None) -> Comparison:
    """BASE and NEW as run folders or files of their reports; without a gate's file its documented defaults hold."""
    held = Gate() if gate is None else gate_of(gate)
    return compare(subject_from(base), subject_from(new), held)


def gate_of(path: Path) -> Gate:
    """The gate in a file."""
    try:
        text = read_file(path, MOST_GATE_BYTES).decode()
    except UnicodeDecodeError as e:
        raise BadInput("is not UTF-8", where=str(path)) from e
    return read_gate(text, str(path))


def subject_from(path: Path) -> Subject:
    """The figures of a run's folder, of the report in a file, or of what `edgeq bench` wrote."""
    file = path / REPORT if path.is_dir() else path
    text = read_file(file, MOST_BYTES)
    read = read_bench if _is_bench(text) else read_report
    return subject_of(read(text, where=str(file)))


def _is_bench(text: bytes) -> bool:
    """Whether a text says so of itself; what is wrong with it its reader says."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("kind") == "bench"


def write_markdown(comparison: Comparison, path: Path) -> None:
    """For a pull request's comment."""
    write_file(path, markdown(comparison).encode())


def append_markdown(comparison: Comparison, path: Path) -> None:
    """The same behind what a file holds already, as GitHub wants a step's summary."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(markdown(comparison))
    except OSError as e:
        raise BadInput(f"cannot be written: {e.strerror}", where=str(path)) from e


def write_junit(comparison: Comparison, path: Path) -> None:
    """For the test page of a CI server."""
    write_file(path, junit(f"edgeq compare: {words.title(comparison)}", cases(comparison)).encode())


def require_passed(comparison: Comparison) -> None:
    """CheckFailed where something is worse than the gate allows, BadInput where it had too little to hold."""
    if comparison.failed:
        raise CheckFailed(words.headline(comparison), hint="a gate's file says what is allowed: docs/compare.md")
    if comparison.unheld:
        hint = "compare runs of the same model, board and runner; or allow_nothing = true in the gate"
        raise BadInput(comparison.unheld, hint=hint)
