"""Finds ESP-IDF, runs its build in a project of ours, and reads what it made."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq.errors import BadInput, DoesNotFit, ToolMissing
from edgeq.toolchain.link_map import Region, regions

Progress = Callable[[float, str], None]  # how far, 0 to 1; what was just done

OLDEST, NEWEST = (5, 2), (6, 0)  # what it is written for; newer ones are tried, older ones refused
INSTALL = (
    "git clone -b v5.5.1 --depth 1 --recursive --shallow-submodules https://github.com/espressif/esp-idf ~/esp/esp-idf"
    " && ~/esp/esp-idf/install.sh esp32,esp32s3,esp32c3   (3 GB; or set IDF_PATH to the one you have)"
)
BUILD_FOLDER = "build"
LOG = "build.log"
_PROJECT = "edgeq"  # of firmware/CMakeLists.txt

_BOARD = "sdkconfig.board"
_GENERATED_FOLDERS = ("components", "generated", "main", "ports")
_LINES_KEPT, _LINES_SHOWN = 200, 12
_STEP = re.compile(r"^\[(\d+)/(\d+)\] (.*)")
_OVERFLOW = re.compile(r"region [`'](\S+)' overflowed by (\d+) bytes")
_COMPLAINT = re.compile(r"(?:fatal )?error:|undefined reference|^CMake Error|^ERROR:|cannot find|No space left", re.I)
_APP_TOO_LARGE = re.compile(r"app partition is too small", re.I)
_NO_NETWORK = re.compile(r"cannot (?:establish|connect)|connection (?:error|refused)|name resolution", re.I)


@dataclass(frozen=True)
class EspIdf:
    """An installation: its folder, its version, and how `idf.py` is started there."""

    path: Path
    version: tuple[int, int, int]
    command: tuple[str, ...]


@dataclass(frozen=True)
class IdfBuild:
    """What `idf.py build` made. `bootloader` and `app` are the files to flash; `elf` has the symbols."""

    idf: EspIdf
    elf: bytes
    map: bytes
    bootloader: bytes
    app: bytes
    regions: tuple[Region, ...]


def find_esp_idf(environment: Mapping[str, str] | None = None, home: Path | None = None) -> EspIdf:
    """The ESP-IDF of IDF_PATH, else that of the idf.py on PATH, else ~/esp/esp-idf. Raises ToolMissing.

    Where its export script has been run, its own Python starts idf.py: the first Python on PATH may be edgeq's.
    Otherwise the script runs first.
    """
    environment = os.environ if environment is None else environment
    for path in _candidates(environment, home or Path.home()):
        version = _version(path)
        if version is None:
            continue
        if version[:2] < OLDEST:
            raise ToolMissing(
                f"is ESP-IDF {_dotted(version)}; edgeq needs {_dotted(OLDEST)} or newer",
                where=str(path),
                hint=INSTALL,
            )
        return EspIdf(path, version, _command(path, environment))
    where = f"IDF_PATH={environment['IDF_PATH']}" if environment.get("IDF_PATH") else "ESP-IDF"
    raise ToolMissing("not found; it is needed to build for a real board", where=where, hint=INSTALL)


def _candidates(environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    if path := environment.get("IDF_PATH"):
        yield Path(path)
        return
    if program := shutil.which("idf.py", path=environment.get("PATH", "")):
        yield Path(program).resolve().parent.parent  # tools/idf.py
    yield home / "esp" / "esp-idf"


def _version(path: Path) -> tuple[int, int, int] | None:
    try:
        text = (path / "tools" / "cmake" / "version.cmake").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    found = [re.search(rf"IDF_VERSION_{part}\s+(\d+)", text) for part in ("MAJOR", "MINOR", "PATCH")]
    major, minor, patch = (int(match[1]) if match else 0 for match in found)
    return (major, minor, patch) if major else None


def _dotted(version: Sequence[int]) -> str:
    return ".".join(str(part) for part in version)


def _command(path: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
    idf_py = path / "tools" / "idf.py"
    if python := environment.get("IDF_PYTHON_ENV_PATH"):
        return (str(Path(python) / "bin" / "python"), str(idf_py))
    script = '. "$0/export.sh" >/dev/null && exec idf.py "$@"'
    return ("bash", "-c", script, str(path))


def write_project(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes the project's files, those that changed only, so that a second build is quick; what an earlier project
    left in their folders goes. ESP-IDF's own `sdkconfig` goes where the configuration changed, since it would win over
    it, and so does what was built for another chip.
    """
    try:
        if _target(files.get(_BOARD, b"")) != _target(_read_or_empty(folder / _BOARD)):
            shutil.rmtree(folder / BUILD_FOLDER, ignore_errors=True)
        changed = [path for path, data in files.items() if _differs(folder / path, data)]
        for path in changed:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(files[path])
        for stale in _stale(folder, files):
            stale.unlink()
        if any(path.startswith("sdkconfig.") for path in changed):
            (folder / "sdkconfig").unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(
            f"cannot be written: {error.strerror}", where=str(folder), hint="choose another with -o"
        ) from error


