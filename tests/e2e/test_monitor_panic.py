"""`edgeq monitor --elf`: a board that dies, and the names of the code it died in."""

import socket
import subprocess
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgeq.cli import app
from edgeq.toolchain.symbols import read_symbols

pytestmark = pytest.mark.e2e


def test_a_panic_is_named(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text("int twice(int x) {\n    return 2 * x;\n}\nint main(void) { return twice(0); }\n")
    subprocess.run(["gcc", "-g", "-no-pie", "main.c", "-o", "firmware.elf"], cwd=tmp_path, check=True)
    symbols = read_symbols((tmp_path / "firmware.elf").read_bytes()).symbols
    twice = next(symbol.address for symbol in symbols if symbol.name == "twice")
    words = f"edgeq> \r\nBacktrace: {twice:#010x}:0x3ffb4f50 0x00000001:0x3ffb4f70\r\n".encode()

    with socket.create_server(("127.0.0.1", 0)) as server:

        def die() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(words)

        thread = threading.Thread(target=die)
        thread.start()
        port = f"socket://127.0.0.1:{server.getsockname()[1]}"
        arguments = ["monitor", "--port", port, "--elf", str(tmp_path), "--seconds", "5"]
        done = CliRunner().invoke(app, arguments)
        thread.join()
    (line,) = [line for line in done.output.splitlines() if "twice" in line]
    assert line.split()[:2] == [f"{twice:#010x}", "twice"]
    assert "main.c:1" in line
    assert "0x00000001  not in this firmware" in done.output


def test_an_elf_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "firmware.elf").write_bytes(b"\x7fELF")
    done = CliRunner().invoke(app, ["monitor", "--port", "socket://127.0.0.1:1", "--elf", str(tmp_path)])
    assert done.exit_code == 2
    assert "firmware.elf" in " ".join(done.output.split())
