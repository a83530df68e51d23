"""How a source becomes an object and objects become a program: on this machine, and for the emulated LX6."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgeq.errors import BadInput, ToolMissing
from edgeq.toolchain.find import (
    Tool,
    find_host_compiler,
    find_lx6_assembler,
    find_lx6_compiler,
    find_lx6_linker,
)
from edgeq.toolchain.program import Program

_SECONDS = 300  # far more than any of our files takes
_LINES_SHOWN = 12
_WARNINGS = ("-std=c11", "-Wall", "-Wextra")


class Compiler(Protocol):
    """Runs tools in `program.root`; `output` paths are absolute."""

    @property
    def tools(self) -> tuple[Tool, ...]: ...

    def flags(self) -> tuple[str, ...]:
        """All flags that are the same for every program: part of a build's identity."""
        ...

    def compile(self, program: Program, source: Path, output: Path) -> None: ...

    def link(self, program: Program, objects: Sequence[Path], output: Path) -> None: ...


@dataclass(frozen=True)
class HostCompiler:
    """This machine's C compiler."""

    compiler: Tool
    sanitize: bool = False
    werror: bool = False

    @classmethod
    def find(cls, *, sanitize: bool = False, werror: bool = False) -> HostCompiler:
        return cls(find_host_compiler(), sanitize, werror)

    @property
    def tools(self) -> tuple[Tool, ...]:
        return (self.compiler,)

    def flags(self) -> tuple[str, ...]:
        sanitizers = (
            "-g",
            "-fsanitize=address,undefined",
            "-fno-sanitize-recover=all",
            "-fno-omit-frame-pointer",
        )
        return (
            *_WARNINGS,
            *(("-Werror",) if self.werror else ()),
            "-O2",
            *(sanitizers if self.sanitize else ()),
        )

    def compile(self, program: Program, source: Path, output: Path) -> None:
        prefix_map = f"-ffile-prefix-map={program.root}=."
        _run(
            self.compiler,
            [*self.flags(), prefix_map, *program.flags(), "-c", str(source), "-o", str(output)],
            program.root,
            f"{source} does not compile",
        )

    def link(self, program: Program, objects: Sequence[Path], output: Path) -> None:
        strip = () if self.sanitize else ("-s",)
        arguments = [*self.flags(), *strip, "-Wl,--build-id=none", *map(str, objects), "-o", str(output)]
        _run(self.compiler, arguments, program.root, "the firmware does not link")


# The LX6 of the ESP32, by features: clang knows no -mcpu=esp32. Without `mul32high` there would be no MULSH, which the
# emulated core lacks and the port's trap handler supplies.
_LX6_FEATURES = (
    *(
        "density",
        "windowed",
        "bool",
        "loop",
        "mac16",
        "mul16",
        "mul32",
        "mul32high",
        "div32",
        "minmax",
        "nsa",
    ),
    *("sext", "clamps", "fp", "threadptr", "miscsr", "exception", "interrupt", "highpriinterrupts"),
    *("timers3", "debug", "rvector", "coprocessor", "prid", "regprotect"),
)
_LX6_TARGET = "--target=xtensa-none-elf"


@dataclass(frozen=True)
class Lx6Compiler:
    """clang to assembly text, llvm-mc to objects, GNU ld to a program: the three that together speak LX6.

    clang's own assembler wants literals aligned in the object already; the port's linker script aligns them later.
    """

    compiler: Tool
    assembler: Tool
    linker: Tool
    werror: bool = False

    @classmethod
    def find(cls, *, werror: bool = False) -> Lx6Compiler:
        return cls(find_lx6_compiler(), find_lx6_assembler(), find_lx6_linker(), werror)

    @property
    def tools(self) -> tuple[Tool, ...]:
        return (self.compiler, self.assembler, self.linker)

    def flags(self) -> tuple[str, ...]:
        features = (part for name in _LX6_FEATURES for part in ("-Xclang", "-target-feature", "-Xclang", f"+{name}"))
        # Not -ffreestanding: it would turn every memcpy of four bytes into a call. The port brings its <string.h>.
        return (
            _LX6_TARGET,
            *_WARNINGS,
            *(("-Werror",) if self.werror else ()),
            "-O2",
            "-nostdlibinc",
            "-fomit-frame-pointer",
            "-fno-common",
            # Loops in the order of the source, with a pointer each: what keeps the sums of dots_s8.c in registers.
            *("-mllvm", "-pre-RA-sched=source", "-mllvm", "-disable-lsr"),
            *features,
        )

    def compile(self, program: Program, source: Path, output: Path) -> None:
        complaint = f"{source} does not compile"
        if source.suffix == ".S":
            preprocess = [
                _LX6_TARGET,
                "-E",
                "-P",
                "-nostdlibinc",
                *program.flags(),
                "-x",
                "assembler-with-cpp",
            ]
            text = _run(self.compiler, [*preprocess, str(source)], program.root, complaint)
        else:
            text = _run(
                self.compiler,
                [*self.flags(), *program.flags(), "-S", str(source), "-o", "-"],
                program.root,
                complaint,
            )
        _run(
            self.assembler,
            ["-arch=xtensa", "-mcpu=esp32", "-filetype=obj", "-", "-o", str(output)],
            program.root,
            complaint,
            stdin=text,
        )

    def link(self, program: Program, objects: Sequence[Path], output: Path) -> None:
        script = ["-T", str(program.linker_script)] if program.linker_script else []
        arguments = ["--no-relax", "--no-warn-rwx-segments", "-z", "noexecstack", *script]
        _run(
            self.linker,
            [*arguments, *map(str, objects), "-o", str(output)],
            program.root,
            "the firmware does not link",
        )


def _run(tool: Tool, arguments: Sequence[str], cwd: Path, complaint: str, *, stdin: bytes = b"") -> bytes:
    """What the tool printed; BadInput with what it complained about if it failed."""
    try:
        done = subprocess.run([tool.path, *arguments], cwd=cwd, input=stdin, capture_output=True, timeout=_SECONDS)
    except OSError as error:
        raise ToolMissing(f"does not run: {error}", where=str(tool.path), hint="reinstall its package") from error
    except subprocess.TimeoutExpired as error:
        raise ToolMissing(f"did not finish in {_SECONDS} s", where=str(tool.path)) from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").splitlines()
        more = [f"... and {len(lines) - _LINES_SHOWN} lines more"] if len(lines) > _LINES_SHOWN else []
        shown = "\n".join(["", *lines[:_LINES_SHOWN], *more])
        raise BadInput(f"{complaint}, {tool.name} says:{shown}", where=str(cwd))
    return done.stdout