def _target(configuration: bytes) -> bytes:
    return next((line for line in configuration.splitlines() if line.startswith(b"CONFIG_IDF_TARGET=")), b"")


def _read_or_empty(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _differs(path: Path, data: bytes) -> bool:
    return not path.is_file() or path.read_bytes() != data


def _stale(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    present = [path for part in _GENERATED_FOLDERS for path in (folder / part).rglob("*") if path.is_file()]
    return [path for path in present if path.relative_to(folder).as_posix() not in files]


def build_project(idf: EspIdf, folder: Path, target: str, progress: Progress) -> IdfBuild:
    """Runs `idf.py build` in `folder`; all it prints goes to its build.log.

    Raises DoesNotFit where a memory region or the application's partition overflows, BadInput with the compiler's words
    for anything else, ToolMissing where ESP-IDF does not start.
    """
    arguments = ["-B", BUILD_FOLDER, f"-DIDF_TARGET={target}", "build"]
    log = folder / LOG
    kept: deque[str] = deque(maxlen=_LINES_KEPT)
    try:
        with log.open("w", encoding="utf-8") as file:
            status = _run([*idf.command, *arguments], folder, _environment(idf), file.write, kept, progress)
    except OSError as error:
        raise ToolMissing(f"does not start: {error.strerror}", where=str(idf.path), hint=INSTALL) from error
    if status:
        _complain(list(kept), idf, log)
    return _result(idf, folder / BUILD_FOLDER)


def _environment(idf: EspIdf) -> dict[str, str]:
    """Without edgeq's own virtual environment, which ESP-IDF's scripts would take for theirs."""
    environment = dict(os.environ, IDF_PATH=str(idf.path))
    environment.pop("VIRTUAL_ENV", None)
    if sys.prefix != sys.base_prefix:
        own = str(Path(sys.prefix) / "bin")
        paths = [path for path in environment.get("PATH", "").split(os.pathsep) if path != own]
        environment["PATH"] = os.pathsep.join(paths)
    return environment


def _run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    write: Callable[[str], object],
    kept: deque[str],
    progress: Progress,
) -> int:
    with subprocess.Popen(
        command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
    ) as child:  # fmt: skip
        try:
            for line in child.stdout or ():
                write(line)
                kept.append(line.rstrip())
                if match := _STEP.match(line):
                    progress(int(match[1]) / max(int(match[2]), 1), Path(match[3].split(" ")[-1]).name)
        except BaseException:
            child.terminate()
            raise
        return child.wait()


def _complain(lines: list[str], idf: EspIdf, log: Path) -> None:
    text = "\n".join(lines)
    if overflow := _OVERFLOW.search(text):
        raise DoesNotFit(
            f"the firmware needs {int(overflow[2]):,} bytes more than the memory {overflow[1]} has",
            where=str(log),
            hint="a smaller arena (--arena-from RUN), one engine instead of two, or a board with more memory",
        )
    if _APP_TOO_LARGE.search(text):
        raise DoesNotFit(
            "the application is larger than its partition",
            where=str(log),
            hint="one engine instead of two, --embed partition, or a board with more flash",
        )
    if _NO_NETWORK.search(text):
        raise ToolMissing(
            "ESP-IDF's component manager could not download esp-tflite-micro",
            where=str(log),
            hint="connect to the network for the first build, or --engine native, which needs no download",
        )
    complaints = [line for line in lines if _COMPLAINT.search(line)] or lines
    shown = "\n".join(["", *complaints[:_LINES_SHOWN]])
    raise BadInput(f"the firmware does not build, ESP-IDF {_dotted(idf.version)} says:{shown}", where=str(log))


def _result(idf: EspIdf, build: Path) -> IdfBuild:
    """The files that ESP-IDF's own list names; BadInput where one is missing."""
    listed = build / "flasher_args.json"
    try:
        facts = json.loads(listed.read_text(encoding="utf-8"))
        names = {part: str(facts[part]["file"]) for part in ("bootloader", "app")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput("ESP-IDF's build left no list of what to flash", where=str(listed)) from error
    map_bytes = _read(build / f"{_PROJECT}.map")
    return IdfBuild(
        idf=idf,
        elf=_read(build / f"{_PROJECT}.elf"),
        map=map_bytes,
        bootloader=_read(build / names["bootloader"]),
        app=_read(build / names["app"]),
        regions=regions(map_bytes.decode(errors="replace"), where=f"{_PROJECT}.map"),
    )


def _read(path: Path) -> bytes:
    with contextlib.suppress(OSError):
        return path.read_bytes()
    raise BadInput("is missing from ESP-IDF's build", where=str(path))
