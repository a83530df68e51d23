"""Programs that several tests of the firmware run."""

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeq.bundled import bundled
from edgeq.toolchain.build import build_program
from edgeq.toolchain.compilers import HostCompiler
from edgeq.toolchain.program import Program, include_dirs

COMMON = Path("ports/common")


@pytest.fixture(scope="session")
def finder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[bytes]], list[tuple[int, int, int]]]:
    """Where the firmware finds what it looks for in each of the flash arrays: offset and size of the model's partition,
    offset of the application's SHA-256 or -1."""
    root = bundled("firmware")
    components = [root / "components" / name for name in ("eq_check", "eq_engine", "eq_hal", "eq_kernels")]
    sources = [COMMON / name for name in ("app_image.c", "flash.c", "partition_table.c", "slots.c")]
    sources += sorted(path.relative_to(root) for folder in components for path in folder.glob("*.c"))
    program = Program(
        root,
        (*sources, Path(__file__).with_name("partition_find.c")),
        include_dirs=include_dirs(root, [root / COMMON, *components]),
    )
    executable = tmp_path_factory.mktemp("partitions") / "find"
    executable.write_bytes(build_program(program, HostCompiler.find(sanitize=True, werror=True)))
    executable.chmod(0o755)

    def run(arrays: list[bytes]) -> list[tuple[int, int, int]]:
        console = b"".join(struct.pack("<I", len(array)) + array for array in arrays)
        done = subprocess.run([executable], input=console, capture_output=True, timeout=60, check=True)
        found = []
        for line in done.stdout.decode().splitlines():
            offset, size, app, maps = line.split()
            assert maps == "11000"
            found.append((int(offset), int(size), int(app)))
        assert len(found) == len(arrays)
        return found

    return run


@pytest.fixture(scope="session")
def find(finder: Callable[[list[bytes]], list[tuple[int, int, int]]]) -> Callable[[list[bytes]], list[tuple[int, int]]]:
    """Of those, the model's partition."""
    return lambda arrays: [(offset, size) for offset, size, _ in finder(arrays)]
