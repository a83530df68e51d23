"""What the commands print: progress, tables, errors. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import errno
import functools
import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, ParamSpec

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from edgeq.errors import BadInput, EdgeqError
from edgeq.link.escape import escape

INTERRUPTED = 130
INTERNAL_FAULT = 70
PIPE_CLOSED = 128 + signal.SIGPIPE

_PIPE_WIDTH = 240


class _Stdout(Console):
    def on_broken_pipe(self) -> None:
        """Lets the error go where `command` handles it."""
        raise  # the error that rich handles while it calls this


out = _Stdout(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
err = Console(stderr=True, highlight=False)
P = ParamSpec("P")


def plain(text: str) -> Text:
    """Text as it is, without markup. The name of a tensor, say, comes of a file and cannot steer the terminal."""
    return Text("\n".join("\t".join(escape(part) for part in line.split("\t")) for line in text.split("\n")))


class PlainProgress:
    """One line a step: for logs, pipes and CI."""

    def __init__(self) -> None:
        self._title, self._start = "", 0.0

    def step(self, title: str) -> None:
        """Prints the step before, with the seconds it took."""
        self.finish()
        self._title, self._start = title, time.monotonic()

    def update(self, fraction: float, text: str = "") -> None:
        """Nothing: a log wants no bars."""

    def note(self, text: str) -> None:
        """A line of its own."""
        err.print(plain(f"note: {text}"))

    def finish(self) -> None:
        """Prints the last step."""
        if self._title:
            err.print(Text(f"{self._title}: {time.monotonic() - self._start:.1f} s"))
        self._title = ""


class LiveProgress:
    """A bar for the step at work, a tick for each that is done."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def step(self, title: str) -> None:
        """A new bar; the one before is complete."""
        self.finish()
        self._task = self._bars.add_task(title, total=1.0, detail="")

    def update(self, fraction: float, text: str = "") -> None:
        """Moves the bar."""
        if self._task is not None:
            self._bars.update(self._task, completed=min(fraction, 1.0), detail=escape(text[:40]))

    def note(self, text: str) -> None:
        """A line above the bars."""
        self._bars.console.print(plain(f"note: {text}"))

    def finish(self) -> None:
        """Completes the last bar."""
        if self._task is not None:
            self._bars.update(self._task, completed=1.0, detail="")
            self._bars.stop_task(self._task)
        self._task = None


@contextmanager
def progress() -> Iterator[PlainProgress | LiveProgress]:
    """Bars on a terminal, lines elsewhere."""
    if not err.is_terminal:
        plain = PlainProgress()
        yield plain
        plain.finish()
        return
    with bars() as drawn:
        live = LiveProgress(drawn)
        yield live
        live.finish()


def bars() -> Progress:
    """Bars for a terminal: a spinner, a name, a bar, the time it took, and the field `detail`."""
    return Progress(
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description:<24}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("{task.fields[detail]}", style="dim", markup=False),
        console=err,
    )


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str | int]]) -> None:
    """A table on stdout; numbers to the right. Plain aligned text where stdout is no terminal."""
    drawn = Table(title=title or None, box=None, pad_edge=False, title_justify="left", header_style="bold")
    body = [list(row) for row in rows]
    for i, column in enumerate(columns):
        numeric = bool(body) and all(isinstance(row[i], int) for row in body)
        drawn.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in body:
        drawn.add_row(*(plain(f"{cell:,}" if isinstance(cell, int) else cell) for cell in row))
    _print_table(drawn)


def pairs(rows: Iterable[tuple[str, str]]) -> None:
    """Two columns without a head."""
    drawn = Table(show_header=False, box=None, pad_edge=False)
    drawn.add_column(style="dim", no_wrap=True)
    drawn.add_column(overflow="fold")
    for name, value in rows:
        drawn.add_row(plain(name), plain(value))
    _print_table(drawn)


def _print_table(drawn: Table) -> None:
    if out.is_terminal:
        out.print(drawn)
        return
    with out.capture() as capture:
        out.print(drawn)
    out.file.write("\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n")


def say(text: str) -> None:
    """A plain line on stdout."""
    out.print(plain(text))


def unbroken(line: str, *, aside: bool = False) -> None:
    """One line that no width breaks, on stdout or, `aside`, on stderr: for programs that read it."""
    (err if aside else out).print(plain(line), soft_wrap=True)


def lines(text: Iterable[str]) -> None:
    """Lines on stdout that are laid out already."""
    for line in text:
        unbroken(line)


_results: list[Any] = []  # what a command has printed as JSON: one document, also where it then fails


def print_json(value: Any) -> None:
    """JSON on stdout, nothing else."""
    _results.append(value)
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _say_what_the_encoding_lacks() -> None:
    """Where a stream's encoding lacks a character, as Windows' do for bars, it is written as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def command(function: Callable[P, None]) -> Callable[P, None]:
    """Turns errors into a message and the documented exit code; no traceback reaches the user."""

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        _results.clear()
        as_json = bool(kwargs.get("json_output"))
        _say_what_the_encoding_lacks()
        try:
            function(*args, **kwargs)
            sys.stdout.flush()
        except EdgeqError as e:
            _show(e)
            _end(e.exit_code, e.what, e.where, e.hint, as_json=as_json)
        except KeyboardInterrupt:
            err.print(Text("interrupted"))
            _end(INTERRUPTED, "interrupted", as_json=as_json)
        except BrokenPipeError:
            _abandon_stdout()  # whoever read it has gone
            raise typer.Exit(PIPE_CLOSED) from None
        except typer.Exit:
            raise
        except Exception as e:
            if isinstance(e, OSError) and e.errno == errno.ENOSPC:
                _abandon_stdout()
                _show(BadInput("there is no space left where stdout or a file goes", hint="make room"))
                raise typer.Exit(BadInput.exit_code) from None
            if os.environ.get("EDGEQ_DEBUG"):
                raise
            what = f"a fault in edgeq itself: {type(e).__name__}: {e}"
            hint = "run it again with EDGEQ_DEBUG=1 and report what it prints"
            err.print(plain(what), soft_wrap=True)
            err.print(plain(f"  try: {hint}"))
            _end(INTERNAL_FAULT, what, hint=hint, as_json=as_json)

    return guarded


def _abandon_stdout() -> None:
    """What is still to be written to it goes nowhere, and fails no more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show(error: EdgeqError) -> None:
    line = Text("error: ", style="bold red")
    line.append(plain(f"{error.where}: {error.what}" if error.where else error.what).plain, style="default")
    err.print(line, soft_wrap=True)
    if error.hint:
        err.print(plain(f"  try: {error.hint}"), soft_wrap=True)


def _end(exit_code: int, what: str, where: str = "", hint: str = "", *, as_json: bool) -> NoReturn:
    """Ends the command; as JSON, stdout then has a document, whatever happened."""
    if as_json and not _results:
        print_json({"error": {"what": what, "where": where, "hint": hint, "exit_code": exit_code}})
    raise typer.Exit(exit_code) from None
