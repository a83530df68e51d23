"""Everything that a user can do wrong, or that can go wrong for one: a clear error, the documented exit code, no
traceback, and nothing left behind."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
import pytest
from command_line import EDGEQ, edgeq, environment, good, listing, refused, virtual
from onnx import TensorProto, helper

pytestmark = [pytest.mark.e2e, pytest.mark.emulator]

BOARD = """
name = "tiny"
title = "a board for tests"
chip = "esp32"
clock_hz = 240_000_000
flash_bytes = {flash_bytes}
psram_bytes = 0
arena_bytes = {arena_bytes}
scratch_bytes = 1024
"""


def write_onnx(file: Path, op: str, *, quantised: bool) -> None:
    """A model of one operator, the quantised one with the same scale in front of it and behind."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8]) for name in "xy")
    nodes = [helper.make_node(op, ["x" if not quantised else "x/dq"], ["y" if not quantised else "z"], name="the-node")]
    constants = [
        helper.make_tensor("scale", TensorProto.FLOAT, [], [0.5]),
        helper.make_tensor("zero", TensorProto.INT8, [], [0]),
    ]
    if quantised:
        nodes = [*around("x", "x/dq"), *nodes, *around("z", "y")]
    graph = helper.make_graph(nodes, "one", [x], [y], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), file)


def around(source: str, target: str) -> list[onnx.NodeProto]:
    """Quantise and dequantise again."""
    return [
        helper.make_node("QuantizeLinear", [source, "scale", "zero"], [f"{source}/q"]),
        helper.make_node("DequantizeLinear", [f"{source}/q", "scale", "zero"], [target]),
    ]


@pytest.fixture
def home(tmp_path: Path, small: Path) -> Path:
    """A user's folder with a sound model and many that are not."""
    whole = small.read_bytes()
    (tmp_path / "half.tflite").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "noise.tflite").write_bytes(random.Random(1).randbytes(3000))
    (tmp_path / "noise.onnx").write_bytes(random.Random(2).randbytes(3000))
    (tmp_path / "empty.onnx").touch()
    (tmp_path / "text.md").write_text("no model")
    write_onnx(tmp_path / "float.onnx", "Relu", quantised=False)
    write_onnx(tmp_path / "erf.onnx", "Erf", quantised=True)
    (tmp_path / "tiny.toml").write_text(BOARD.format(flash_bytes=4 << 20, arena_bytes=64))
    (tmp_path / "shallow.toml").write_text(BOARD.format(flash_bytes=1 << 20, arena_bytes=64 << 10))
    (tmp_path / "broken.toml").write_text("name = ")
    (tmp_path / "a-file").write_text("here")
    model = tmp_path / "model"
    model.mkdir()
    (model / "net.py").write_text("import torch\ndef net():\n    return torch.nn.Conv2d(3, 4, 3)\n")
    (model / "model.toml").write_text('name = "m"\nfactory = "net.py:net"\n[input]\nshape = [1, 3, 32]\n')
    return tmp_path


CASES: dict[str, tuple[str, int, tuple[str, ...]]] = {
    "no arguments": ("", 2, ()),
    "unknown command": ("frobnicate", 2, ("No such command",)),
    "unknown option": ("deploy small.tflite --frobnicate", 2, ("--frobnicate",)),
    "no such model": ("deploy nothing", 2, ("nothing:", "resnet18-digits")),
    "no such .onnx": ("convert nothing.onnx", 2, ("nothing.onnx: there is no such file",)),
    "a folder without model.toml": ("deploy .", 2, ("no model.toml",)),
    "another kind of file": ("deploy text.md", 2, ("text.md", ".md")),
    "wrong input shape": ("deploy model", 2, ("model/model.toml", "input.shape")),
    "operator without a rule": ("convert erf.onnx", 2, ("erf.onnx, node the-node", "Erf")),
    "float ONNX": ("convert float.onnx", 2, ("float.onnx",)),
    "ONNX that is noise": ("deploy noise.onnx", 2, ("noise.onnx: is not an ONNX model",)),
    "empty ONNX": ("deploy empty.onnx", 2, ("empty.onnx: is not an ONNX model",)),
    "half a .tflite": ("deploy half.tflite", 2, ("half.tflite",)),
    "noise.tflite": ("verify noise.tflite", 2, ("noise.tflite: is not a .tflite file",)),
    "torch model to convert": ("convert model", 2, ("model: cannot be read",)),
    "tflite to quantise": ("quantize small.tflite", 2, ("is quantised already",)),
    "unknown board": ("deploy small.tflite --board esp33", 2, ("esp33", "esp32-wrover-b")),
    "board file that is none": ("deploy small.tflite --board broken.toml", 2, ("broken.toml: is not TOML",)),
    "too small an arena": ("deploy small.tflite --runner host --board tiny.toml", 3, ("arena", "the board has 64")),
    "too small a flash": ("deploy small.tflite --runner host --board shallow.toml", 3, ("flash", "model")),
    "no runs": ("deploy small.tflite -n 0", 2, ("0",)),
    "a port and a runner": ("deploy small.tflite --port /dev/ttyUSB0 --runner host", 2, ("/dev/ttyUSB0", "--runner")),
    "inputs of no kind": ("verify small.tflite --inputs zeros:3", 2, ("random:N",)),
    "inputs without number": ("verify small.tflite --inputs random:", 2, ("random:N",)),
    "no inputs": ("verify small.tflite --inputs random:0", 2, ("0 inputs",)),
    "too many inputs": ("verify small.tflite --inputs random:999999999", 2, ("999999999 inputs",)),
    "a folder that is no run": ("verify model", 2, ("model", "edgeq deploy")),
    "a report of no run": ("report model", 2, ("model/report.json: there is no such file",)),
    "a run to flash that is none": ("flash model --port socket://127.0.0.1:1", 2, ("edgeq deploy",)),
    "inspect of text": ("inspect text.md", 2, ("text.md",)),
    "port that does not exist": ("bench --port /dev/ttyNothing", 4, ("/dev/ttyNothing: no such port", "edgeq ports")),
    "port that is no port": ("bench --port text.md", 4, ("text.md: the port does not open",)),
    "port that nobody serves": ("monitor --port socket://127.0.0.1:1", 4, ("nothing listens there",)),
    "port of no scheme": ("bench --port carrier://pigeon", 2, ("carrier",)),
    "virtual board for all the world": ("virtual --listen socket://0.0.0.0:0", 2, ("loopback",)),
    "-o below a file": ("deploy small.tflite --runner host -o a-file/run", 2, ("a-file/run: cannot be written",)),
    "-o is a file": ("deploy small.tflite --runner host -o a-file", 2, ("a-file: cannot be written",)),
    "-o where nobody may write": ("deploy small.tflite --runner host -o /proc/run", 2, ("/proc/run: cannot be",)),
    "-o of build is a file": ("build --runner host -o a-file", 2, ("a-file",)),
}


