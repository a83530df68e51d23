"""The generated ESP-IDF project: equal bytes for equal arguments, what a board decides, C that compiles."""

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest

from edgeq.boards.board import Board, boards, load_board
from edgeq.boards.placement import place_arena
from edgeq.bundled import bundled
from edgeq.errors import BadInput
from edgeq.images.layout import layout_for
from edgeq.toolchain.compilers import Lx6Compiler
from edgeq.toolchain.esp_idf_project import Application, model_source, project_files, sdkconfig
from edgeq.toolchain.program import Program
from edgeq.toolchain.resolver import resolver_for_all

GOLDEN = Path(__file__).parents[1] / "golden" / "esp-idf"
IMAGE = bytes(range(256)) * 3 + b"end"
SOURCES = {
    path.relative_to(bundled("firmware")).as_posix(): path.read_bytes()
    for path in sorted(bundled("firmware").rglob("*"))
    if path.is_file()
}


def application(board: Board, **changes: object) -> Application:
    """What `edgeq build --board` asks for."""
    where = place_arena(board, board.arena_bytes, board.scratch_bytes).where
    app = Application(
        board=board,
        engines=("native",),
        arena_bytes=board.arena_bytes,
        arena_in_psram=where == "psram",
        scratch_bytes=board.scratch_bytes,
        table=layout_for(board.flash_bytes),
        version="1.2.3",
    )
    return dataclasses.replace(app, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("board", boards(), ids=lambda board: board.name)
def test_what_a_board_decides_is_as_it_was(board: Board) -> None:
    """Read the difference, then refresh the file with what the test says."""
    files = project_files(SOURCES, application(board))
    text = files["sdkconfig.board"].decode() + "\n" + files["partitions.csv"].decode()
    golden = GOLDEN / f"{board.name}.txt"
    assert golden.is_file(), f"write {golden}:\n{text}"
    assert text == golden.read_text(), golden


def test_equal_arguments_give_equal_bytes() -> None:
    def files() -> dict[str, bytes]:
        app = application(
            load_board("esp32-wrover-b"), engines=("native", "tflm"), resolver=resolver_for_all(), image=IMAGE
        )
        return project_files(dict(reversed(SOURCES.items())), app)

    assert list(files().items()) == list(files().items())
    assert not any(b"/work" in data or b"/home" in data or b"/tmp" in data for data in files().values())


def test_what_is_in_a_project() -> None:
    files = project_files(SOURCES, application(load_board("esp32-cam")))
    assert {"CMakeLists.txt", "sdkconfig.defaults", "sdkconfig.defaults.esp32", "main/main.c"} <= files.keys()
    assert {"components/eq_engine/native.c", "ports/common/slots.c", "version.txt"} <= files.keys()
    assert not [path for path in files if path.startswith(("ports/host", "ports/qemu", "examples", "generated"))]
    assert not [path for path in files if "tflm/" in path]
    both = application(load_board("esp32-cam"), engines=("native", "tflm"), resolver="// the operators\n", image=IMAGE)
    files = project_files(SOURCES, both)
    assert "components/eq_tflm/tflm.cc" in files
    assert files["generated/resolver.cc"] == b"// the operators\n"
    assert not [path for path in files if "tflm_kernels/" in path]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"engines": ()}, "none"),
        ({"engines": ("native", "native")}, "native, native"),
        ({"engines": ("tflm",)}, "resolver"),
        ({"resolver": "//"}, "resolver"),
        ({"arena_in_psram": True}, "PSRAM"),
    ],
)
def test_what_does_not_go_together(changes: dict[str, object], what: str) -> None:
    with pytest.raises(BadInput, match=what):
        application(load_board("esp32-devkitc"), **changes)


