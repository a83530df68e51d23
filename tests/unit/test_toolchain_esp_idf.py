"""ESP-IDF as edgeq finds and drives it, with a stand-in that leaves the files of a build."""

import json
import os
import sys
from pathlib import Path

import pytest
from fake_idf import fake_idf

from edgeq.errors import BadInput, DoesNotFit, ToolMissing
from edgeq.toolchain.esp_idf import IdfBuild, build_project, find_esp_idf, write_project

FILES = {"CMakeLists.txt": b"one", "main/main.c": b"int x;", "sdkconfig.board": b'CONFIG_IDF_TARGET="esp32"\n'}


def build(tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch) -> IdfBuild:
    monkeypatch.setenv("IDF_PATH", str(fake_idf(tmp_path / "idf", mode)))
    monkeypatch.delenv("IDF_PYTHON_ENV_PATH", raising=False)
    write_project(tmp_path / "project", FILES)
    return build_project(find_esp_idf(), tmp_path / "project", "esp32", lambda share, text: None)


def test_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    monkeypatch.setenv("PATH", f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}")
    built = build(tmp_path, "good", monkeypatch)
    assert (built.bootloader, built.app, built.elf) == (b"boot", b"app", b"elf")
    assert built.idf.version == (5, 5, 1)
    called = json.loads((tmp_path / "idf" / "called.json").read_text())
    assert called["arguments"] == ["-B", "build", "-DIDF_TARGET=esp32", "build"]
    assert called["cwd"] == str(tmp_path / "project")
    assert called["idf_path"] == str(tmp_path / "idf")
    assert called["virtual_env"] is None
    assert "Linking edgeq.elf" in (tmp_path / "project" / "build.log").read_text()


def test_progress_follows_ninja(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(tmp_path, "good", monkeypatch)
    seen: list[tuple[float, str]] = []
    build_project(find_esp_idf(), tmp_path / "project", "esp32", lambda share, text: seen.append((share, text)))
    assert seen == [(1 / 3, "Generating"), (1.0, "edgeq.elf")]


def test_an_exported_environment_brings_its_own_python(tmp_path: Path) -> None:
    idf = fake_idf(tmp_path / "idf")
    found = find_esp_idf({"IDF_PATH": str(idf), "IDF_PYTHON_ENV_PATH": "/env"})
    assert found.command == ("/env/bin/python", str(idf / "tools" / "idf.py"))


def test_found_on_path_and_at_home(tmp_path: Path) -> None:
    on_path = fake_idf(tmp_path / "on-path", version=(6, 0, 0))
    at_home = fake_idf(tmp_path / "esp" / "esp-idf")
    assert find_esp_idf({"PATH": str(on_path / "tools")}, tmp_path).path == on_path
    assert find_esp_idf({"PATH": ""}, tmp_path).path == at_home


def test_missing_says_how_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match=r"(?s)not found.*install\.sh"):
        find_esp_idf({"PATH": ""}, tmp_path)
    with pytest.raises(ToolMissing, match="IDF_PATH=/nowhere"):
        find_esp_idf({"IDF_PATH": "/nowhere"}, tmp_path)


def test_too_old_is_refused(tmp_path: Path) -> None:
    idf = fake_idf(tmp_path / "idf", version=(5, 1, 4))
    with pytest.raises(ToolMissing, match=r"is ESP-IDF 5\.1\.4; edgeq needs 5\.2"):
        find_esp_idf({"IDF_PATH": str(idf)})


@pytest.mark.parametrize(
    ("mode", "kind", "what"),
    [
        ("error", BadInput, "ESP-IDF 5.5.1 says:\n../main/main.c:3:1: error: unknown type name 'foo'"),
        ("overflow", DoesNotFit, "20,480 bytes more than the memory dram0_0_seg has"),
        ("app", DoesNotFit, "larger than its partition"),
        ("network", ToolMissing, "could not download esp-tflite-micro"),
        ("nothing", BadInput, "no list of what to flash"),
    ],
)
def test_a_build_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, kind: type[Exception], what: str
) -> None:
    with pytest.raises(kind) as caught:
        build(tmp_path, mode, monkeypatch)
    assert what in str(caught.value)


def test_an_esp_idf_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    idf = fake_idf(tmp_path / "idf")
    write_project(tmp_path / "project", FILES)
    found = find_esp_idf({"IDF_PATH": str(idf), "IDF_PYTHON_ENV_PATH": "/nowhere"})
    with pytest.raises(ToolMissing, match="does not start"):
        build_project(found, tmp_path / "project", "esp32", lambda share, text: None)


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    write_project(tmp_path, FILES)
    before = (tmp_path / "CMakeLists.txt").stat().st_mtime_ns
    (tmp_path / "sdkconfig").write_text("made by ESP-IDF")
    (tmp_path / "build").mkdir()
    (tmp_path / "main" / "left.c").write_text("from an older project")
    write_project(tmp_path, {**FILES, "main/main.c": b"int y;"})
    assert (tmp_path / "CMakeLists.txt").stat().st_mtime_ns == before
    assert (tmp_path / "main" / "main.c").read_bytes() == b"int y;"
    assert not (tmp_path / "main" / "left.c").exists()
    assert (tmp_path / "sdkconfig").exists()


def test_another_configuration_is_taken_up(tmp_path: Path) -> None:
    write_project(tmp_path, FILES)
    for target, stays in (("esp32", True), ("esp32c3", False)):
        (tmp_path / "sdkconfig").write_text("made by ESP-IDF")
        (tmp_path / "build").mkdir(exist_ok=True)
        write_project(tmp_path, {**FILES, "sdkconfig.board": f'CONFIG_IDF_TARGET="{target}"\nCONFIG_X=y\n'.encode()})
        assert not (tmp_path / "sdkconfig").exists()
        assert (tmp_path / "build").exists() is stays


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "project").write_text("a file")
    with pytest.raises(BadInput, match="cannot be written"):
        write_project(tmp_path / "project", FILES)
