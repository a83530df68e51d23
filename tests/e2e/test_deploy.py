"""`edgeq deploy` and what follows it, as a user runs them: from a trained network to a report of equal bytes."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import EDGEQ, edgeq, environment, good, refused, virtual

from edgeq import ops
from edgeq.boards.board import load_board
from edgeq.convert import file_layout, read_tflite, write_tflite
from edgeq.images.model import read_model_image, write_model_image
from edgeq.pipeline import verify
from edgeq.pipeline.board import target_of
from edgeq.pipeline.progress import Quiet
from edgeq.plan import build_plan, encode_plan
from edgeq.report.bench import Equality
from edgeq.report.validate import read_bench, read_report

pytestmark = [pytest.mark.e2e, pytest.mark.emulator]

HOPS = ["torch", "onnx", "litert", "tflm", "native-host", "native-qemu_lx6"]
FILES = {
    "model.onnx", "model.tflite", "model.plan", "model.image", "firmware.elf", "app.bin", "partitions.bin",
    "inputs.npz", "torch-trace.npz", "console.log", "ledger.json", "lock.json",
    "report.json", "report.html", "report.md", "junit.xml",
}  # fmt: skip
OF_TORCH = {"model.onnx", "torch-trace.npz"}


def report(run: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((run / "report.json").read_text())
    return loaded


def copy_of(run: Path, folder: Path) -> Path:
    return Path(shutil.copytree(run, folder / "copy"))


# The run


def test_every_byte_is_equal_and_the_report_is_sound(run: Path) -> None:
    told = read_report((run / "report.json").read_bytes())
    hops = {hop.name: hop for hop in told.ledger.hops}
    assert list(hops) == HOPS
    assert {name for name, hop in hops.items() if hop.status == "equal"} >= {"tflm", "native-host", "native-qemu_lx6"}
    for name in ("torch", "onnx", "litert"):
        assert hops[name].status in ("equal", "within") and hops[name].allowed_lsb == 1
    graph = read_tflite((run / "model.tflite").read_bytes(), "model")
    assert hops["tflm"].tensors == len(graph.nodes) > 30
    assert all(hop.inputs >= 16 and hop.tensors > 30 for hop in hops.values())

    assert told.accuracy is not None and told.accuracy.int8_top1 >= told.accuracy.float_top1 - 0.005 > 0.98
    assert told.flash is not None and told.flash.verified
    assert told.flash.bytes >= sum((run / f).stat().st_size for f in ("app.bin", "partitions.bin", "model.image"))
    assert (told.latency.basis, told.latency.unit, told.latency.n) == ("emulated", "instructions", 10)
    assert told.latency.p50 > told.model.macs == sum(layer.macs for layer in told.latency.layers)
    profiled = sum(layer.value for layer in told.latency.layers)
    assert 0.98 < profiled / told.latency.p50 <= 1.01


def test_the_folder_holds_every_file_of_the_way(run: Path) -> None:
    names = {file.name for file in run.iterdir()}
    assert names >= FILES and not any(name.startswith(".") for name in names)
    lock = json.loads((run / "lock.json").read_text())
    assert {"model.onnx", "model.tflite", "model.plan", "model.image", "app.bin", "inputs.npz"} <= set(lock["files"])
    for name, digest in lock["files"].items():
        assert hashlib.sha256((run / name).read_bytes()).hexdigest() == digest
    boot = (run / "console.log").read_text()
    assert "POWERON_RESET" in boot and "model resnet18-digits: " in boot
    for page in ("report.html", "report.md", "lock.json", "report.json"):
        assert str(run.parent) not in (run / page).read_text(), "a path of the machine"


def test_what_it_prints(run: Path) -> None:
    said = (run.parent / "stdout.txt").read_text()
    assert "counted on an emulated Xtensa core" in said and said.endswith("\nrun/report.html\n")
    assert "\x1b" not in said and not any(line.endswith(" ") or len(line) > 80 for line in said.splitlines())
    steps = [line.partition(":")[0] for line in (run.parent / "stderr.txt").read_text().splitlines()]
    expected = ["quantise", "convert", "plan", "build firmware", "verify on this machine"]
    expected += ["flash", "verify on the board", "benchmark", "report"]
    assert [step for step in steps if step in expected] == expected


def test_a_stream_that_lacks_characters(run: Path, tmp_path: Path) -> None:
    copy = copy_of(run, tmp_path)
    said = good(edgeq("report", copy, cwd=tmp_path, env=environment(PYTHONIOENCODING="ascii")))
    assert said.isascii() and "input 1\\xd732\\xd732" in said


def test_a_second_deploy_gives_the_same_bytes_and_counts(run: Path, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    env = environment(PYTHONHASHSEED="7", XDG_CACHE_HOME=str(tmp_path / "cache"))
    good(edgeq("deploy", "resnet18-digits", "--runner", "qemu_lx6", "-o", "b/c", cwd=tmp_path, env=env))
    again = tmp_path / "b" / "c"
    for name in ("model.onnx", "model.tflite", "model.plan", "model.image", "app.bin", "inputs.npz"):
        assert (again / name).read_bytes() == (run / name).read_bytes(), name
    assert report(again)["latency"] == report(run)["latency"]


def test_a_report_knows_arena_and_flash(run: Path) -> None:
    found = read_report((run / "report.json").read_text())
    assert [step.name for step in found.arena_steps] == [layer.name for layer in found.latency.layers]
    assert max(step.live_bytes for step in found.arena_steps) == found.sizes.arena_bytes
    used = {part.name: part.used_bytes for part in found.flash_map}
    assert (used["factory"], used["model_0"], used["model_1"]) == (
        found.sizes.firmware_bytes, found.sizes.image_bytes, 0,
    )  # fmt: skip
    assert found.board.model_slot_bytes == next(p.bytes for p in found.flash_map if p.name == "model_0")
    # One profiled run, whose layers add up to it.
    assert all(layer.values == (layer.value,) for layer in found.latency.layers)
    assert sum(layer.value for layer in found.latency.layers) == found.latency.values[0]


# verify


def test_verify_a_run(run: Path, tmp_path: Path) -> None:
    said = json.loads(good(edgeq("verify", run, "--json", cwd=tmp_path)))
    assert said == json.loads((run / "ledger.json").read_text())


@pytest.mark.parametrize("name", ["model.tflite", "model.image", "app.bin", "inputs.npz"])
def test_verify_names_a_file_that_changed(run: Path, tmp_path: Path, name: str) -> None:
    file = copy_of(run, tmp_path) / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    refused(edgeq("verify", "copy", cwd=tmp_path), 1, f"copy/{name}", "has changed since the run")


def test_verify_names_the_first_tensor_that_differs(run: Path, tmp_path: Path) -> None:
    """A bias of one layer is another one, everything behind it is consistent: torch and ONNX know better."""
    copy = copy_of(run, tmp_path)
    graph = read_tflite((copy / "model.tflite").read_bytes(), "resnet18-digits")
    node = next(node for node in graph.nodes if node.outputs == ("layer2.0.conv1",))
    bias = graph.tensor(node.inputs[2])
    assert bias.data is not None
    changed = replace(bias, data=bias.data + np.int32(10_000))
    tflite = write_tflite(replace(graph, tensors={**graph.tensors, bias.name: changed}))
    again = read_tflite(tflite, "resnet18-digits")
    plan = encode_plan(build_plan(again, file_layout(tflite), target_of(load_board("esp32-wrover-b"))))
    image = read_model_image((copy / "model.image").read_bytes(), "model.image")
    write(copy, "model.tflite", tflite)
    write(copy, "model.plan", plan)
    write(copy, "model.image", write_model_image(replace(image, tflite=tflite, plan=plan)))

    done = edgeq("verify", "copy", "--json", cwd=tmp_path)
    refused(done, 1, "the hop torch differs", "layer2.0.conv1")
    hops = {hop["name"]: hop for hop in json.loads(done.stdout)["hops"]}
    for name in ("torch", "onnx"):
        assert hops[name]["status"] == "differs" and hops[name]["first_difference"]["tensor"] == "layer2.0.conv1"
    assert all(hops[name]["equal"] for name in HOPS[3:])


def write(run: Path, name: str, data: bytes) -> None:
    """Changes a file of a run, and the lock with it."""
    (run / name).write_bytes(data)
    lock = json.loads((run / "lock.json").read_text())
    lock["files"][name] = hashlib.sha256(data).hexdigest()
    (run / "lock.json").write_text(json.dumps(lock))


def test_every_engine_notices_a_wrong_reference(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = ops.run

    def wrong(*arguments: Any) -> dict[str, Any]:
        values = right(*arguments)
        values["branch"] = values["branch"].copy()
        values["branch"][2, 1, 0, 3] ^= 1
        return values

    monkeypatch.setattr(verify.ops, "run", wrong)
    ledger = verify.verify_file(small, inputs=3, seed=0, runner="qemu_lx6", progress=Quiet())
    named = {hop.name: hop.first_difference for hop in ledger if hop.status == "differs"}
    assert set(named) == {"tflm", "native-host", "native-qemu_lx6"}
    for difference in named.values():
        assert difference is not None and difference.tensor == "branch"
        assert difference.index is not None and difference.index[-3:] == (1, 0, 3)


def test_verify_a_file_on_seeded_inputs(small: Path, tmp_path: Path) -> None:
    command = ("verify", small, "--inputs", "random:4", "--seed", "1", "--json")
    hops = json.loads(good(edgeq(*command, cwd=tmp_path)))["hops"]
    assert [hop["name"] for hop in hops] == HOPS[2:]
    assert all(hop["equal"] and hop["inputs"] == 4 for hop in hops)


# Other ways in


def test_from_onnx(run: Path, tmp_path: Path) -> None:
    good(edgeq("deploy", run / "model.onnx", "--runner", "qemu_lx6", "-n", "2", "-o", "r", cwd=tmp_path))
    told = report(tmp_path / "r")
    assert told["accuracy"] is None and told["latency"]["n"] == 2
    status = {hop["name"]: hop["status"] for hop in told["ledger"]["hops"]}
    assert status["torch"] == "not run" and status["onnx"] in ("equal", "within")
    assert [status[name] for name in HOPS[3:]] == ["equal"] * 3
    good(edgeq("verify", "r", cwd=tmp_path))


def test_from_tflite_as_a_process_of_this_machine(small: Path, tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "model.onnx").write_bytes(b"of an older run")
    said = json.loads(good(edgeq("deploy", small, "--runner", "host", "--json", "-o", "r", cwd=tmp_path)))
    assert said == report(tmp_path / "r")
    assert said["accuracy"] is None
    assert (said["board"]["kind"], said["latency"]["basis"], said["latency"]["unit"]) == ("host", "host", "ns")
    status = {hop["name"]: hop["status"] for hop in said["ledger"]["hops"]}
    assert status == {"torch": "not run", "onnx": "not run", "litert": "equal", "tflm": "equal", "native-host": "equal"}
    names = {file.name for file in (tmp_path / "r").iterdir()}
    assert names >= FILES - OF_TORCH and not names & OF_TORCH
    printed = good(edgeq("report", "r", cwd=tmp_path))
    assert "never compared with a board" in printed


# Step by step, on a board that is served by another process


def test_flash_bench_monitor(run: Path, tmp_path: Path) -> None:
    copy = copy_of(run, tmp_path)
    with virtual("--flash", "array.bin", cwd=tmp_path) as url:
        assert "verified" in good(edgeq("flash", copy, "--port", url, cwd=tmp_path))
        text = good(edgeq("bench", "--port", url, "-n", "10", "--json", "-o", "made/bench.json", cwd=tmp_path))
        assert text == (tmp_path / "made" / "bench.json").read_text()
    said, deployed = read_bench(text), read_report((run / "report.json").read_text())
    assert said.engines[0].latency == deployed.latency and said.equality == (
        Equality(engine="native", count=16, equal=16),
    )
    assert (said.firmware, said.model.macs) == (deployed.firmware, deployed.model.macs)
    assert said.board.model_copy(update={"flash_bytes": deployed.board.flash_bytes}) == deployed.board
    shutil.rmtree(copy)
    env = environment(XDG_CACHE_HOME=str(tmp_path / "no-cache"))

    # What flash holds is all that a board needs.
    with virtual("--flash", "array.bin", cwd=tmp_path) as url:
        console = good(edgeq("monitor", "--port", url, "--seconds", "2", cwd=tmp_path, env=env))
        printed = good(edgeq("bench", "--port", url, "-n", "3", cwd=tmp_path, env=env))
    assert "model resnet18-digits" in console
    assert "emulated: counted on" in printed and "conv2d_s8" in printed and "16 of 16 golden samples" in printed
    assert "all 3 runs took exactly the same" in printed and all(len(line) <= 80 for line in printed.splitlines())
    with virtual("--flash", "array.bin", "--listen", "rfc2217://127.0.0.1:0", cwd=tmp_path) as url:
        said = json.loads(good(edgeq("bench", "--port", url, "-n", "1", "--json", cwd=tmp_path)))
        assert said["engines"][0]["latency"]["values"] == report(run)["latency"]["values"][:1]

    # A damaged model is not run, and the board says why.
    flash = bytearray((tmp_path / "array.bin").read_bytes())
    at = flash.index((run / "model.image").read_bytes())
    flash[at + 100_000] ^= 1
    (tmp_path / "array.bin").write_bytes(flash)
    with virtual("--flash", "array.bin", cwd=tmp_path) as url:
        assert "SHA-256" in good(edgeq("monitor", "--port", url, "--seconds", "2", cwd=tmp_path))
        refused(edgeq("bench", "--port", url, cwd=tmp_path), 4, "the board runs no model", "SHA-256")


# What is missing is said, and never called equal


def without(*modules: str) -> tuple[str, ...]:
    """The command in a Python that lacks some packages."""
    hide = "".join(f"sys.modules[{name!r}] = None; " for name in modules)
    return sys.executable, "-c", f"import sys; {hide}from edgeq.cli import main; main()"


def test_without_the_oracles(small: Path, tmp_path: Path) -> None:
    command = [*without("tflite_micro"), "verify", str(small), "--runner", "host", "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    hop = next(hop for hop in json.loads(good(done))["hops"] if hop["name"] == "tflm")
    assert hop["status"] == "not run" and not hop["equal"] and "edgeq[verify]" in hop["note"]


def test_without_an_emulator(small: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("cc", "as", "ld", "setpriv"):
        (tools / name).symlink_to(str(shutil.which(name)))
    env = environment(PATH=str(tools))
    done = edgeq("verify", small, cwd=tmp_path, env=env)
    assert "native-host  equal" in good(done) and "lx6" not in done.stdout
    assert "no emulated Xtensa core" in done.stderr and "apt-get install" in done.stderr
    refused(edgeq("verify", small, "--runner", "qemu_lx6", cwd=tmp_path, env=env), 5, "apt-get install")


@pytest.mark.parametrize(
    ("module", "command", "words"),
    [
        ("esptool", "deploy small.tflite --runner host", "esptool is not installed"),
        ("torch", "deploy resnet18-digits", "quantising needs torch"),
    ],
)
def test_without_a_package(small: Path, tmp_path: Path, module: str, command: str, words: str) -> None:
    argv = [*without(module), *command.split()]
    done = subprocess.run(argv, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    refused(done, 5, words, "pip install")
    assert [file.name for file in tmp_path.iterdir()] == ["small.tflite"]


# In a terminal


@pytest.mark.parametrize("colour", [True, False], ids=["colour", "NO_COLOR"])
def test_in_a_terminal(small: Path, tmp_path: Path, colour: bool) -> None:
    wish = {} if colour else {"NO_COLOR": "1"}
    said = in_a_terminal("verify", str(small), "--runner", "host", cwd=tmp_path, **wish)
    assert "✓" in said and "native-host" in said
    assert ("\x1b[32m" in said) == colour
    failed = in_a_terminal("verify", "nothing.tflite", cwd=tmp_path)
    assert "there is no such file" in failed and "✓" not in failed


def in_a_terminal(*arguments: str, cwd: Path, **env: str) -> str:
    ours, theirs = pty.openpty()
    plain = environment(TERM="xterm-256color", COLUMNS="120", **env)
    child = subprocess.Popen([*EDGEQ, *arguments], cwd=cwd, env=plain, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    try:
        while piece := os.read(ours, 65536):
            said += piece
    except OSError:  # the terminal's other side is closed
        pass
    child.wait(timeout=60)
    os.close(ours)
    return said.decode()
