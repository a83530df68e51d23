"""`edgeq run` without a board: who preprocesses, the trigger's wait, the worst classes. And deploy's measure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeq.errors import BadInput, BoardTrouble
from edgeq.graph import QuantParams
from edgeq.link.messages import ModelInfo, PicturesInfo, PinState, TensorInfo
from edgeq.pipeline import run_images
from edgeq.pipeline.picture_files import PictureSet
from edgeq.pipeline.pictures import picture_rule
from edgeq.pipeline.progress import Quiet
from edgeq.pipeline.run_images import Pictures, Scored
from edgeq.preprocess import FloatRule, encode_section, integer_rule

RULE = integer_rule(FloatRule(1, 2, 1, "nearest", 1.0, (128.0,), (1.0,)), 1.0, 0)


class Talk:
    """A board whose three scores are 0, its first input value and its second one."""

    def __init__(self, *, trigger: str = "virtual", section: bytes = encode_section(RULE), outputs: int = 3) -> None:
        self.sent: list[str] = []
        self.trigger, self.section, self.outputs = trigger, section, outputs
        self.input = b""
        self.level, self.runs, self.polls = False, 0, 0

    def info(self) -> dict[str, str]:
        return {"model": "m", "kind": "real", "clock_unit": "cycles", "trigger": self.trigger}

    def model(self) -> ModelInfo:
        output = TensorInfo(self.outputs, 0.5, -1, (1, 1, 1, self.outputs))
        arena = max(8, self.outputs)
        return ModelInfo("m", TensorInfo(2, 1.0, 0, (1, 1, 2, 1)), output, 1, 0, arena, arena, 0, 64, "00" * 32)

    def pictures(self) -> PicturesInfo:
        return PicturesInfo(6, self.section)

    def label(self, index: int) -> str | None:
        return "first" if index == 0 else None

    def write_picture(self, pixels: bytes, height: int, width: int, channels: int) -> None:
        self.sent.append("picture")
        self.input = RULE.apply(np.frombuffer(pixels, np.uint8).reshape(height, width, channels)).tobytes()

    def write_input(self, data: bytes) -> None:
        self.sent.append("input")
        self.input = data

    def run(self) -> int:
        return 7

    def pin(self, level: bool | None = None) -> PinState:
        if level and not self.level:
            self.runs += 1
        self.level = self.level if level is None else level
        self.polls += 1
        if self.trigger == "pin" and self.polls == 3:
            self.runs += 1
        return PinState(self.level, self.runs > 0, self.runs, 9)

    def read_output(self, size: int) -> bytes:
        return b"\0" + self.input


def picture(*values: int) -> np.ndarray:
    return np.array(values, np.uint8).reshape(1, -1, 1)


@pytest.mark.parametrize(
    ("place", "pixels", "sent"),
    [(None, 2, "picture"), (None, 3, "input"), ("board", 6, "picture"), ("tool", 1, "input")],
)
def test_who_preprocesses(place: run_images.Place | None, pixels: int, sent: str) -> None:
    """By default who has fewer bytes to send: pixels, or the two of the input."""
    talk = Talk()
    board = Pictures(talk, place)  # type: ignore[arg-type]
    answer = board.classify(picture(*[200] * pixels))
    assert talk.sent == [sent]
    assert answer.preprocessed == ("board" if sent == "picture" else "tool")
    assert answer.scores.tolist() == [0.5, 36.5, 36.5]
    assert answer.best(3) == [1, 2, 0]  # of equals the first
    assert (answer.ticks, board.basis, board.unit) == (7, "measured", "cycles")


class Chooser(Talk):
    """A board whose model ends with ARG_MAX: the class is its first input value. It has as many labels."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.labels = labels

    def model(self) -> ModelInfo:
        return replace(super().model(), output=TensorInfo(4, 1.0, 0, (1, 1, 1, 1)))

    def label(self, index: int) -> str | None:
        return f"class {index}" if index < self.labels else None

    def read_output(self, size: int) -> bytes:
        assert size == 4
        return self.input[:1] + bytes(3)


def test_a_model_that_gives_the_class_alone() -> None:
    board = Pictures(Chooser(4))  # type: ignore[arg-type]
    assert board.classes == 4
    answer = board.classify(picture(128 + 2, 0))
    assert (answer.best(3), answer.choice, len(answer.scores)) == ([2], 2, 0)
    assert run_images.answer_json(board, answer, 3)["labels"] == [{"class": 2, "label": "class 2", "score": None}]
    with pytest.raises(BoardTrouble, match="class 4 of 4"):
        board.classify(picture(128 + 4, 0))


def test_a_set_needs_to_know_how_many_classes_there_are() -> None:
    board = Pictures(Chooser(0))  # type: ignore[arg-type]
    assert board.classify(picture(128 + 7, 0)).best(1) == [7]
    pictures = PictureSet("p", (0,), lambda index: picture(0, 0))  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="how many there are is not known"):
        board.score(pictures, None, Quiet())


def test_labels_that_are_missing_are_numbers() -> None:
    assert Pictures(Talk()).names() == ["first", "1", "2"]  # type: ignore[arg-type]


