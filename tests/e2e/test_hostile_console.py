"""A board that means harm changes neither terminal nor page, takes no memory, and ends in a clear error."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from chromium import CHROMIUM, shown
from command_line import EDGEQ, environment
from hostile_board import (
    CONTROL,
    LONG,
    MARKUP,
    busy,
    error,
    framer,
    honest,
    info,
    model,
    once,
    served,
    talker,
    without_end,
)
from PIL import Image
from report_example import example, two_engines
from typer.testing import CliRunner

from edgeq.cli import app
from edgeq.errors import BoardTrouble
from edgeq.link.frames import Frame, encode
from edgeq.link.messages import Request
from edgeq.report.html import html
from edgeq.report.markdown import markdown
from edgeq.report.validate import read_bench, read_report

pytestmark = pytest.mark.e2e
# Control, format and surrogate characters, line and paragraph separators: a terminal obeys them.
OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    stdout: str
    stderr: str
    memory_bytes: int = 0

    def clean(self) -> str:
        """Its stdout and stderr, in which nothing is that a terminal would obey."""
        said = self.stdout + self.stderr
        obeyed = {c for c in said if c != "\n" and unicodedata.category(c) in OBEYED}
        assert not obeyed, obeyed
        assert "Traceback" not in said and "fault in edgeq" not in said, said[-2000:]
        return said

    def failed(self) -> str:
        """The same, having ended in a clear error."""
        said = self.clean()
        assert self.code == BoardTrouble.exit_code, said[-2000:]
        assert self.stderr.rpartition("error: ")[1] and "\n  try: " in self.stderr
        return said


def edgeq(*arguments: object, cwd: Path) -> Ended:
    """A process of its own, whose memory is known."""
    with (cwd / "stdout").open("wb") as out, (cwd / "stderr").open("wb") as err:
        command = [*EDGEQ, *map(str, arguments)]
        child = subprocess.Popen(command, cwd=cwd, env=environment(), stdout=out, stderr=err)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    said = [(cwd / name).read_bytes().decode() for name in ("stdout", "stderr")]
    return Ended(child.returncode, *said, memory_bytes=used.ru_maxrss * 1024)


def edgeq_here(*arguments: object) -> Ended:
    """In this process, which is quicker."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return Ended(done.exit_code, done.stdout, done.stderr)


# A board that is believed: its words go into text, JSON and pages


def test_hostile_names_are_shown_and_obeyed_by_nobody(tmp_path: Path) -> None:
    with served(talker(honest(), CONTROL)) as url:
        text = edgeq("bench", "--port", url, "-n", 3, "-o", "bench.json", cwd=tmp_path)
        as_json = edgeq("bench", "--port", url, "-n", 3, "--json", cwd=tmp_path)
    said = text.clean()
    assert (text.code, as_json.code) == (0, 0)
    assert "<script>" in said and "\\x1b" in said and all(len(line) < 200 for line in text.stdout.splitlines())
    as_json.clean()
    for document in (as_json.stdout, (tmp_path / "bench.json").read_text()):
        found = read_bench(document)
        assert (found.board.clock_hz, found.board.arena_bytes, found.board.scratch_bytes) == (None, None, None)
        assert [run.latency.p50 for run in found.engines] == [3000]


@pytest.mark.skipif(CHROMIUM is None, reason="not installed: chromium")
def test_hostile_names_leave_a_page_as_it_is(tmp_path: Path) -> None:
    """What `edgeq bench` got from such a board, in a run's report: not an element more, nothing asked for."""
    with served(talker(honest(), CONTROL)) as url:
        assert edgeq("bench", "--port", url, "-n", 3, "-o", "bench.json", cwd=tmp_path).code == 0
    bench = json.loads((tmp_path / "bench.json").read_text())
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps(_with_words_of(bench)))
    ended = edgeq("report", folder, cwd=tmp_path)
    assert (ended.code, "<script>" in ended.clean()) == (0, True)
    assert not {c for c in (folder / "report.md").read_text() if unicodedata.category(c) in OBEYED - {"Cc"}}

    harmless = tmp_path / "harmless.html"
    harmless.write_text(html(read_report(json.dumps(_with_words_of(_harmless(bench))))))
    elements = []
    for page in (folder / "report.html", harmless):
        with shown(page, tmp_path / f"profile-{page.stem}") as there:
            assert (there.requests, there.complaints) == ([page.as_uri()], [])
            count = 'Object.entries(Object.groupBy([...document.querySelectorAll("*")], e => e.tagName))'
            elements.append(there.browser.value(f"{count}.map(([tag, all]) => tag + all.length).sort()"))
            assert there.browser.value("typeof owned") == "undefined"
    assert elements[0] == elements[1] and "SCRIPT1" not in elements[0]


