"""edgeq/report/cases.py: a run as the results of a test run."""

from __future__ import annotations

import json

from report_example import example, two_engines

from edgeq.report.cases import cases
from edgeq.report.junit import Case, junit
from edgeq.report.validate import read_report


def found(data: dict[str, object], drop_most: float = 0.005) -> dict[tuple[str, str], Case]:
    return {(case.group, case.name): case for case in cases(read_report(json.dumps(data)), drop_most)}


def test_each_hop_accuracy_memory_and_latency_is_a_case() -> None:
    made = found(example())
    assert [case.outcome for (group, _), case in made.items() if group == "ledger"] == [
        *["passed"] * 5, "skipped",
    ]  # fmt: skip
    assert "ai-edge-litert" in made["ledger", "integer reference = LiteRT"].message
    assert made["accuracy", "top-1"].outcome == "passed"
    assert made["fit", "flash, model_0"].properties == {"used": "793.5 KiB", "of": "1.44 MiB"}
    latency = made["latency", "native"].properties
    assert (latency["p50"], latency["runs"]) == ("23,901,887 instructions", "20") and "emulated" in latency["basis"]
    assert 'failures="0"' in junit("run", list(made.values()))


def test_what_is_not_good_fails() -> None:
    data = two_engines()
    data["ledger"]["hops"][2] |= {"status": "differs", "equal": False, "max_lsb": 3}
    data["sizes"]["arena_bytes"] = 3 << 20
    made = found(data, drop_most=0.001)
    assert {name for name, case in made.items() if case.outcome == "failed"} == {
        ("ledger", "integer reference = TFLM"), ("accuracy", "top-1"), ("fit", "arena"),
    }  # fmt: skip
    assert made["accuracy", "top-1"].message == "0.27 points below float, 0.1 are allowed"
    assert {name for group, name in made if group == "latency"} == {"native", "tflm"}


def test_a_bare_file_on_a_board_of_unknown_size() -> None:
    data = example() | {"accuracy": None, "flash_map": [], "board": {"name": "b", "kind": "emulated"}}
    assert {group for group, _ in found(data)} == {"ledger", "latency"}
