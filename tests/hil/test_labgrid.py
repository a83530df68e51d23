"""Boards that labgrid hands out, by a real coordinator and a real exporter on loopback; behind them virtual boards."""

from __future__ import annotations

import http.server
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from command_line import edgeq, environment, good
from hil_bench import board, cases_of, models, write_bench
from labgrid_bench import BOARD, Lab, bench, exporting, serial_port

from edgeq.boards.board import load_board
from edgeq.errors import BadInput, BoardTrouble, ToolMissing
from edgeq.flash.esptool import flash
from edgeq.hil.labgrid import LabgridPlaces, wanted_tags
from edgeq.hil.labgrid_client import Worker, owner
from edgeq.hil.labgrid_lease import Lease, folder, left_behind
from edgeq.hil.settings import BoardEntry, Labgrid
from edgeq.images.layout import layout_for
from edgeq.images.partitions import write_partition_table
from edgeq.pipeline.board import build, session
from edgeq.pipeline.progress import Quiet
from edgeq.virtual.faults import Faults
from edgeq.virtual.flash_array import FlashArray
from edgeq.virtual.serve import VirtualBoard

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "labgrid.md").read_text(encoding="utf-8")
DEADLINE_S = 60
SWITCH = "http://switch-1.lab"
USB_PORT = re.compile(r"  USBSerialPort:\n    match:\n      .*\n")


def of_page(kind: str) -> str:
    """The text of the page's one example in that language."""
    (text,) = re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)
    return str(text)


class Switch(http.server.BaseHTTPRequestHandler):
    """The power switch of the page's exporter.yaml."""

    asked: list[str] = []  # noqa: RUF012 - a handler is made for each request

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def switch() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Switch) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, switch: str) -> Iterator[Lab]:
    """What docs/labgrid.md sets up, with virtual boards in the place of USB ports."""
    wrover = load_board(BOARD)
    app = build("host", wrover, tmp_path_factory.mktemp("firmware"), Quiet()).app_image
    table = write_partition_table(layout_for(wrover.flash_bytes))

    def describe(urls: Mapping[str, str]) -> str:
        ports = iter(urls.values())
        text, count = USB_PORT.subn(lambda _: f"  NetworkSerialPort: {serial_port(next(ports))}\n", of_page("yaml"))
        assert count == len(urls) and text.count(SWITCH) == count
        return text.replace(SWITCH, switch)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("COORDINATOR", "HOSTNAME", "USERNAME", "PLACE", "TOKEN", "ENV", "PROXY"):
            patch.delenv(f"LG_{name}", raising=False)
        with bench(
            tmp_path_factory.mktemp("lab"),
            {"wrover-1": Faults(), "wrover-2": Faults()},
            contents=[(0x8000, table), (0x10000, app)],
            describe=describe,
            script=of_page("sh"),
        ) as lab:
            yield lab
        assert not workers(lab.coordinator)
        assert lab.server.returncode is not None and lab.exporter.returncode is not None


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def places(lab: Lab, notes: list[str]) -> LabgridPlaces:
    return LabgridPlaces(Labgrid(coordinator=lab.coordinator), note=notes.append)


