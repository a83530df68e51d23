"""Fixtures that several rooms of tests share."""

from __future__ import annotations

import pytest
from engine_host import EngineHost, compile_engine_host
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