def test_a_console_of_another_kind() -> None:
    board = load_board("esp32-c3-devkitm-1")
    usb = board.model_copy(update={"console": board.console.model_copy(update={"device": "usb-serial-jtag"})})
    assert "CONFIG_ESP_CONSOLE_USB_SERIAL_JTAG=y" in sdkconfig(application(usb))
    fast = board.model_copy(update={"console": board.console.model_copy(update={"baud": 921_600})})
    assert "CONFIG_ESP_CONSOLE_UART_BAUDRATE=921600" in sdkconfig(application(fast))


def test_every_option_that_is_set_is_one_of_ours_or_known() -> None:
    """A misspelt option of ours would be ignored in silence."""
    menu = SOURCES["main/Kconfig.projbuild"].decode()
    ours = {line.split()[1] for line in menu.splitlines() if line.strip().startswith("config ")}
    text = sdkconfig(application(load_board("esp32-wrover-b")))
    used = {line.split("=")[0].removeprefix("CONFIG_") for line in text.splitlines() if line.startswith("CONFIG_EQ_")}
    assert used == ours - {"EQ_TASK_STACK_BYTES"}
    code = b"".join(
        data for path, data in SOURCES.items() if path.startswith("main/") and path.endswith((".c", ".h", ".txt"))
    )
    assert all(f"CONFIG_{name}".encode() in code for name in ours)


def _headers(folder: Path) -> Path:
    shutil.copy(bundled("firmware") / "main" / "model_image.h", folder)
    return folder


def test_the_model_as_an_array_is_the_model(tmp_path: Path) -> None:
    (tmp_path / "model_image.c").write_text(model_source(IMAGE))
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "model_image.h"\n'
        "int main(void) { fwrite(eq_model_image, 1, eq_model_image_bytes, stdout);"
        " return (uintptr_t)eq_model_image % 16 != 0; }\n"
    )
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror"]
    sources = ["model_image.c", "main.c"]
    subprocess.run(["gcc", *flags, *sources, "-o", "print"], cwd=_headers(tmp_path), check=True)
    assert subprocess.run([tmp_path / "print"], check=True, capture_output=True).stdout == IMAGE


@pytest.mark.emulator
@pytest.mark.skipif(shutil.which("clang-22") is None, reason="not installed: clang-22")
def test_all_that_needs_no_esp_idf_compiles_for_an_lx6(tmp_path: Path) -> None:
    """Where uint32_t is `unsigned long`, as in ESP-IDF, and not `unsigned int` as elsewhere."""
    app = application(load_board("esp32-wrover-b"), image=IMAGE)
    for path, data in project_files(SOURCES, app).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    plain = ("components", "generated", "ports", "main/arena.c", "main/model_array.c")
    sources = [
        p for part in plain for p in ([tmp_path / part] if part.endswith(".c") else (tmp_path / part).rglob("*.c"))
    ]
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    (stubs / "sdkconfig.h").write_text("#define CONFIG_EQ_ARENA_BYTES 64\n#define CONFIG_EQ_SCRATCH_BYTES 64\n")
    (stubs / "esp_attr.h").write_text("#define EXT_RAM_BSS_ATTR\n")
    folders = {p.parent for p in tmp_path.rglob("*.h")} | {bundled("firmware") / "ports" / "qemu_lx6" / "include"}
    program = Program(
        root=tmp_path,
        sources=tuple(sources),
        include_dirs=tuple(sorted(folders)),
        defines=(("__UINT32_TYPE__", "long unsigned int"), ("__INT32_TYPE__", "long int"), ("EQ_BOARD", '"b"'),
                 ("EQ_ARENA_BYTES", "64"), ("EQ_SCRATCH_BYTES", "64")),
    )  # fmt: skip
    compiler = Lx6Compiler.find(werror=True)
    assert len(sources) > 30
    for source in sources:
        flags = [*compiler.flags(), "-Wno-macro-redefined", "-Wno-builtin-macro-redefined", *program.flags()]
        done = subprocess.run(
            [compiler.compiler.path, *flags, "-fsyntax-only", source], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
