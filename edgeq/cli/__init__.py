"""The command line: a command parses, calls one step of the pipeline, prints.

Exit codes: 0 good, 1 a check failed, 2 usage or bad input, 3 does not fit, 4 board or port trouble, 5 tool missing,
70 a fault in edgeq itself, 130 interrupted; 128 + N ended by signal N, as when whoever read stdout has gone (141).
"""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from edgeq import __version__
from edgeq.cli import (
    benching,
    building,
    ci_files,
    comparing,
    console,
    deploying,
    fitting,
    hardware,
    linting,
    making,
    running,
)

app = typer.Typer(
    name="edgeq",
    help="From a trained PyTorch CNN to a verified, measured ESP32.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS = (
    deploying.deploy,
    making.quantize,
    making.convert,
    making.inspect,
    linting.lint,
    fitting.fit,
    building.build,
    hardware.flash,
    hardware.monitor,
    deploying.verify,
    deploying.bench,
    running.run,
    deploying.report,
    comparing.compare,
    comparing.trend,
    hardware.virtual,
    hardware.boards,
    hardware.ports,
    hardware.doctor,
)
for _function in COMMANDS:
    app.command()(_function)
app.add_typer(ci_files.app)
app.add_typer(benching.hil, name="hil")


def _print_version(wanted: bool) -> None:
    if wanted:
        console.say(f"edgeq {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """From a trained PyTorch CNN to a verified, measured ESP32."""


def main() -> None:
    """The entry point of `edgeq`. A signal that ends it lets it clean up, as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # not under nohup
            signal.signal(number, _end)
    app()


def _end(number: int, _: object) -> None:
    raise SystemExit(128 + number)
