"""`hil.toml`: what it may say, and what it is told where it says something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeq.errors import BadInput
from edgeq.hil.jobs import Kind, impossible, jobs_of, kind_of
from edgeq.hil.settings import BenchFile, read_bench
from edgeq.virtual.faults import Faults

BOARD = '[[board]]\nname = "b"\nboard = "esp32-wrover-b"\nvirtual = "host"\n'
MODEL = '[[model]]\nsource = "m.tflite"\n'


def read(folder: Path, text: str) -> BenchFile:
    (folder / "hil.toml").write_text(text)
    return read_bench(folder / "hil.toml")


def test_the_least_it_can_say(tmp_path: Path) -> None:
    settings = read(tmp_path, BOARD + MODEL).settings
    assert (settings.bench.runs, settings.bench.retries, settings.model[0].name) == (10, 2, "m")
    assert [job.id for job in jobs_of(settings)] == ["m/b/native"]


def test_the_jobs_are_models_times_engines_times_boards(tmp_path: Path) -> None:
    boards = BOARD + BOARD.replace('"b"', '"c"').replace("host", "qemu_lx6")
    models = MODEL + 'engines = ["native", "tflm"]\n[[model]]\nsource = "n.onnx"\nboards = ["c"]\nrepeat = 2\n'
    settings = read(tmp_path, boards + models).settings
    jobs = jobs_of(settings)
    assert [job.id for job in jobs] == [
        *("m/b/native", "m/c/native", "m/b/tflm", "m/c/tflm"), *("n/c/native/1", "n/c/native/2"),
    ]  # fmt: skip
    assert [impossible(job, settings.board["bc".index(job.board)]) != "" for job in jobs] == [0, 0, 0, 1, 0, 0]


def test_a_virtual_board_behind_a_port_is_of_its_runners_kind(tmp_path: Path) -> None:
    text = BOARD.replace('virtual = "host"', 'port = "socket://127.0.0.1:1"')
    assert kind_of(read(tmp_path, text + MODEL).settings.board[0]) == Kind("esp32-wrover-b", None)
    text += 'runner = "host"\n'
    assert kind_of(read(tmp_path, text + MODEL).settings.board[0]) == Kind("esp32-wrover-b", "host")


def test_faults_are_those_of_a_virtual_board(tmp_path: Path) -> None:
    entry = read(tmp_path, BOARD + "faults = { die = 0.5, seed = 4 }\n" + MODEL).settings.board[0]
    assert entry.faults == Faults(die=0.5, seed=4)


@pytest.mark.parametrize(
    ("source", "name"),
    [("m.tflite", "m"), ("../zoo/net", "net"), ("nets.py:small", "small"), ("a b.onnx", "a-b"), ("-x.onnx", "x")],
)
def test_a_model_is_called_as_its_source(tmp_path: Path, source: str, name: str) -> None:
    assert read(tmp_path, BOARD + f'[[model]]\nsource = "{source}"\n').settings.model[0].name == name


def test_paths_start_at_the_file_and_names_may_be_of_the_zoo(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(b"")
    bench = read(tmp_path, BOARD + MODEL + 'baseline = "{model}-{board}-{kind}-{engine}.json"\n')
    (model,), (board,) = bench.settings.model, bench.settings.board
    assert bench.source(model) == str(tmp_path / "m.tflite")
    assert bench.source(model.model_copy(update={"source": "resnet18-digits"})) == "resnet18-digits"
    assert bench.baseline(model, board, "tflm") == tmp_path / "m-b-esp32-wrover-b-tflm.json"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "`board`"),
        ("[[board]", "not TOML"),
        ("\xff", "not TOML"),
        (BOARD, "`model`"),
        ("[bensh]\n" + BOARD + MODEL, "`bensh` is nothing a bench knows(.|\n)*bench, perhaps"),
        ("[bench]\nretrys = 1\n" + BOARD + MODEL, "`bench.retrys`(.|\n)*retries, perhaps"),
        (BOARD + "quarantin = 1\n" + MODEL, "`board.1.quarantin`(.|\n)*quarantine, perhaps"),
        (BOARD + MODEL + "top1_lest = 1\n", "`model.1.top1_lest`(.|\n)*top1_least, perhaps"),
        (BOARD + 'faults = { dye = 1 }\n' + MODEL, "no fault is called 'dye'; die, perhaps"),
        (BOARD + 'faults = { drop = 2 }\n' + MODEL, "between 0 and 1"),
        (BOARD + 'port = "COM1"\n' + MODEL, "needs one of .* it has port and virtual"),
        (BOARD.replace("virtual", "#") + MODEL, "needs one of .* it has none"),
        (BOARD.replace('virtual = "host"', 'mac = "24:0a"') + MODEL, "`board.1.mac`"),
        (BOARD + 'runner = "host"\n' + MODEL, "virtual says already"),
        (BOARD.replace('virtual = "host"', 'port = "x"') + "faults = { die = 1 }\n" + MODEL, "faults of its own"),
        (BOARD + BOARD + MODEL, "two boards are called b"),
        (BOARD + MODEL + MODEL, "two models are called m"),
        (BOARD + MODEL + 'boards = ["bb"]\n', "a board 'bb'; b, perhaps"),
        (BOARD.replace('"b"', '"../b"') + MODEL, "`board.1.name`: a name is letters"),
        (BOARD + 'quarantine = "a\\nb"\n' + MODEL, "`board.1.quarantine`: must be one line"),
        (BOARD.replace("[[board]]", "[board]") + MODEL, r"`board`: must be a list: \[...\], or of tables \[\[...\]\]"),
        (BOARD.replace('virtual = "host"', 'port = "http://x"') + MODEL, "no board is behind http://"),
        (BOARD + MODEL + 'engines = ["fast"]\n', "`model.1.engines.1`"),
        ("[bench]\nruns = 0\n" + BOARD + MODEL, "`bench.runs`"),
    ],
)  # fmt: skip
def test_what_it_must_not_say(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "hil.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(BadInput, match=said) as caught:
        read_bench(tmp_path / "hil.toml")
    assert caught.value.where == str(tmp_path / "hil.toml")


@pytest.mark.parametrize("key", ["mac", "usb_serial", "port", "place"])
def test_two_boards_at_one_place(tmp_path: Path, key: str) -> None:
    """They would wait for each other."""
    where = {"mac": ("24:0a:c4:00:00:aa", "24-0A-C4-00-00-AA")}.get(key, ("x", "x"))
    boards = [
        BOARD.replace('"b"', f'"{name}"').replace('virtual = "host"', f'{key} = "{place}"')
        for name, place in zip("cd", where, strict=True)
    ]
    with pytest.raises(BadInput, match=f"boards c and d have the same {key}"):
        read(tmp_path, "".join(boards) + MODEL)


def test_two_boards_may_be_found_by_the_same_tags(tmp_path: Path) -> None:
    board = BOARD.replace('virtual = "host"', 'place = "board=wrover"')
    assert len(read(tmp_path, board + board.replace('"b"', '"c"') + MODEL).settings.board) == 2


def test_a_bench_without_a_job(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no job"):
        jobs_of(read(tmp_path, BOARD + MODEL + "boards = []\n").settings)
