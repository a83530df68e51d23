"""A stand-in for ESP-IDF: a folder with `tools/idf.py` and `export.sh`, whose build compiles nothing.

`mode` in its folder chooses what happens: `good`, `error`, `overflow`, `app`, `network`, `nothing`. An `app.bin` there
is the application that a good build leaves.
"""

from __future__ import annotations

import sys
from pathlib import Path

IDF_PY = """\
import json, os, pathlib, sys
arguments = sys.argv[1:]
build = pathlib.Path(arguments[arguments.index("-B") + 1])
here = pathlib.Path(__file__).parents[1]
mode = (here / "mode").read_text()
(here / "called.json").write_text(json.dumps({
    "arguments": arguments, "cwd": os.getcwd(), "idf_path": os.environ.get("IDF_PATH"),
    "virtual_env": os.environ.get("VIRTUAL_ENV"), "configured": pathlib.Path("sdkconfig").exists(),
}))
complaints = {
    "error": "[2/3] Building C object main.c.obj\\n../main/main.c:3:1: error: unknown type name 'foo'",
    "overflow": "ld: region `dram0_0_seg' overflowed by 20480 bytes\\ncollect2: error: ld returned 1 exit status",
    "app": "Error: app partition is too small for binary edgeq.bin size 0x150000",
    "network": "ERROR: Cannot establish a connection to the component registry",
}
print("[1/3] Generating", flush=True)
if mode in complaints:
    print(complaints[mode])
    sys.exit(2)
if mode == "nothing":
    sys.exit(0)
for name, data in {"bootloader/bootloader.bin": b"boot", "edgeq.bin": b"app", "edgeq.elf": b"elf"}.items():
    (build / name).parent.mkdir(parents=True, exist_ok=True)
    (build / name).write_bytes(data)
if (here / "app.bin").exists():
    (build / "edgeq.bin").write_bytes((here / "app.bin").read_bytes())
(build / "edgeq.map").write_text(MAP)
(build / "flasher_args.json").write_text(json.dumps({
    "bootloader": {"offset": "0x1000", "file": "bootloader/bootloader.bin"},
    "app": {"offset": "0x10000", "file": "edgeq.bin"},
}))
pathlib.Path("sdkconfig").write_text("# made by ESP-IDF")
print("[3/3] Linking edgeq.elf")
"""

MAP = """\
Memory Configuration

Name             Origin             Length             Attributes
iram0_0_seg      0x40080000         0x00020000         xr
iram0_2_seg      0x400d0020         0x0032ffe0         xr
dram0_0_seg      0x3ffb0000         0x0002c200         rw
drom0_0_seg      0x3f400020         0x003fffe0         r
extern_ram_seg   0x3f800000         0x00400000         rw
*default*        0x00000000         0xffffffff

Linker script and memory map

.iram0.vectors  0x40080000      0x403
 .iram0.vectors 0x40080000      0x403 esp-idf/xtensa/libxtensa.a(vectors.S.obj)
.iram0.text     0x40080404     0xb000
.dram0.data     0x3ffb0000     0x2400
.dram0.bss      0x3ffb2400    0x1c000
.flash.text     0x400d0020    0x24000
.flash.rodata_noload_with_a_long_name
                0x3f400020     0x9000
.ext_ram.bss    0x3f800000   0x200000
.debug_info     0x00000000    0xfffff
"""

EXPORT = """\
case "$PATH" in {own}*) echo "PATH still starts with edgeq's own environment" >&2; return 1;; esac
export PATH="{tools}:$PATH"
"""


def fake_idf(folder: Path, mode: str = "good", version: tuple[int, int, int] = (5, 5, 1)) -> Path:
    """Makes one in `folder` and returns its path."""
    tools = folder / "tools"
    (tools / "cmake").mkdir(parents=True)
    lines = zip(("MAJOR", "MINOR", "PATCH"), version, strict=True)
    (tools / "cmake" / "version.cmake").write_text("".join(f"set(IDF_VERSION_{part} {n})\n" for part, n in lines))
    (tools / "idf.py").write_text(f"#!{sys.executable}\nMAP = {MAP!r}\n{IDF_PY}")
    (tools / "idf.py").chmod(0o755)
    (folder / "export.sh").write_text(EXPORT.format(tools=tools, own=Path(sys.prefix) / "bin"))
    (folder / "mode").write_text(mode)
    return folder