def _with_words_of(bench: dict[str, Any]) -> dict[str, Any]:
    """A report whose every word of the board is that of a bench."""
    data, words = example(), bench["firmware"]["version"]
    run = bench["engines"][0]
    data["board"] |= {"name": bench["board"]["name"], "kind": "host"}
    data |= {"engine": run["engine"], "engine_version": run["version"], "firmware": bench["firmware"]}
    data["latency"] |= {"basis": "host", "unit": "ns", "layers": run["latency"]["layers"]}
    data["model"]["name"] = bench["model"]["name"]
    data |= {"warnings": [words], "versions": {words: words}, "command": words}
    for part in (*data["flash_map"], *data["arena_steps"], *data["ledger"]["hops"]):
        part["name"] = words
    return data


def _harmless(value: Any) -> Any:
    """The same document with a harmless word for each text, the same for the same."""
    if isinstance(value, dict):
        return {_word(key): _harmless(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_harmless(part) for part in value]
    return _word(value) if isinstance(value, str) else value


def _word(text: str) -> str:
    return f"word{sum(text.encode())}" if "script" in text else text


def test_hostile_labels_of_a_picture(tmp_path: Path) -> None:
    Image.new("L", (4, 2), 7).save(tmp_path / "picture.png")
    with served(talker(honest(), CONTROL)) as url:
        ended = edgeq("run", "picture.png", "--port", url, cwd=tmp_path)
        as_json = edgeq("run", "picture.png", "--port", url, "--json", cwd=tmp_path)
    assert "<script>" in ended.clean() and ended.code == 0
    as_json.clean()
    assert MARKUP[:20] in json.loads(as_json.stdout)["labels"][0]["label"]


# A board that lies, in frames whose checksum is right


def _rows(count: int) -> bytes:
    return b"".join(struct.pack("<Q", 7) for _ in range(count))


LIES: dict[str, tuple[Request, Callable[[bytes], bytes]]] = {
    "INFO that is longer than it says": (Request.INFO, lambda p: struct.pack("<I", 3) + LONG[:200]),
    "INFO without end": (Request.INFO, lambda p: struct.pack("<I", 16384)),
    "INFO of 4 GB": (Request.INFO, lambda p: struct.pack("<I", 2**32 - 1) + b"x" * 252),
    "INFO of no lines": (Request.INFO, lambda p: struct.pack("<I", 200) + LONG[:200]),
    "no board at all": (Request.INFO, lambda p: struct.pack("<I", 0)),
    "4 G steps": (Request.MODEL, lambda p: model(steps=2**32 - 1)),
    "4 G golden samples": (Request.MODEL, lambda p: model(goldens=2**32 - 1)),
    "4 G golden samples that fit": (Request.MODEL, lambda p: model(goldens=2**28, image_bytes=2**32 - 1)),
    "an input of 4 GB": (
        Request.MODEL,
        lambda p: model(
            input_bytes=65535**2, dims=(1, 65535, 65535, 1), goldens=0, used=2**32 - 1, capacity=2**32 - 1
        ),
    ),
    "an output of nothing": (Request.MODEL, lambda p: model(output_bytes=0, output_dims=(1, 0, 1, 2))),
    "an arena above its capacity": (Request.MODEL, lambda p: model(used=2048)),
    "a scale that is no number": (Request.MODEL, lambda p: model(scale=float("nan"))),
    "a name of another length": (Request.MODEL, lambda p: model(name_bytes=3)),
    "a name beyond its place": (Request.MODEL, lambda p: model(name=b"x" * 100)),
    "a step's name of another length": (Request.STEP, lambda p: struct.pack("<5IB", 1, 8, 1, 3, 1, 200) + b"x"),
    "half a step": (Request.STEP, lambda p: b"\x00" * 5),
    "a time before the beginning": (Request.RUN, lambda p: b"\xff" * 8),
    "half a time": (Request.RUN, lambda p: b"\xff" * 3),
    "steps in a profile without end": (Request.READ_PROFILE, lambda p: _rows(32)),
    "no step in a profile": (Request.READ_PROFILE, lambda p: b""),
    "half a row": (Request.READ_PROFILE, lambda p: b"\x00" * 9),
    "neither equal nor not": (Request.SELFTEST, lambda p: struct.pack("<II", 7, 0)),
    "another protocol": (Request.HELLO, lambda p: struct.pack("<HH", 65535, 65535)),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_told_as_one(lie: str) -> None:
    """4 G golden samples that fit are believed: the tool compares some of them, and says how many."""
    request, answer = LIES[lie]
    with served(talker(honest() | {request: answer}, CONTROL)) as url:
        ended = edgeq_here("bench", "--port", url, "-n", 2)
    if lie == "4 G golden samples that fit":
        assert ended.code == 0 and "256 of 256 golden samples" in ended.clean()
    else:
        ended.failed()


FRAMES: dict[str, tuple[Request, Callable[[Frame], bytes]]] = {
    "an error in hostile words": (Request.RUN, error),
    "an error about another request": (Request.MODEL, lambda asked: error(asked, about=0xFFFF)),
    "an error of no known kind": (Request.MODEL, lambda asked: error(asked, code=65535)),
    "an answer to another request": (Request.MODEL, lambda asked: encode(Frame(0xDD, asked.seq, LONG[:200]))),
    "busy beyond its end": (Request.RUN, lambda asked: busy(asked, 9, 2)),
    "busy for ever": (Request.RUN, lambda asked: busy(asked, 2**32 - 1, 2**32 - 1)),
    "an answer after a thousand of others": (
        Request.MODEL,
        lambda asked: encode(Frame(0xC2, asked.seq ^ 1, LONG[:200])) * 1000 + encode(Frame(0xC2, asked.seq, b"")),
    ),
}


@pytest.mark.parametrize("frame", FRAMES)
def test_a_frame_that_should_not_be(frame: str) -> None:
    request, said = FRAMES[frame]
    with served(framer(honest(), request, said)) as url:
        edgeq_here("bench", "--port", url, "-n", 2).failed()


def test_numbers_of_another_script_and_without_end_are_no_numbers(tmp_path: Path) -> None:
    Image.new("L", (4, 2), 7).save(tmp_path / "picture.png")
    for hz in ("\u0663\u0664".encode(), b"9" * 8000):
        with served(talker(honest(info(kind=b"real", clock_unit=b"cycles", clock_hz=hz)))) as url:
            ended = edgeq_here("run", tmp_path / "picture.png", "--port", url)
        assert ended.code == 0 and "3,000 cycles, measured" in ended.clean()


def test_a_damaged_section_is_the_boards_fault(tmp_path: Path) -> None:
    Image.new("L", (4, 2), 7).save(tmp_path / "picture.png")
    lie = {Request.PREPROCESSING: lambda payload: struct.pack("<I", 64) + b"\xff" * 28}
    with served(talker(honest() | lie)) as url:
        edgeq_here("run", tmp_path / "picture.png", "--port", url).failed()


# A board that prints


def test_megabytes_without_a_newline_take_no_memory(tmp_path: Path) -> None:
    """It prints as fast as it is read, for as long as it is waited for: text, controls, frames that never end."""
    with served(talker(honest())) as url:
        needed = edgeq("bench", "--port", url, cwd=tmp_path).memory_bytes
    flood = (CONTROL + LONG + b"A" * 4000) * 250
    with served(without_end(flood)) as url:
        ended = edgeq("bench", "--port", url, cwd=tmp_path)
    assert "does not answer HELLO" in ended.failed()
    assert ended.memory_bytes < needed + (64 << 20)


def test_the_console_of_a_hostile_board(tmp_path: Path) -> None:
    """Lines of any length are broken, controls are shown as escapes; that the board hangs up is told."""
    with served(once((CONTROL + LONG + b"A" * 4000) * 64 + b"\nlast words")) as url:
        ended = edgeq("monitor", "--port", url, cwd=tmp_path)
    said = ended.failed()
    assert "last words" in said and "\\x1b]52;c;" in said and "the port went away" in said


def test_flashing_a_hostile_board(tmp_path: Path, run: Path) -> None:
    """esptool is spoken to in its own protocol's frames, and in none."""
    slip = b"\xc0" + bytes([1, 8, 255, 255]) + CONTROL + LONG + b"\xc0"
    with served(without_end(slip * 500)) as url:
        edgeq("flash", run, "--port", url, cwd=tmp_path).failed()


@pytest.mark.parametrize("command", ["bench", "monitor"])
def test_a_board_that_prints_and_hangs_up(command: str) -> None:
    with served(once(CONTROL + LONG)) as url:
        assert "the port went away" in edgeq_here(command, "--port", url).failed()


def test_a_markdown_of_hostile_words_has_no_markup() -> None:
    data = two_engines()
    data["board"]["name"] = data["warnings"][0] = data["flash_map"][1]["name"] = LONG.decode(
        "utf-8", "backslashreplace"
    )
    text = markdown(read_report(json.dumps(data)))
    shown_as_text = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    assert "\\<script\\>" in shown_as_text and "<script" not in shown_as_text.replace("\\<script", "")
