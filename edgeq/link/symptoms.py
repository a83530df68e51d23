"""What a board's last words mean, in a sentence, and what to try. Pure.

The words are those of the chips' ROM, of ESP-IDF's second-stage bootloader and of its start-up code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Symptom:
    """`pattern` is what a board prints, `what` what that means, `hint` what to try."""

    pattern: re.Pattern[str]
    what: str
    hint: str


def _symptom(pattern: str, what: str, hint: str) -> Symptom:
    return Symptom(re.compile(pattern), what, hint)


# The first that matches counts, so causes stand before what they lead to.
SYMPTOMS = (
    _symptom(
        r"Brownout detector was triggered|BROWN_?OUT_RST",
        "the supply voltage breaks down",
        "a short, thick USB cable, another USB port, or a supply of its own: 500 mA at least",
    ),
    _symptom(
        r"waiting for download",
        "the board is in its loader and runs nothing",
        "let go of BOOT (a wire from GPIO0 to GND, on a board without a button) and press EN",
    ),
    _symptom(
        r"flash read err, 1000|flash read err|ets_main\.c 371",
        "the chip cannot read its flash",
        "nothing may pull GPIO12 up while it starts (it sets the flash's voltage); flash again, `edgeq flash RUN`",
    ),
    _symptom(
        r"invalid header: 0xffffffff",
        "the flash is empty where the bootloader belongs",
        "`edgeq deploy` or `edgeq flash RUN`, of a run that was deployed to a real board",
    ),
    _symptom(
        r"[Ii]mage requires (?:efuse blk rev|chip rev)|chip revision check failed",
        "the firmware is for newer silicon than this chip",
        "choose this board with --board and deploy again",
    ),
    _symptom(
        r"Detected size\(\d+k\) smaller than the size in the binary image header|larger than (?:the )?flash size",
        "the flash is smaller than the board's file says",
        "choose the board with that flash; `edgeq boards` lists them",
    ),
    _symptom(
        r"PSRAM (?:chip|ID) (?:is )?(?:not connected|not found|read error)|SPI RAM (?:not initialized|enabled but)"
        r"|Failed to init external RAM",
        "the board has no PSRAM, or none that answers",
        "choose a board without PSRAM; on a WROVER nothing else may be wired to GPIO16 and GPIO17",
    ),
    _symptom(
        r"invalid magic byte|No bootable app|[Ii]mage hash failed|Checksum failed|csum err",
        "the application in the flash is damaged or missing",
        "`edgeq flash RUN`; if it comes back, a lower flash speed in the board's file",
    ),
    _symptom(
        r"Task watchdog got triggered",
        "a task of the application had no time to run for seconds",
        "edgeq's own firmware lets inference take minutes: flash it again, or see docs/hardware.md for one's own",
    ),
    _symptom(
        r"Guru Meditation Error|^panic: EXCCAUSE|abort\(\) was called",
        "the firmware died",
        "`edgeq monitor --elf RUN` names the code it died in",
    ),
    _symptom(
        r"stack overflow in task",
        "a task used more stack than it has",
        "a larger EQ_TASK_STACK_BYTES in the project's sdkconfig.board, then idf.py build",
    ),
)


def explain(text: str) -> Symptom | None:
    """What the board's words mean; None for words that need no explanation."""
    return next((symptom for symptom in SYMPTOMS if symptom.pattern.search(text)), None)
