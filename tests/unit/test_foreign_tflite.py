"""A `.tflite` of others at the command line: inspected, written anew, and unable to steer the terminal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edited import TYPES, converted_ends, edited, tensor
from test_lint import CLEAN, code
from typer.testing import CliRunner, Result

from edgeq import ops
from edgeq.cli import app
from edgeq.convert import file_layout, read_tflite, write_tflite

SOUND = write_tflite(CLEAN)


def edgeq(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "model.tflite"


@pytest.mark.parametrize("kind", ["FLOAT32", "UINT8"])
def test_written_anew_it_has_int8_ends_and_aligned_constants(kind: str, file: Path) -> None:
    file.write_bytes(edited(SOUND, converted_ends(getattr(TYPES, kind))))
    done = edgeq("convert", file, "-o", file.with_name("anew.tflite"))
    assert done.exit_code == 0, done.output
    anew = file.with_name("anew.tflite").read_bytes()
    graph = read_tflite(anew)
    assert [node.op for node in graph.nodes] == [node.op for node in CLEAN.nodes]
    assert all(offset % 16 == 0 for offset in file_layout(anew).constant_offset.values())
    x = np.random.default_rng(0).integers(-128, 128, (3, 8, 8, 3), dtype=np.int8)
    np.testing.assert_array_equal(ops.run(graph, {"x": x})["shares"], ops.run(CLEAN, {"x": x})["shares"])


def test_a_model_that_is_not_integer_is_not_written(file: Path) -> None:
    file.write_bytes(edited(SOUND, code("MEAN", "SQRT")))
    done = edgeq("convert", file, "-o", file.with_name("anew.tflite"))
    assert done.exit_code == 2 and "SQRT is not supported" in done.output
    assert not file.with_name("anew.tflite").exists()


def test_converted_ends_are_left_out_of_what_is_shown(file: Path) -> None:
    file.write_bytes(edited(SOUND, converted_ends(TYPES.FLOAT32)))
    done = edgeq("inspect", file)
    assert done.exit_code == 0 and "with int8 ends" in done.output and "QUANTIZE" not in done.output


def test_operators_that_edgeq_lacks_are_shown_in_outline(file: Path) -> None:
    file.write_bytes(edited(SOUND, code("MEAN", "SQRT")))
    done = edgeq("inspect", file)
    assert done.exit_code == 0 and "in outline: the operator SQRT is not supported" in done.output
    rows = [line.split()[:4] for line in done.output.splitlines() if line.strip()[:1].isdigit()]
    assert [row[1] for row in rows] == ["CONV_2D", "PAD", "MAX_POOL_2D", "SQRT", "SOFTMAX"]
    assert rows[3][2:] == ["mean", "int8[1x4]"]


@pytest.mark.parametrize("change", [lambda m: None, code("MEAN", "SQRT")], ids=["known", "in outline"])
def test_a_tensors_name_does_not_reach_the_terminal_as_it_is(change: object, file: Path) -> None:
    def named(model: object) -> None:
        tensor(model, "stem").name = "stem\x1b]0;title\x07"
        change(model)  # type: ignore[operator]

    file.write_bytes(edited(SOUND, named))
    done = edgeq("inspect", file)
    assert done.exit_code == 0 and r"stem\x1b]0;title\x07" in done.output and "\x1b" not in done.output


@pytest.mark.parametrize("command", ["convert", "inspect", "lint", "verify"])
def test_half_a_file_is_refused_with_advice(command: str, file: Path) -> None:
    file.write_bytes(SOUND[: len(SOUND) // 2])
    done = edgeq(command, file)
    assert done.exit_code == 2
    assert "model.tflite" in done.output and "try: make or download the file again" in done.output
