"""edgeq/report/text.py and what it is made of: bins, columns, a report and a bench in 80 columns."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_example import bench_example, example, two_engines
from rich.cells import cell_len

from edgeq.report.bench import BenchReport
from edgeq.report.bins import MOST_BINS, bins
from edgeq.report.columns import bar, columns, cut, pairs
from edgeq.report.model import Latency
from edgeq.report.text import MOST_LAYERS, bench_text, histogram, report_text
from edgeq.report.validate import read_bench, read_report
from edgeq.report.wording import printable

FIGURES = ("p50", "p90", "p99", "min", "max", "mean")


def bench(**latency: Any) -> BenchReport:
    """Of one engine, whose latency is changed so."""
    data = bench_example()
    data["engines"], data["equality"] = data["engines"][:1], data["equality"][:1]
    data["engines"][0]["latency"] |= latency
    return read_bench(json.dumps(data))


# Bins


@given(st.lists(st.integers(0, 2**62) | st.floats(0, 1e15), min_size=1, max_size=200))
def test_every_value_is_in_one_bin(values: list[float]) -> None:
    found = bins(values)
    assert 1 <= len(found) <= MOST_BINS and sum(b.count for b in found) == len(values)
    assert found[0].low == min(values) and found[0].count and found[-1].count


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=200))
def test_bins_of_counts_are_whole_and_hold_what_they_say(values: list[int]) -> None:
    for b in bins(values):
        assert isinstance(b.low, int) and b.count == sum(b.low <= value < b.end for value in values)


def test_bins_of_few_values() -> None:
    assert bins([]) == ()
    assert [(b.low, b.end, b.count) for b in bins([7, 7])] == [(7, 8, 2)]
    assert [(b.low, b.count) for b in bins([0, 1, 15, 16])] == [(0, 2), (3, 0), (6, 0), (9, 0), (12, 0), (15, 2)]


# Columns


def test_a_table_is_cut_where_it_is_too_wide_and_nowhere_else() -> None:
    rows = [("layer1.0.conv1." + "x" * 60 + ".end", "conv2d_s8_winograd4", "12,345")]
    first, second = columns(("layer", "kernel", "instructions"), rows, names=(0, 1))
    assert cell_len(second) == 80 == len(first)
    assert second.startswith("layer1.0.conv1.") and ".end  conv2d_s8_winograd4        12,345" in second
    narrow = columns(("layer", "n"), [("conv1", "7")])
    assert narrow == ["layer  n", "conv1  7"]


@given(st.lists(st.tuples(st.text(max_size=90), st.text(max_size=90), st.integers(0, 2**63)), max_size=5))
def test_columns_stay_columns(rows: list[tuple[str, str, int]]) -> None:
    printable = [("".join(c for c in cell if c.isprintable()) for cell in (a, b, str(n))) for a, b, n in rows]
    lines = columns(("", "", "number"), [tuple(row) for row in printable], names=(0, 1))
    assert len({cell_len(line) for line in lines[1:]}) <= 1 and all(cell_len(line) <= 80 for line in lines)


@pytest.mark.parametrize("text", ["abc", "a" * 100, "層" * 50, "conv" + "é" * 30 + "end"])
def test_a_name_is_cut_in_its_middle(text: str) -> None:
    short = cut(text, 11)
    assert cell_len(short) <= 11 and short[0] == text[0] and short[-1] == text[-1]


def test_pairs_are_wrapped_beside_their_names_whatever_these_are() -> None:
    lines = pairs([("a", "word " * 30), ("engine " + "x" * 500, "y" * 500)])
    assert all(len(line) <= 80 for line in lines) and lines[1].startswith(" " * 26 + "word")
    assert "".join(lines).count("y") == 500


def test_a_bar_shows_what_is_there_at_all() -> None:
    assert [bar(share, 4) for share in (0, 1e-9, 0.5, 0.53125, 1, 2)] == ["", "▏", "██", "██▏", "████", "████"]


# A report


def _fits(lines: list[str]) -> str:
    assert all(cell_len(line) <= 80 and line == line.rstrip() and line.isprintable() for line in lines)
    assert "" not in (lines[0], lines[-1]) and "\n\n\n" not in "\n".join(lines)
    return "\n".join(lines)


def test_a_bench_worth_pasting() -> None:
    text = _fits(bench_text(bench()))
    for line in (
        "board            esp32-wrover-b (emulated)",
        "latency p50       23,901,887 instructions (8.50 per MAC)",
        "equality native   16 of 16 golden samples equal to the byte",
        "versions          edgeq 0.1.0, python 3.11.2",
        "firmware          0.1.0 (qemu_lx6)",
    ):
        assert re.sub(" +", " ", line) in re.sub(" +", " ", text)
    assert "flash, model  793.5 KiB  of 1.44 MiB  [█████████████           ]  53.91 %" in text
    table = text[text.index("layer ") :].splitlines()
    assert table[0].split() == ["layer", "kernel", "share", "instructions", "MAC", "per", "MAC"]
    assert table[1].split() == ["conv1", "conv2d_s8", "21.99", "%", "7,400,118", "602,112", "12.29"]
    costs = [int(line.split()[-3].replace(",", "")) for line in table[1:]]
    assert costs == sorted(costs, reverse=True) and len(costs) == len(bench().engines[0].latency.layers)


def test_the_histogram_counts_every_run() -> None:
    lines = histogram(bench().engines[0].latency)
    assert sum(int(line.split()[-1]) for line in lines[1:]) == 20
    assert lines[1].startswith("23,901,884 instructions") and max(line.count("█") for line in lines) == 30


@pytest.mark.parametrize(
    ("values", "said"),
    [([7], "one run, which has no spread"), ([7] * 20, "all 20 runs took exactly the same"), ([], "")],
)
def test_no_picture_of_nothing(values: list[int], said: str) -> None:
    latency: Latency = bench(**dict.fromkeys(FIGURES, 7), n=max(len(values), 1), values=values).engines[0].latency
    assert histogram(latency) == ([said] if said else [])


def test_two_engines_stand_side_by_side() -> None:
    for lines in (
        bench_text(read_bench(json.dumps(bench_example()))),
        report_text(read_report(json.dumps(two_engines()))),
    ):
        text = re.sub(" +", " ", _fits(lines))
        assert " native tflm\np50 23,901,887 instructions 23,901,887 instructions\n" in text
        assert "layer operator native, instructions tflm, instructions\nconv1 CONV_2D 7,400,118 7,400,118" in text
        assert "flatten RESHAPE – 412" in text and "tflm: from runs" in text


def test_a_run_says_all_that_is_known() -> None:
    text = _fits(report_text(read_report(json.dumps(example()))))
    for said in ("INT8 99.17 %, float 99.44 %", "flash, factory", "not run", "ai-edge-litert is not installed"):
        assert said in text
    assert "warning  12 calibration samples are few" in text and "try    weights per channel" in text
    assert "partition table" not in text
    assert not re.search(r"\d (?:ms|µs|us|ns)\b", text)


def test_a_board_that_says_little() -> None:
    data = bench_example()
    latency = data["engines"][0]["latency"] | {"layers": [], "values": []}
    little = {"engine": "native", "arena_bytes": 7, "latency": latency}
    data = {"schema": 1, "kind": "bench", "board": {"name": "b", "kind": "emulated"}, "engines": [little]}
    data["model"] = {"name": "m", "input": [1], "macs": 0}
    text = _fits(bench_text(read_bench(json.dumps(data))))
    assert "p50" in text and "layer" not in text and "%" not in text


def test_a_time_has_no_cost_per_mac() -> None:
    data = bench_example()
    data["board"]["kind"] = "host"
    data["engines"] = data["engines"][:1]
    data["equality"] = []
    data["engines"][0]["latency"] |= {"basis": "host", "unit": "ns"}
    text = _fits(bench_text(read_bench(json.dumps(data))))
    assert "per MAC" not in text and "23.902 ms" in text and "never compared with a board" in text


def test_a_real_boards_cycles_come_as_a_time_too() -> None:
    data = bench_example()
    data["board"] |= {"kind": "real", "clock_hz": 240_000_000}
    data["engines"] = data["engines"][:1]
    data["equality"] = []
    data["engines"][0]["latency"] |= {"basis": "measured", "unit": "cycles"}
    text = re.sub(" +", " ", _fits(bench_text(read_bench(json.dumps(data)))))
    assert "latency p50 23,901,887 cycles (8.50 per MAC)\np50 as time 99.591 ms at 240 MHz\n" in text
    data["board"]["clock_hz"] = None
    assert "p50 as time" not in _fits(bench_text(read_bench(json.dumps(data))))


def test_a_long_network_shows_its_costliest_layers() -> None:
    layers = [{"name": f"step{i}", "op": "ADD", "value": 1000 + i, "macs": 2} for i in range(MOST_LAYERS + 5)]
    lines = bench_text(bench(layers=layers))
    assert f"step{MOST_LAYERS + 4}" in _fits(lines) and lines[-2].startswith("step5 ")
    assert lines[-1].split() == ["5", "more", "10.89", "%", "5,010", "10", "501.00"]


@given(st.text(st.characters(), max_size=600))
def test_texts_of_a_board_stay_in_their_place(text: str) -> None:
    data = bench_example()
    data["board"]["name"] = data["model"]["name"] = data["firmware"]["version"] = text
    data["engines"][0] |= {"engine": text, "version": text}
    data["equality"] = [{"engine": text, "count": 1, "equal": 1}]
    for layer in data["engines"][1]["latency"]["layers"]:
        layer |= {"name": layer["name"] + text, "kernel": text}
    if text != "tflm":
        for lines in (bench_text(BenchReport.model_validate(data)), bench_text(_only(data, 1))):
            assert all(printable(line) == line and cell_len(line) <= 120 for line in lines)


def _only(data: dict[str, Any], engine: int) -> BenchReport:
    return BenchReport.model_validate(data | {"engines": data["engines"][engine:], "equality": []})