@pytest.mark.parametrize("trigger", ["virtual", "pin"])
def test_a_trigger_is_played_or_waited_for(trigger: str) -> None:
    talk = Talk(trigger=trigger)
    answer = Pictures(talk).classify_triggered(picture(1, 2), Quiet(), wait_s=10)  # type: ignore[arg-type]
    assert answer.ticks == 9
    assert talk.runs == 1
    assert talk.level is (trigger == "virtual")


def test_a_trigger_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Talk(trigger="pin")
    talk.polls = 100
    with pytest.raises(BoardTrouble, match="no rising edge"):
        Pictures(talk).classify_triggered(picture(1, 2), Quiet(), wait_s=0.15)  # type: ignore[arg-type]


def test_no_trigger() -> None:
    with pytest.raises(BadInput, match="no trigger"):
        Pictures(Talk(trigger="none")).classify_triggered(picture(1), Quiet())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("talk", "what"),
    [
        (Talk(section=b""), "does not say how pictures"),
        (Talk(section=b"\2" + encode_section(RULE)[1:]), "version 2"),
        (Talk(outputs=4097), "no score a class"),
        (
            Talk(section=encode_section(integer_rule(FloatRule(2, 2, 1, "nearest", 1, (0,), (1,)), 1, 0))),
            "another input",
        ),
    ],
)
def test_boards_that_take_no_pictures(talk: Talk, what: str) -> None:
    with pytest.raises((BadInput, BoardTrouble), match=what):
        Pictures(talk)  # type: ignore[arg-type]


def test_a_score_counts_and_its_limit_draws_the_same_pictures() -> None:
    read: list[int] = []

    def one(index: int) -> np.ndarray:
        read.append(index)
        return picture(200, 100) if index % 3 else picture(100, 200)

    pictures = PictureSet("set", np.array([1, 1, 1, 2, 2, 2]), one)
    board = Pictures(Talk())  # type: ignore[arg-type]
    scored = board.score(pictures, None, Quiet())
    assert (scored.samples, scored.right, scored.top1) == (6, 3, 0.5)
    assert scored.confusion.tolist() == [[0, 0, 0], [0, 2, 1], [0, 2, 1]]
    read.clear()
    assert board.score(pictures, 4, Quiet()).available == 6
    first = read.copy()
    read.clear()
    board.score(pictures, 4, Quiet())
    assert read == first and len(set(read)) == 4


def test_the_worst_classes_come_first() -> None:
    confusion = np.array([[9, 0, 1, 0], [2, 1, 3, 0], [0, 0, 4, 0], [0, 0, 0, 0]])
    scored = Scored("set", 20, 20, 14, confusion, (5, 1, 3), "board")
    rows = [(row.index, row.right, row.samples, row.taken_for) for row in scored.worst(5)]
    assert rows == [(1, 1, 6, ((2, 3), (0, 2))), (0, 9, 10, ((2, 1),))]
    assert len(scored.worst(1)) == 1
    assert scored.latency() == {"p50": 3, "p90": 5, "p99": 5, "min": 1, "max": 5, "mean": 3}


class Notes(Quiet):
    def __init__(self) -> None:
        self.noted: list[str] = []

    def note(self, text: str) -> None:
        self.noted.append(text)


def measured(white: float, stored: np.ndarray, channels: int = 1) -> tuple[bool, dict[str, str], list[str]]:
    notes = Notes()
    real = FloatRule(4, 4, channels, "bilinear", 1 / 16, (0.3,) * channels, (0.35,) * channels, white)
    quant = QuantParams.per_tensor(2.858 / 255, -51)
    rule, facts = picture_rule(real, quant, stored, real.apply(stored), notes)
    return rule is not None, facts, notes.noted


def test_deploy_measures_how_far_bytes_are_from_the_calibration() -> None:
    stored = np.random.default_rng(0).integers(0, 17, (5, 8, 8, 1)).astype(np.float32)
    assert measured(16, stored) == (True, {"preprocessing": "differs by at most 1 LSB on 5 samples"}, [])
    there, facts, notes = measured(255, stored / 16)
    assert not there and not facts
    assert "Is white = 255 in model.toml's [input] right?" in notes[0]


def test_a_white_that_no_sample_comes_near_is_noted() -> None:
    stored = np.random.default_rng(0).integers(0, 17, (5, 8, 8, 1)).astype(np.float32)
    there, _, notes = measured(255, stored)
    assert there and "the brightest pixel of the data is 16, but white is 255" in notes[0]
    assert measured(32, stored)[2] == []


def test_what_is_no_picture_is_noted_and_left_out() -> None:
    normalised = np.random.default_rng(0).normal(size=(5, 8, 8, 1)).astype(np.float32)
    there, _, notes = measured(16, normalised)
    assert not there and "must lie in 0 to white" in notes[0]
    two = np.zeros((5, 8, 8, 2), np.float32)
    there, _, notes = measured(16, two, channels=2)
    assert not there and "1 or 3 channels" in notes[0]
