"""Builds firmware: sources to an ELF file to the application image that is flashed.

The same sources, flags and tools give the same bytes, on any path and day; so a finished build is kept under the hash
of those three and not done again.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from edgeq.bundled import bundled
from edgeq.errors import BadInput
from edgeq.images.app import CHIP_ESP32, CHIP_HOST, AppImage, Segment, write_app_image
from edgeq.toolchain.compilers import Compiler, HostCompiler, Lx6Compiler
from edgeq.toolchain.elf import Elf, Sizes, read_elf
from edgeq.toolchain.program import Program, Target, firmware_program, program_hash

Progress = Callable[[int, int, str], None]  # files done, files in all, the file just done

_JOBS = 2


@dataclass(frozen=True)
class FirmwareBuild:
    """A firmware that can be flashed, and what it was made with."""

    target: Target
    app_image: bytes
    elf: Path
    sizes: Sizes
    key: str  # SHA-256 over sources, flags and tool versions
    tools: tuple[str, ...]  # their versions
    cached: bool


def build_firmware(
    target: Target,
    *,
    board: str,
    arena_bytes: int,
    scratch_bytes: int,
    flash_bytes: int = 4 << 20,
    out: Path,
    cache: Path | None = None,
    sanitize: bool = False,
    progress: Progress | None = None,
) -> FirmwareBuild:
    """Builds edgeq's firmware for `target` and writes `firmware.elf` and `app.bin` into the folder `out`.

    Raises ToolMissing for a compiler that is not installed, BadInput for sources that do not build.
    """
    program = firmware_program(
        bundled("firmware"),
        target,
        board=board,
        arena_bytes=arena_bytes,
        scratch_bytes=scratch_bytes,
        flash_bytes=flash_bytes,
    )
    compiler = _compiler(target, sanitize)
    key = _key(program, compiler)
    finished = cache / f"{key}.elf" if cache else None
    elf_bytes = _read_if_sound(finished)
    cached = elf_bytes is not None
    if elf_bytes is None:
        elf_bytes = build_program(program, compiler, progress)
        if finished:
            with contextlib.suppress(BadInput):  # a cache that cannot be written is done without
                _write(finished, elf_bytes)

    elf = read_elf(elf_bytes, where="firmware.elf")
    app_image = _app_image(target, elf_bytes, elf)
    _write(out / "firmware.elf", elf_bytes)
    _write(out / "app.bin", app_image)
    versions = tuple(tool.version for tool in compiler.tools)
    return FirmwareBuild(target, app_image, out / "firmware.elf", elf.sizes, key, versions, cached)


def build_program(program: Program, compiler: Compiler, progress: Progress | None = None) -> bytes:
    """Compiles and links `program`; returns the ELF file."""
    with tempfile.TemporaryDirectory(prefix="edgeq-build-") as folder, ThreadPoolExecutor(_JOBS) as pool:
        objects = [Path(folder) / f"{index}.o" for index in range(len(program.sources))]
        jobs = [
            pool.submit(compiler.compile, program, source, output)
            for source, output in zip(program.sources, objects, strict=True)
        ]
        try:
            for done, (job, source) in enumerate(zip(jobs, program.sources, strict=True), start=1):
                job.result()
                if progress:
                    progress(done, len(jobs), str(source))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        output = Path(folder) / "firmware.elf"
        compiler.link(program, objects, output)
        return output.read_bytes()


def _compiler(target: Target, sanitize: bool) -> Compiler:
    if target == "host":
        return HostCompiler.find(sanitize=sanitize)
    if sanitize:
        raise BadInput("sanitizers run on the host only", where=target, hint="build for host")
    return Lx6Compiler.find()


def _key(program: Program, compiler: Compiler) -> str:
    parts = (program_hash(program), compiler.flags(), tuple((t.name, t.version) for t in compiler.tools))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _app_image(target: Target, elf_bytes: bytes, elf: Elf) -> bytes:
    if target == "host":  # the executable travels whole; the virtual board starts it as a process
        return write_app_image(AppImage((Segment(0, elf_bytes),), entry=0, chip_id=CHIP_HOST))
    segments = tuple(Segment(part.address, part.data) for part in elf.loadables)
    return write_app_image(AppImage(segments, elf.entry, CHIP_ESP32))


def _read_if_sound(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        data = path.read_bytes()
        read_elf(data)
    except (OSError, BadInput):
        return None
    return data


def _write(path: Path, data: bytes) -> None:
    """Beside, then rename: a reader sees all of it or nothing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as beside:
            try:
                beside.write(data)
                beside.flush()
                Path(beside.name).chmod(0o755 if path.suffix == ".elf" else 0o644)
                Path(beside.name).replace(path)
            except BaseException:
                Path(beside.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise BadInput(f"cannot be written: {error.strerror}", where=str(path)) from error
