"""What boards print when something is wrong, as it stands in public reports, and what edgeq makes of it."""

from pathlib import Path

import pytest

from edgeq.link.symptoms import SYMPTOMS, explain
from edgeq.virtual.faults import PANIC

PAGE = (Path(__file__).parents[2] / "docs" / "hardware.md").read_text()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("Brownout detector was triggered", "supply voltage"),
        ("rst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT(UART0))\r\nwaiting for download", "in its loader"),
        ("flash read err, 1000\r\nets_main.c 371", "cannot read its flash"),
        ("invalid header: 0xffffffff", "flash is empty"),
        ("E (39) boot_comm: Image requires chip rev >= v3.0, but chip is v1.0", "newer silicon"),
        ("E (43) spi_flash: Detected size(4096k) smaller than the size in the binary image header(16384k)", "smaller"),
        ("E (286) quad_psram: PSRAM ID read error: 0xffffffff, PSRAM chip not found or not supported", "no PSRAM"),
        ("E (60) esp_image: image at 0x10000 has invalid magic byte (nothing flashed here?)", "damaged or missing"),
        ("E (5123) task_wdt: Task watchdog got triggered. The following tasks/users did not reset", "had no time"),
        ("***ERROR*** A stack overflow in task edgeq has been detected.", "more stack"),
        (PANIC, "the firmware died"),
        ("panic: EXCCAUSE 28 EPC 0x0001234c EXCVADDR 0x00000000", "the firmware died"),
    ],
)
def test_explained(line: str, what: str) -> None:
    found = explain(line)
    assert found is not None and what in found.what


@pytest.mark.parametrize("line", ["", "edgeq> info", "edgeq 0.1.0 on esp32-wrover-b (real)", "rst:0xc (SW_CPU_RESET)"])
def test_ordinary_words_are_left_alone(line: str) -> None:
    assert explain(line) is None


def test_each_is_in_the_page_for_boards() -> None:
    assert not [symptom.what for symptom in SYMPTOMS if symptom.what not in PAGE]
