"""Fixtures that several rooms of tests share."""

from __future__ import annotations

import pytest
from engine_host import EngineHost, compile_engine_host
from engine_lx6 import EngineLx6, compile_engine_lx6
from engine_rv32 import EngineRv32, compile_engine_rv32
from hypothesis import settings

# The same examples on every machine, and no failure for a slow one.
settings.register_profile("edgeq", deadline=None, derandomize=True, database=None)
settings.load_profile("edgeq")


@pytest.fixture(scope="session")
def engine_host(tmp_path_factory: pytest.TempPathFactory) -> EngineHost:
    """The native engine, compiled once a session."""
    program = tmp_path_factory.mktemp("engine") / "engine_host"
    compile_engine_host(program)
    return EngineHost(program)


@pytest.fixture(scope="session")
def engine_lx6(tmp_path_factory: pytest.TempPathFactory) -> EngineLx6:
    """The native engine for the emulated core, compiled once a session."""
    elf = tmp_path_factory.mktemp("engine-lx6") / "engine_lx6"
    compile_engine_lx6(elf)
    return EngineLx6(elf)


@pytest.fixture(scope="session")
def engine_rv32(tmp_path_factory: pytest.TempPathFactory) -> EngineRv32:
    """The native engine for the emulated RV32IMC, compiled once a session."""
    elf = tmp_path_factory.mktemp("engine-rv32") / "engine_rv32"
    compile_engine_rv32(elf)
    return EngineRv32(elf)
