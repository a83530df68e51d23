"""A new model over an old one, power lost in between: with two slots the old one runs on, with one the console says
that there is no model. The board is a process of this machine, flashed by an unmodified esptool."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edgeq.boards.board import Board, load_board
from edgeq.convert.tflite import file_layout, read_tflite, write_tflite
from edgeq.errors import BoardTrouble
from edgeq.images.model import ModelImage, write_model_image
from edgeq.ops import conv2d
from edgeq.pipeline import board as boards
from edgeq.pipeline.progress import Quiet
from edgeq.plan import build_plan, encode_plan
from edgeq.virtual.faults import Faults
from edgeq.virtual.flash_array import FlashArray
from edgeq.virtual.serve import VirtualBoard

pytestmark = pytest.mark.e2e

BOARD = load_board("esp32-devkitc")


def image(name: str, size: int = 100_000) -> bytes:
    """A model image of about that size: a convolution and golden samples."""
    tflite = write_tflite(conv2d.case((1, 5, 5, 3), 4, (3, 3)))
    graph = read_tflite(tflite)
    plan = encode_plan(build_plan(graph, file_layout(tflite)))
    bytes_of = [graph.tensor(end).bytes for end in (graph.inputs[0], graph.outputs[0])]
    golden = np.random.default_rng(len(name)).integers(0, 256, size // sum(bytes_of) * sum(bytes_of), dtype=np.uint8)
    return write_model_image(ModelImage(name, plan, tflite, golden.tobytes()))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return boards.build("host", BOARD, tmp_path_factory.mktemp("firmware"), Quiet()).app_image


@pytest.fixture
def array() -> Iterator[FlashArray]:
    with FlashArray(flash_bytes=BOARD.flash_bytes) as flash_array:
        yield flash_array


@contextmanager
def powered(array: FlashArray, brown_out_at: int | None = None) -> Iterator[str]:
    with VirtualBoard(array, "host", faults=Faults(brown_out_at=brown_out_at)) as virtual:
        yield virtual.url


def facts(url: str) -> dict[str, str]:
    with boards.session(url) as talk:
        return talk.info()


def update(url: str, app: bytes, new: bytes, board: Board = BOARD) -> boards.FlashContents:
    contents = boards.flash_contents(board, app, new, present=boards.present_flash(url, board))
    boards.flash_board(url, board, contents, Quiet())
    return contents


def fill(array: FlashArray, contents: boards.FlashContents) -> None:
    for offset, data in contents.parts:
        array.program(offset, data)


def test_updates_take_turns_and_write_no_more_than_they_must(array: FlashArray, app: bytes) -> None:
    fill(array, boards.flash_contents(BOARD, app, image("first")))
    with powered(array) as url:
        assert facts(url)["model"] == "first"
        for turn, name in enumerate(("second", "third")):
            before = array.read(0, array.size)
            contents = update(url, app, image(name))
            assert contents.slot == 1 - turn
            assert facts(url)["model"] == name
            changed = [at for at in range(0, array.size, 4096) if array.read(at, 4096) != before[at : at + 4096]]
            slot = contents.table.model_slots[contents.slot]
            assert [at for at in changed if not slot.offset <= at < slot.end] == [0x9000 + 4096 * contents.slot]


def test_power_lost_while_the_image_is_written(array: FlashArray, app: bytes) -> None:
    first = boards.flash_contents(BOARD, app, image("first"))
    fill(array, first)
    with powered(array, first.table.model_slots[1].offset + 70_000) as url:
        with pytest.raises(BoardTrouble, match="stopped answering"):
            update(url, app, image("second"))
        assert facts(url)["model"] == "first"
    with powered(array) as url:  # and it can be tried again
        assert update(url, app, image("second")).slot == 1
        assert facts(url)["model"] == "second"


def test_power_lost_while_the_record_is_written(array: FlashArray, app: bytes) -> None:
    fill(array, boards.flash_contents(BOARD, app, image("first")))
    with powered(array, 0xA000 + 20) as url:
        with pytest.raises(BoardTrouble, match="stopped answering"):
            update(url, app, image("second"))
        assert facts(url)["model"] == "first"


def test_one_slot_and_power_lost(array: FlashArray, app: bytes) -> None:
    large = 1_600_000  # above half of what 4 MB leave
    first = boards.flash_contents(BOARD, app, image("first", large))
    assert len(first.table.model_slots) == 1
    fill(array, first)
    with powered(array, first.table.model_slots[0].offset + 300_000) as url:
        assert facts(url)["model"] == "first"
        with pytest.raises(BoardTrouble, match="stopped answering"):
            update(url, app, image("second!", large))
        said = facts(url)
        assert said["model"] == "none" and "SHA-256" in said["model_error"]
        with boards.session(url) as talk, pytest.raises(BoardTrouble, match="runs no model"):
            boards.require_model(talk)
    with powered(array) as url:
        update(url, app, image("second!", large))
        assert facts(url)["model"] == "second!"


def test_another_layout_gives_up_what_was_there(array: FlashArray, app: bytes) -> None:
    fill(array, boards.flash_contents(BOARD, app, image("first", 1_600_000)))
    with powered(array) as url:
        contents = update(url, app, image("small"))
        assert (contents.slot, len(contents.table.model_slots)) == (0, 2)
        assert facts(url)["model"] == "small"


def test_a_fresh_board_gets_the_same_bytes_every_time(app: bytes, tmp_path: Path) -> None:
    erased = b"\xff" * boards.PRESENT_BYTES
    contents = boards.flash_contents(BOARD, app, image("first"))
    assert contents == boards.flash_contents(BOARD, app, image("first"), present=erased)
    assert [offset for offset, _ in contents.parts] == [0x8000, 0x10000, 0x120000, 0x9000], "the record comes last"
    with_loader = boards.flash_contents(BOARD, app, image("first"), bootloader=b"\xe9loader")
    assert with_loader.parts == ((0x1000, b"\xe9loader"), *contents.parts)
