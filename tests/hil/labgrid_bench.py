"""A bench that labgrid hands out, on loopback: a real coordinator, a real exporter, and virtual boards in the place of
serial ports.

    with bench(folder, {"wrover-1": Faults(), "wrover-2": Faults()}) as lab:
        ...  # lab.coordinator is host:port; `place = "wrover-1"` in hil.toml

As a program it runs another one beside such a bench, with LG_COORDINATOR set, and ends as that one ended:

    python tests/hil/labgrid_bench.py --place wrover-1 --place wrover-2 -- edgeq hil run hil.toml
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edgeq.boards.board import load_board
from edgeq.hil.labgrid_client import find_client
from edgeq.virtual.faults import Faults
from edgeq.virtual.flash_array import FlashArray
from edgeq.virtual.serve import VirtualBoard

BOARD = "esp32-wrover-b"
EXPORTER = "bench-1"
LIMIT_S = 60
Process = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Lab:
    """`coordinator` is host:port, `server` its process. `boards` are the virtual boards by place."""

    folder: Path
    client: Path
    coordinator: str
    server: Process
    exporter: Process
    boards: Mapping[str, VirtualBoard]

    def run(self, *arguments: str, user: str = "", good: bool = True) -> str:
        """What labgrid-client says, run as this user or as another one of this machine."""
        env = {**os.environ, "LG_COORDINATOR": self.coordinator, **({"LG_USERNAME": user} if user else {})}
        argv = [str(self.client), *arguments]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=LIMIT_S)
        assert (done.returncode == 0) is good, done.stdout + done.stderr
        return done.stdout + done.stderr


def resources(places: Mapping[str, str]) -> str:
    """labgrid's exporter.yaml: a group for each place, with its serial port."""
    return "".join(f"{place}:\n  NetworkSerialPort: {serial_port(url)}\n" for place, url in places.items())


def serial_port(url: str) -> str:
    """A virtual board's address as labgrid writes it."""
    where = urlsplit(url)
    protocol = {"rfc2217": "rfc2217", "socket": "raw"}[where.scheme]
    return f"{{host: '{where.hostname}', port: {where.port}, protocol: {protocol}}}"


def commands(places: Sequence[str]) -> str:
    """How an operator makes the places."""
    return "".join(
        f"labgrid-client -p {place} create\n"
        f'labgrid-client -p {place} add-match "{EXPORTER}/{place}/*"\n'
        f"labgrid-client -p {place} set-tags board={BOARD}\n"
        for place in places
    )


@contextlib.contextmanager
def bench(
    folder: Path,
    boards: Mapping[str, Faults],
    *,
    contents: Sequence[tuple[int, bytes]] = (),
    describe: Callable[[Mapping[str, str]], str] = resources,
    script: str | None = None,
) -> Iterator[Lab]:
    """Starts all of it, and tears all of it down.

    contents: (offset, bytes) of every board's flash.
    describe: makes exporter.yaml of the boards' URLs by place.
    script: lines of labgrid-client that make the places; a place for each board if None.
    """
    client = find_client(None)
    with contextlib.ExitStack() as stack:
        served = {name: stack.enter_context(_board(faults, contents)) for name, faults in boards.items()}
        listen = [tool(client, "coordinator"), "-l", "127.0.0.1:0"]
        server, coordinator = stack.enter_context(running(listen, folder, "coordinator", "listening on "))
        config = describe({name: board.url for name, board in served.items()})
        exporter = stack.enter_context(exporting(client, coordinator, folder, config))
        lab = Lab(folder, client, coordinator, server, exporter, served)
        for line in (commands(list(boards)) if script is None else script).splitlines():
            program, *arguments = shlex.split(line)
            assert program == "labgrid-client", line
            lab.run(*arguments)
        yield lab


@contextlib.contextmanager
def exporting(
    client: Path, coordinator: str, folder: Path, config: str, name: str = EXPORTER, *options: str
) -> Iterator[Process]:
    """An exporter of these resources, once the coordinator knows all of them."""
    file = folder / f"{name}.yaml"
    file.write_text(config)
    argv = [tool(client, "exporter"), "-c", coordinator, "-n", name, "--hostname", "127.0.0.1", *options, str(file)]
    with running(argv, folder, name, "creating poll task") as (exporter, _):
        yield exporter


@contextlib.contextmanager
def running(argv: Sequence[str], folder: Path, name: str, ready: str) -> Iterator[tuple[Process, str]]:
    """A program for as long as the block lasts, from when it prints `ready`; and what stands behind that on the line.
    All it prints is in the folder's NAME.log."""
    child = subprocess.Popen(
        argv,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a Ctrl-C is for those that borrow; they give back before the bench goes
    )
    assert child.stdout is not None
    watchdog = threading.Timer(LIMIT_S, child.kill)
    with (folder / f"{name}.log").open("wb") as log:
        try:
            watchdog.start()
            line = b""
            while ready.encode() not in line:
                line = child.stdout.readline()
                log.write(line)
                assert line, f"{name} ended: {Path(log.name).read_text(errors='replace')}"
            watchdog.cancel()
            rest = threading.Thread(target=shutil.copyfileobj, args=(child.stdout, log), daemon=True)
            rest.start()
            yield child, line.decode().split(ready)[1].strip()
        finally:
            watchdog.cancel()
            end(child)
        rest.join()


def end(child: Process) -> None:
    """Asks a process to end, and makes it."""
    child.terminate()
    try:
        child.wait(LIMIT_S)
    finally:
        child.kill()
        child.wait()


def tool(client: Path, name: str) -> str:
    """`labgrid-NAME`, installed with this client."""
    return str(client.resolve().with_name(f"labgrid-{name}"))


@contextlib.contextmanager
def _board(faults: Faults, contents: Sequence[tuple[int, bytes]]) -> Iterator[VirtualBoard]:
    with FlashArray(None, load_board(BOARD).flash_bytes) as flash:
        for offset, data in contents:
            flash.program(offset, data)
        with VirtualBoard(flash, "host", "rfc2217://127.0.0.1:0", faults) as board:
            yield board


def main() -> int:
    """The bench as a program."""
    parser = argparse.ArgumentParser(description="Runs a command beside places that labgrid hands out.")
    parser.add_argument("--place", action="append", required=True, metavar="NAME")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    boards = {name: Faults() for name in arguments.place}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="edgeq-labgrid-") as folder, bench(Path(folder), boards) as lab:
        child = subprocess.Popen(arguments.command, env={**os.environ, "LG_COORDINATOR": lab.coordinator})
        try:
            while True:
                with contextlib.suppress(KeyboardInterrupt):  # the command got it as well, and the bench waits for it
                    return child.wait()
        finally:
            end(child)


if __name__ == "__main__":
    sys.exit(main())