@pytest.mark.parametrize("name", CASES)
def test_refused(home: Path, name: str) -> None:
    command, exit_code, words = CASES[name]
    before = listing(home)
    refused(edgeq(*command.split(), cwd=home), exit_code, *words)
    assert listing(home) == before


def test_a_real_board_without_esp_idf(home: Path) -> None:
    before = listing(home)
    env = environment(IDF_PATH="nowhere")  # whether or not this machine has one
    refused(edgeq("deploy", "small.tflite", "--port", "/dev/ttyUSB0", cwd=home, env=env), 5, "IDF_PATH=nowhere")
    assert listing(home) == before


def test_json_says_what_where_and_what_to_try(home: Path) -> None:
    done = edgeq("convert", "noise.onnx", "--json", cwd=home)
    error = json.loads(done.stdout)["error"]
    assert error["where"] == "noise.onnx" and error["exit_code"] == done.returncode == 2


def test_a_failed_deploy_leaves_the_older_run_as_it_was(home: Path) -> None:
    good(edgeq("deploy", "small.tflite", "--runner", "host", "-o", "r", cwd=home))
    before = listing(home)
    refused(edgeq("deploy", "half.tflite", "--runner", "host", "-o", "r", cwd=home), 2, "half.tflite")
    assert listing(home) == before


@pytest.mark.parametrize("command", ["deploy small.tflite --runner host -o a/b/run", "build --runner host -o a/b"])
def test_a_full_disk(home: Path, command: str) -> None:
    """No file may grow beyond a few kilobytes, which a program meets as it meets a full disk."""
    # The firmware is in the cache: a compiler would meet the limit with words of its own.
    good(edgeq("build", "--runner", "host", "-o", "built", cwd=home))
    before = listing(home)

    def nearly_full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    refused(edgeq(*command.split(), cwd=home, preexec_fn=nearly_full), 2, "cannot be written: File too large")
    assert listing(home) == before


def test_half_an_image_of_a_run(home: Path) -> None:
    good(edgeq("deploy", "small.tflite", "--runner", "host", "-o", "r", cwd=home))
    image = home / "r" / "model.image"
    image.write_bytes(image.read_bytes()[:1000])
    refused(edgeq("inspect", "r/model.image", cwd=home), 2, "r/model.image", "truncated")
    refused(edgeq("verify", "r", cwd=home), 1, "r/model.image", "has changed since the run")
    refused(edgeq("flash", "r", "--port", "socket://127.0.0.1:1", cwd=home), 1, "r/model.image")
    image.unlink()
    refused(edgeq("verify", "r", cwd=home), 2, "r/model.image: there is no such file")
    (home / "r" / "lock.json").write_text("[]")
    refused(edgeq("verify", "r", cwd=home), 2, "r/lock.json: is damaged")


def test_a_pipe_that_nobody_reads(home: Path) -> None:
    for command in ("inspect small.tflite", "boards --json", "boards"):
        reader, writer = os.pipe()
        os.close(reader)
        argv = [*EDGEQ, *command.split()]
        done = subprocess.run(argv, cwd=home, env=environment(), stdout=writer, stderr=subprocess.PIPE, text=True)
        os.close(writer)
        assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