def workers(coordinator: str) -> list[int]:
    """edgeq's processes that are connected to this coordinator."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if coordinator.encode() in arguments and any(a.endswith(b"labgrid_worker.py") for a in arguments):
            found.append(int(process.name))
    return found


def until(what: Callable[[], object]) -> None:
    """Waits for something to come true."""
    deadline = time.monotonic() + DEADLINE_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def idle(lab: Lab) -> bool:
    """Nobody has anything, nor waits for anything."""
    with Worker(lab.client, lab.coordinator) as worker:
        view = worker.look()
    return not any(place.acquired for place in view.places) and not view.reservations


def test_a_place_is_ours_for_the_length_of_a_block(lab: Lab, places: LabgridPlaces, notes: list[str]) -> None:
    with places.acquire("wrover-1", wait_s=0) as borrowed:
        assert borrowed.port == lab.boards["wrover-1"].url
        assert owner().split("/")[1] in lab.run("who")
        with session(borrowed.port) as talk:
            assert talk.info()["model"] == "none"
    assert "wrover" not in lab.run("who") and not lab.run("reservations")
    assert not notes and not workers(lab.coordinator) and not list(folder().iterdir())


@pytest.mark.slow  # where each of esptool's commands takes 0.3 s
def test_flashed_by_way_of_labgrid(places: LabgridPlaces) -> None:
    with places.acquire("wrover-1", wait_s=0) as borrowed:
        assert flash(borrowed.port, [(0x3F0000, b"by way of labgrid" * 8)]).verified
        with session(borrowed.port) as talk:  # the board was reset by the control lines, and started again
            assert talk.info()["model"] == "none"


def test_power_is_labgrids_to_switch(places: LabgridPlaces) -> None:
    with places.acquire("wrover-2", wait_s=0) as borrowed:
        Switch.asked.clear()
        assert borrowed.cycle_power is not None
        borrowed.cycle_power()
        assert Switch.asked == ["/relay/2/0", "/relay/2/1"]
    with pytest.raises(BoardTrouble, match=r"power switch failed: .*not acquired"):
        borrowed.cycle_power()


@pytest.mark.slow  # the firmware goes over rfc2217
def test_a_bench_of_places(lab: Lab, tmp_path: Path) -> None:
    """Two boards by way of labgrid; the second time somebody else has one of them."""
    models(tmp_path)
    entries = [board(name, place=name, runner="host") for name in lab.boards]
    write_bench(tmp_path, {"name": "places", "runs": 3, "lock_wait_s": 1}, entries, [{"source": "one.tflite"}])
    env = environment(LG_COORDINATOR=lab.coordinator)
    said = good(edgeq("hil", "list", "hil.toml", cwd=tmp_path, env=env))
    assert said.count("board=esp32-wrover-b, site=berlin") == 2
    good(edgeq("hil", "run", "hil.toml", "-o", "first", cwd=tmp_path, env=env))
    assert {outcome for outcome, _ in cases_of(tmp_path / "first").values()} == {"passed"}
    assert idle(lab)

    lab.run("-p", "wrover-2", "acquire", user="anna")
    done = edgeq("hil", "run", "hil.toml", "-o", "second", cwd=tmp_path, env=env)
    lab.run("-p", "wrover-2", "release", user="anna")
    assert done.returncode == 4, done.stdout + done.stderr
    assert [outcome for outcome, _ in cases_of(tmp_path / "second").values()] == ["passed", "infrastructure"]
    assert f"wrover-2 is held by {socket.gethostname()}/anna" in (tmp_path / "second" / "matrix.html").read_text()
    assert idle(lab)


def test_states(lab: Lab, places: LabgridPlaces) -> None:
    lab.run("-p", "wrover-2", "acquire", user="anna")
    one, two = (state for state in places.states() if state.name.startswith("wrover"))
    lab.run("-p", "wrover-2", "release", user="anna")
    assert (one.name, one.present, one.holder, one.note) == (
        "wrover-1",
        True,
        "",
        "board=esp32-wrover-b, site=berlin",
    )
    assert (two.name, two.present, two.holder) == ("wrover-2", True, f"{socket.gethostname()}/anna")


def test_by_tags_whichever_is_free(lab: Lab, places: LabgridPlaces, notes: list[str]) -> None:
    tags = "board=esp32-wrover-b site=berlin"
    with places.acquire(tags, wait_s=0) as one, places.acquire(tags, wait_s=0) as other:
        assert {one.port, other.port} == {board.url for board in lab.boards.values()}
        with pytest.raises(BoardTrouble, match=r"not free within 0 s: wrover-. is held by") as caught:
            places.acquire(tags, wait_s=0).__enter__()
        assert str(caught.value).count(f"held by {owner()} (this user, here)") == 2
    with pytest.raises(BoardTrouble, match="no place of labgrid has these tags"):
        places.acquire("board=esp32-wrover-b site=nowhere", wait_s=DEADLINE_S).__enter__()
    assert idle(lab)


def test_the_second_waits_for_the_first(lab: Lab, places: LabgridPlaces, notes: list[str]) -> None:
    lab.run("-p", "wrover-2", "acquire", user="anna")
    with pytest.raises(BoardTrouble, match=r"held by .*/anna") as caught:
        places.acquire("wrover-2", wait_s=0).__enter__()
    assert "labgrid-client who" in caught.value.hint
    with pytest.raises(BoardTrouble, match="not free within 0 s"):
        places.acquire("wrover-2", wait_s=10 * DEADLINE_S, stopped=lambda: True).__enter__()

    def borrow() -> str:
        with places.acquire("wrover-2", wait_s=DEADLINE_S) as borrowed:
            return borrowed.port

    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(borrow)
        until(lambda: notes)
        assert not waiting.done()
        lab.run("-p", "wrover-2", "release", user="anna")
        assert waiting.result(DEADLINE_S) == lab.boards["wrover-2"].url
    (said,) = notes
    assert said.startswith(f"wrover-2: wrover-2 is held by {socket.gethostname()}/anna; waiting up to")
    assert idle(lab)


def test_an_error_and_an_interrupt_give_back(lab: Lab, places: LabgridPlaces) -> None:
    for error in (BoardTrouble("it does not answer"), KeyboardInterrupt(), ZeroDivisionError()):
        with pytest.raises(type(error)) as caught, places.acquire("wrover-1", wait_s=0):
            raise error
        assert caught.value is error
        assert idle(lab)


def test_a_place_that_was_taken_away(lab: Lab, places: LabgridPlaces) -> None:
    with places.acquire("wrover-1", wait_s=0) as borrowed:
        assert borrowed.lost() == ""
        lab.run("-p", "wrover-1", "release", "--kick", user="anna")
        assert borrowed.lost() == "somebody took the place away"
    assert idle(lab)


BORROW = """
import sys
from edgeq.hil.labgrid import LabgridPlaces
from edgeq.hil.settings import Labgrid
with LabgridPlaces(Labgrid(coordinator=sys.argv[1])).acquire("wrover-1", wait_s=60) as borrowed:
    print(borrowed.port, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def another(lab: Lab) -> Iterator[subprocess.Popen[str]]:
    """Another edgeq of ours that wants wrover-1 for as long as it lives."""
    child = subprocess.Popen(
        [sys.executable, "-c", BORROW, lab.coordinator],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    yield child
    child.kill()
    child.communicate()


@pytest.fixture
def borrower(lab: Lab, another: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """And has it."""
    assert another.stdout is not None
    assert another.stdout.readline().strip() == lab.boards["wrover-1"].url
    return another


@pytest.fixture
def annas(lab: Lab) -> Iterator[None]:
    """wrover-1 is somebody else's."""
    lab.run("-p", "wrover-1", "acquire", user="anna")
    yield
    lab.run("-p", "wrover-1", "release", user="anna")


def test_an_interrupt_while_waiting(lab: Lab, annas: None, another: subprocess.Popen[str]) -> None:
    until(lambda: "wrover-1" in lab.run("reservations"))
    os.killpg(another.pid, signal.SIGINT)  # as a terminal's Ctrl-C, for all that it started
    assert another.wait(DEADLINE_S)
    assert not lab.run("reservations")


def test_one_that_is_killed_gives_back(lab: Lab, borrower: subprocess.Popen[str]) -> None:
    assert workers(lab.coordinator)
    borrower.kill()
    until(lambda: not workers(lab.coordinator))
    assert idle(lab)


def test_what_a_crash_left_behind_is_recognised(
    lab: Lab, places: LabgridPlaces, notes: list[str], borrower: subprocess.Popen[str]
) -> None:
    with pytest.raises(BoardTrouble, match=re.escape(f"held by {owner()} (this user, here)")):
        places.acquire("wrover-1", wait_s=0).__enter__()  # not while it lives
    (worker,) = workers(lab.coordinator)
    os.kill(worker, signal.SIGKILL)
    borrower.kill()
    borrower.wait()
    until(lambda: not workers(lab.coordinator))
    assert owner().split("/")[1] in lab.run("who")
    with places.acquire("wrover-2", wait_s=0):  # whichever place it is after
        assert notes == ["wrover-1: left behind by an earlier run here; given back"]
        assert "wrover-1" not in lab.run("who")
    assert idle(lab) and not list(folder().iterdir())


def test_what_was_acquired_by_hand_is_left_alone(lab: Lab, places: LabgridPlaces, notes: list[str]) -> None:
    lab.run("-p", "wrover-1", "acquire")
    Lease(lab.coordinator).end(given_back=False)
    with pytest.raises(BoardTrouble, match="held by"):
        places.acquire("wrover-1", wait_s=0).__enter__()
    lab.run("-p", "wrover-1", "release")
    assert idle(lab) and not [note for note in notes if "left behind" in note]


@pytest.fixture
def elsewhere(lab: Lab, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], VirtualBoard]]:
    """Another machine, bench-2, with a board in place 201."""
    with (
        FlashArray() as array,
        VirtualBoard(array, "host", "rfc2217://127.0.0.1:0") as board,
        exporting(
            lab.client,
            lab.coordinator,
            tmp_path,
            f"'201':\n  NetworkSerialPort: {serial_port(board.url)}\n",  # labgrid makes a place for each number
            "bench-2",
        ) as exporter,
    ):
        yield exporter, board


def test_a_machine_that_dies_in_the_middle(
    lab: Lab, places: LabgridPlaces, elsewhere: tuple[subprocess.Popen[bytes], VirtualBoard]
) -> None:
    exporter, board = elsewhere
    with places.acquire("201", wait_s=0) as borrowed:
        exporter.kill()
        board.close()
        with pytest.raises(BoardTrouble):
            session(borrowed.port).__enter__()
        until(borrowed.lost)
        assert borrowed.lost() == "the exporter bench-2 went away"
    with pytest.raises(BoardTrouble, match="201: the place has no serial port now"):
        places.acquire("201", wait_s=0).__enter__()
    assert idle(lab)


HOSTILE = {
    301: "host: 'no host', port: 1",
    302: "host: '\\u001b]0;owned\\u0007', port: 1",
    303: "host: 'bench', port: 0",
    304: "host: 'bench', port: 1, protocol: file",
    305: "host: '-oProxyCommand=x', port: 1",
    306: "port: 1",
}


def test_what_exporters_may_say(lab: Lab, places: LabgridPlaces, tmp_path: Path) -> None:
    usb = USB_PORT.search(of_page("yaml"))
    assert usb is not None
    port = "{cls: NetworkSerialPort, host: '::1', port: %d, protocol: raw}"
    config = "".join(f"'{place}':\n  NetworkSerialPort: {{{text}}}\n" for place, text in HOSTILE.items())
    config += f"'307':\n{usb[0]}"
    config += f"'308':\n  uart: {port % 7}\n  console: {port % 8}\n"
    config += f"'309':\n  uart: {port % 7}\n  other: {port % 8}\n"
    with ExitStack() as stack:
        stack.enter_context(exporting(lab.client, lab.coordinator, tmp_path, config, "bench-3"))
        for place in HOSTILE:
            with pytest.raises(BoardTrouble, match="names a serial port that is none") as caught:
                places.acquire(str(place), wait_s=0).__enter__()
            assert str(caught.value).replace("\n", "").isprintable()
        with pytest.raises(BoardTrouble, match="no serial port now") as caught:  # an exporter, but no board
            places.acquire("307", wait_s=0).__enter__()
        with places.acquire("308", wait_s=0) as borrowed:
            assert borrowed.port == "socket://[::1]:8" and borrowed.cycle_power is None
        with pytest.raises(BoardTrouble, match="2 serial ports, none named 'console': bench-3/309/") as caught:
            places.acquire("309", wait_s=0).__enter__()
        assert "add-named-match" in caught.value.hint
    assert idle(lab)


def test_an_isolated_exporter(lab: Lab, places: LabgridPlaces, tmp_path: Path) -> None:
    config = "'401':\n  NetworkSerialPort: {host: bench, port: 1}\n"
    with (
        exporting(lab.client, lab.coordinator, tmp_path, config, "bench-4", "--isolated"),
        pytest.raises(BoardTrouble, match="exporter bench-4 is isolated"),
    ):
        places.acquire("401", wait_s=0).__enter__()


def test_no_such_place(places: LabgridPlaces) -> None:
    with pytest.raises(BoardTrouble, match="knows no such place") as caught:
        places.acquire("wrover1", wait_s=DEADLINE_S).__enter__()
    assert caught.value.hint == "perhaps wrover-1, wrover-2"


def test_no_coordinator(notes: list[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(BoardTrouble, match="coordinator is not there") as caught:
            LabgridPlaces(Labgrid(coordinator=address)).states()
    assert caught.value.where == address


@pytest.fixture
def listening() -> Iterator[str]:
    """An address where somebody takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_no_labgrid(tmp_path: Path, listening: str) -> None:
    with pytest.raises(ToolMissing, match="labgrid-client is not installed") as caught:
        LabgridPlaces(Labgrid(client="no-such-client"))
    assert "pip install labgrid" in caught.value.hint

    client = tmp_path / "labgrid-client"
    client.write_text(f"#!{sys.executable}\n")  # which has none
    client.chmod(0o755)
    with pytest.raises(ToolMissing, match="has no labgrid>=25: No module named 'labgrid'"):
        LabgridPlaces(Labgrid(client=str(client), coordinator=listening)).states()
    client.write_text("#!/no/such/python\n")
    with pytest.raises(ToolMissing, match="names no Python"):
        LabgridPlaces(Labgrid(client=str(client))).states()


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("", "does not speak as it should"),
        ("words", "does not speak as it should"),
        ('{"ok": 1', "does not speak as it should"),
        ("[]", "is not there: None"),
        ('{"error": "refused", "text": "\\u001b[2J"}', r"refuses: \\x1b\[2J$"),
        ('{"ok": {}}', "ended"),
        ('{"ok": {}}\n{"ok": {"places": 1}}', "says what it should not"),
    ],
)
def test_a_labgrid_that_says_what_it_should_not(tmp_path: Path, listening: str, said: str, what: str) -> None:
    client, python = tmp_path / "labgrid-client", tmp_path / "python3"
    for file in (client, python):
        file.write_text(f"#!/bin/sh\ncat << 'EOF'\n{said}\nEOF\nread line\n")
        file.chmod(0o755)
    with pytest.raises(BoardTrouble, match=what):
        LabgridPlaces(Labgrid(client=str(client), coordinator=listening)).states()


@pytest.mark.parametrize(
    "address", ["", "host:", "host:99999", "host:port", "unix:/tmp/x", "a b:1", "::1", "[::1", "dns:///x:1", "-x:1"]
)
def test_an_address_that_is_none(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LG_COORDINATOR", address or ":")
    with pytest.raises(BadInput, match="not the address of a labgrid coordinator"):
        LabgridPlaces(Labgrid())


def test_the_pages_settings() -> None:
    page = tomllib.loads(of_page("toml"))
    assert Labgrid.model_validate(page.pop("labgrid")).client == "/opt/labgrid/bin/labgrid-client"
    named, tagged = (wanted_tags(str(BoardEntry.model_validate(entry).place)) for entry in page.pop("board"))
    assert named == {"name": "wrover-1"} and tagged == {"board": "esp32-wrover-b", "site": "hamburg"} and not page


def test_tags() -> None:
    assert wanted_tags("wrover 1") == {"name": "wrover 1"}
    assert wanted_tags("board=esp32  site=lab") == {"board": "esp32", "site": "lab"}
    for wrong in ("board=", "=x", "board=esp32 lab"):
        with pytest.raises(BadInput, match="neither a place's name nor its tags"):
            wanted_tags(wrong)


def test_leases() -> None:
    """One that a run left is seen once; one of a run that lives, or of another coordinator, is not."""
    mine, gone, other = Lease("lab:1"), Lease("lab:1"), Lease("elsewhere:1")
    for lease, token in ((mine, "MINE"), (gone, "GONE"), (other, "OTHER")):
        lease.note(token)
    assert gone.end(given_back=False) and other.end(given_back=False)
    torn = Lease("lab:1")
    os.pwrite(torn.fd, b'{"coord', 0)
    assert not torn.end(given_back=False)  # it had reserved nothing
    (folder() / "torn.json").write_bytes(b'{"coord')
    with pytest.raises(ZeroDivisionError), left_behind("lab:1") as tokens:
        assert tokens == ["GONE"]
        with left_behind("lab:1") as meanwhile:
            assert meanwhile == []
        raise ZeroDivisionError
    with left_behind("lab:1") as tokens:
        assert tokens == ["GONE"]
    with left_behind("lab:1") as tokens:
        assert tokens == []
    assert not mine.end(given_back=True)
    assert [file.name for file in folder().iterdir()] == [other._path.name]


def test_nowhere_to_put_a_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    with pytest.raises(BadInput, match="cannot note what is borrowed") as caught:
        Lease("lab:1")
    assert "XDG_STATE_HOME" in caught.value.hint
