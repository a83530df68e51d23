"""`edgeq doctor`: what is installed, what is missing, how to get it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

from edgeq.errors import ToolMissing
from edgeq.toolchain.esp_idf import find_esp_idf
from edgeq.toolchain.find import (
    Tool,
    find_host_compiler,
    find_lx6_assembler,
    find_lx6_compiler,
    find_lx6_linker,
)
from edgeq.virtual.runners import find_runner


@dataclass(frozen=True)
class Item:
    """Something edgeq uses: `version` where it is there, `hint` where it is not."""

    name: str
    purpose: str
    present: bool
    version: str = ""
    hint: str = ""


_PACKAGES = (
    ("torch", "quantise", "pip install edgeq[torch]"),
    ("torchao", "quantise", "pip install edgeq[torch]"),
    ("onnxscript", "quantise", "pip install edgeq[torch]"),
    ("onnx", "convert", "pip install edgeq"),
    ("onnxruntime", "the ledger's ONNX hop", "pip install edgeq[verify]"),
    ("ai-edge-litert", "the .tflite format, the ledger's LiteRT hop", "pip install edgeq"),
    ("tflite-micro", "the ledger's oracle", "pip install edgeq[verify] (Linux x86-64, CPython 3.10 to 3.13)"),
    ("esptool", "flash", "pip install edgeq"),
    ("scikit-learn", "the digits data set", "pip install edgeq[demo]"),
)
_TOOLS: tuple[tuple[str, str, Callable[[], Tool]], ...] = (
    ("C compiler", "firmware as a process of this machine", find_host_compiler),
    ("clang-22", "firmware for the emulated Xtensa core", find_lx6_compiler),
    ("llvm-mc-22", "firmware for the emulated Xtensa core", find_lx6_assembler),
    ("xtensa-lx106-elf-ld", "firmware for the emulated Xtensa core", find_lx6_linker),
)


def examine() -> list[Item]:
    """Every package and program, in the order of the pipeline."""
    items = []
    for name, purpose, hint in _PACKAGES:
        version = ""
        with contextlib.suppress(metadata.PackageNotFoundError):
            version = metadata.version(name)
        items.append(Item(name, purpose, bool(version), version, hint))
    for name, purpose, find in _TOOLS:
        try:
            items.append(Item(name, purpose, True, find().version))
        except ToolMissing as e:
            items.append(Item(name, purpose, False, hint=e.hint))
    try:
        find_runner("qemu_lx6")
        items.append(Item("qemu-system-xtensa", "the virtual board's core", True, "found"))
    except ToolMissing as e:
        items.append(Item("qemu-system-xtensa", "the virtual board's core", False, hint=e.hint))
    try:
        idf = find_esp_idf()
        items.append(Item("ESP-IDF", "firmware for a real board", True, ".".join(map(str, idf.version))))
    except ToolMissing as e:
        items.append(Item("ESP-IDF", "firmware for a real board", False, hint=e.hint))
    return items


def require_core(items: list[Item]) -> None:
    """ToolMissing where a part that no deploy can do without is not there."""
    needed = ("onnx", "ai-edge-litert", "esptool", "C compiler")
    missing = [item for item in items if item.name in needed and not item.present]
    if missing:
        raise ToolMissing(f"{', '.join(i.name for i in missing)} missing", hint="; ".join(i.hint for i in missing))