def test_completion(home: Path) -> None:
    env = environment(_EDGEQ_COMPLETE="complete_bash", COMP_WORDS="edgeq dep", COMP_CWORD="1")
    program = [sys.executable, "-c", "import sys; sys.argv[0] = 'edgeq'; from edgeq.cli import main; main()"]
    done = subprocess.run(program, cwd=home, env=env, capture_output=True, text=True)
    assert good(done).split() == ["deploy"]


def test_an_interrupt_while_edgeq_is_read_in(home: Path) -> None:
    program = """if True:
        import sys
        class Interrupt:
            def find_spec(self, name, path, target=None):
                if name == "edgeq.cli":
                    raise KeyboardInterrupt
        sys.meta_path.insert(0, Interrupt())
        from edgeq.__main__ import main
        main()"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=home, env=environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


# Ports and boards


def test_a_port_in_use(home: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.flock(theirs, fcntl.LOCK_EX)
    try:
        refused(edgeq("bench", "--port", os.ttyname(theirs), cwd=home), 4, "in use by another program")
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_virtual_board_in_use(home: Path) -> None:
    good(edgeq("deploy", "small.tflite", "--runner", "host", "-o", "r", cwd=home))
    with virtual("--runner", "host", cwd=home) as url:
        host, port = url.removeprefix("socket://").split(":")
        with socket.create_connection((host, int(port))):
            refused(edgeq("virtual", "--listen", url, cwd=home), 4, "the port is in use")
            refused(edgeq("bench", "--port", url, cwd=home), 4, "other programs on this port")
            refused(edgeq("flash", "r", "--port", url, cwd=home), 4, "close the other program")


def test_a_board_without_firmware(home: Path) -> None:
    with virtual("--runner", "host", cwd=home) as url:
        refused(edgeq("bench", "--port", url, cwd=home), 4, "does not answer HELLO", "partition table at 0x8000")


def silent(board: socket.socket) -> None:
    while board.recv(4096):
        pass


def garbage(board: socket.socket) -> None:
    noise = random.Random(3)
    while True:
        board.sendall(noise.randbytes(64))
        time.sleep(0.1)


def flood(board: socket.socket) -> None:
    noise = random.Random(4).randbytes(1 << 16)
    while True:
        board.sendall(noise)


def hang_up(board: socket.socket) -> None:
    board.recv(1)


@contextlib.contextmanager
def served(behaviour: Callable[[socket.socket], None]) -> Iterator[str]:
    """A board on a socket that does not behave; its URL."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                board, _ = listener.accept()
                with board, contextlib.suppress(OSError):
                    behaviour(board)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"socket://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("behaviour", [silent, garbage, flood, hang_up])
def test_a_board_that_does_not_answer(home: Path, behaviour: Callable[[socket.socket], None]) -> None:
    with served(behaviour) as url:
        words = ("went away",) if behaviour is hang_up else ("does not answer HELLO", "reset the board")
        refused(edgeq("bench", "--port", url, cwd=home), 4, *words)


def test_flashing_a_board_that_does_not_answer(run: Path, home: Path) -> None:
    with served(silent) as url:
        refused(edgeq("flash", run, "--port", url, cwd=home), 4, "the board does not answer", "cable")


# Ending it early


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_flash(home: Path, number: signal.Signals, exit_code: int) -> None:
    """Ctrl-C reaches every process of the terminal; a job that is cancelled gets SIGTERM itself."""
    before = listing(home)
    mark = f"{uuid.uuid4()}"
    argv = [*EDGEQ, "deploy", "small.tflite", "--runner", "host", "-o", "r"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    child = subprocess.Popen(
        argv, cwd=home, env=environment(EDGEQ_TEST=mark), text=True, start_new_session=True, **streams
    )
    deadline = time.monotonic() + 60
    while not any("write-flash" in command for command in processes(mark)):
        assert time.monotonic() < deadline and child.poll() is None
        time.sleep(0.02)
    assert (home / "r").exists()
    if number == signal.SIGINT:
        os.killpg(child.pid, number)
    else:
        child.send_signal(number)
    said, _ = child.communicate(timeout=60)
    assert child.returncode == exit_code and "Traceback" not in said, said
    # An esptool that was just being started ends by itself, since its board is gone.
    deadline = time.monotonic() + 10
    while processes(mark) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes(mark) == [] and listing(home) == before


def processes(mark: str) -> list[str]:
    """The command lines of the processes that have `mark` in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
    return found


def test_the_processes_of_a_deploy_can_be_found() -> None:
    """What the test above rests on."""
    with subprocess.Popen(["sleep", "5"], env={**os.environ, "EDGEQ_TEST": "a-mark"}) as child:
        assert [command for command in processes("a-mark") if command.startswith("sleep")]
        child.kill()
    assert processes("a-mark") == []
