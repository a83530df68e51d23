"""flash, monitor, virtual, boards, ports, doctor: the boards themselves."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from edgeq.boards.board import boards as known_boards
from edgeq.boards.board import load_board
from edgeq.cli import console
from edgeq.cli.options import BoardName, Json, Port, RunnerName
from edgeq.flash.ports import serial_ports
from edgeq.link.monitor import lines
from edgeq.link.symptoms import explain
from edgeq.link.transport import SerialTransport
from edgeq.pipeline import doctor as doctor_step
from edgeq.pipeline.deploy import DEFAULT_BOARD
from edgeq.pipeline.making import flash_run
from edgeq.pipeline.panic import PanicDecoder
from edgeq.report.wording import size
from edgeq.virtual.faults import Faults
from edgeq.virtual.serve import serve_forever


class BootFault(StrEnum):
    """What a faulty virtual board does instead of starting the application."""

    none = "none"
    loop = "loop"
    garbage = "garbage"
    panic = "panic"


_BOOT: dict[BootFault, Literal["", "loop", "garbage", "panic"]] = {
    BootFault.none: "",
    BootFault.loop: "loop",
    BootFault.garbage: "garbage",
    BootFault.panic: "panic",
}


@console.command
def flash(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    port: Port,
    json_output: Json = False,
) -> None:
    """Write a run's firmware and model to a board with esptool, verified."""
    with console.progress() as progress:
        done = flash_run(run, port, progress)
    if json_output:
        console.print_json({"bytes": done.bytes, "seconds": done.seconds, "verified": done.verified})
    else:
        console.say(f"{size(done.bytes)} in {done.seconds:.1f} s, verified")


@console.command
def monitor(
    port: Port,
    seconds: Annotated[float, typer.Option("--seconds", min=0, help="Stop after so long; 0: never.")] = 0.0,
    elf: Annotated[
        Path | None, typer.Option("--elf", help="A run's folder, or its firmware.elf: names the code of a panic.")
    ] = None,
) -> None:
    """Show a board's console with timestamps, and what a panic's addresses mean."""
    decoder = PanicDecoder.of(elf) if elf else None
    transport = SerialTransport(port)
    start = time.monotonic()
    try:
        for line in lines(transport, time.monotonic, until_s=start + seconds if seconds else math.inf):
            console.say(f"{line.at_s - start:9.3f}  {line.text}")
            for place in decoder.decode(line.text) if decoder else ():
                console.say(f"{'':9}    {place}")
            if (symptom := explain(line.text)) is not None:
                console.say(f"{'':9}    {symptom.what}; try: {symptom.hint}")
    finally:
        transport.close()


@console.command
def virtual(
    listen: Annotated[
        str, typer.Option("--listen", help="socket:// or rfc2217:// on loopback; port 0 takes a free one.")
    ] = "socket://127.0.0.1:0",
    flash_file: Annotated[Path | None, typer.Option("--flash", help="Keep the flash array in this file.")] = None,
    board: BoardName = DEFAULT_BOARD,
    runner: Annotated[RunnerName, typer.Option("--runner", help="What executes the firmware.")] = RunnerName.qemu_lx6,
    drop: Annotated[float, typer.Option(min=0, max=1, help="Fault: share of bytes lost.")] = 0.0,
    corrupt: Annotated[float, typer.Option(min=0, max=1, help="Fault: share of bytes changed.")] = 0.0,
    stall_after: Annotated[int | None, typer.Option(min=0, help="Fault: silent after so many bytes.")] = None,
    brown_out_at: Annotated[int | None, typer.Option(min=0, help="Fault: power lost at this flash offset.")] = None,
    boot: Annotated[BootFault, typer.Option(help="Fault: how the application starts.")] = BootFault.none,
    die_after: Annotated[
        int | None, typer.Option(min=0, help="Fault: the application is killed after it printed so many bytes.")
    ] = None,
    die: Annotated[
        float, typer.Option(min=0, max=1, help="Fault: share of connections in which the application is killed.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the faults.")] = 0,
) -> None:
    """Serve a virtual ESP32 that an unmodified esptool flashes. Ctrl-C ends it."""
    faults = Faults(
        drop=drop, corrupt=corrupt, stall_after=stall_after, brown_out_at=brown_out_at, seed=seed,
        boot=_BOOT[boot], die_after=die_after, die=die,
    )  # fmt: skip
    serve_forever(
        listen, flash_file, runner.value, flash_bytes=load_board(board).flash_bytes, faults=faults, ready=console.say
    )


@console.command
def boards(json_output: Json = False) -> None:
    """List the boards that edgeq knows."""
    known = known_boards()
    if json_output:
        console.print_json([board.model_dump(mode="json") for board in known])
        return
    rows = [
        (b.name, b.chip.name, f"{b.clock_hz // 10**6} MHz", size(b.flash_bytes), size(b.psram_bytes),
         size(b.arena_bytes), b.title)
        for b in known
    ]  # fmt: skip
    console.table("", ("board", "chip", "clock", "flash", "PSRAM", "arena", ""), rows)


@console.command
def ports(json_output: Json = False) -> None:
    """List the serial ports of this machine."""
    found = serial_ports()
    if json_output:
        console.print_json([asdict(port) for port in found])
    elif not found:
        console.say("no serial port found; `edgeq virtual` serves a virtual board")
    else:
        rows = [(p.device, p.usb_id, p.bridge, p.description) for p in found]
        console.table("", ("port", "USB id", "bridge", "description"), rows)


@console.command
def doctor(json_output: Json = False) -> None:
    """Say what is installed, what is missing, and how to get it."""
    found = doctor_step.examine()
    if json_output:
        console.print_json([asdict(item) for item in found])
    else:
        rows = [("ok" if i.present else "missing", i.name, i.purpose, i.version or i.hint) for i in found]
        console.table("", ("", "what", "for", "version, or how to get it"), rows)
    doctor_step.require_core(found)
