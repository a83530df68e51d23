"""edgeq/report/html.py and markdown.py: complete, escaped, alone, and the same every time."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from report_example import example, two_engines

from edgeq.report.charts import MOST_LAYERS, spread_chart
from edgeq.report.explain import (
    accuracy_rows,
    activation_table,
    cost_table,
    hint_lines,
    moved_table,
    repair_table,
    tiny,
    weight_table,
)
from edgeq.report.histograms import histogram_chart
from edgeq.report.html import html, quantisation_html
from edgeq.report.markdown import markdown
from edgeq.report.model import Report
from edgeq.report.quantisation import Histogram
from edgeq.report.summary import summary_rows
from edgeq.report.validate import read_report
from edgeq.report.wording import brief, quantity, size


class Page(HTMLParser):
    """Collects elements and ids, and insists that every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def _report(**changes: Any) -> Report:
    return read_report(json.dumps(example() | changes))


def test_the_page_says_what_the_rows_say() -> None:
    report = _report()
    page = Page(html(report))
    for name, figure in summary_rows(report):
        assert name in page.text and figure in page.text
    for hop in report.ledger.hops:
        assert hop.name in page.text
    for layer in report.latency.layers:
        assert f"{layer.value:,}" in page.text
    assert report.command in page.text


def test_the_page_asks_for_nothing() -> None:
    """No element that loads, and no address but a fragment of the page or a namespace."""
    page = Page(html(_report()))
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form", "image"}
    links = [
        value for _, attrs in page.elements for name, value in attrs.items() if name in ("src", "href", "xlink:href")
    ]
    assert links and all(value and value.startswith("#") for value in links)
    assert not re.search(r"@import|url\((?!#)", html(_report()))
    policy = [attrs["content"] for tag, attrs in page.elements if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_ids_are_unique_and_every_fragment_is_there() -> None:
    page = Page(html(_report()))
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    for _, attrs in page.elements:
        for value in attrs.values():
            for target in re.findall(r"(?:^|url\()#([^)]+)", value or ""):
                assert target in ids


def test_the_same_report_gives_the_same_bytes() -> None:
    assert html(_report()) == html(_report())
    assert not re.search(r"matplotlib|20\d\d-\d\d-\d\d", html(_report()), re.IGNORECASE)


HOSTILE = "<script>alert('x')</script>\"&|`*_[a](b)$x^$\x1b[2J\n"


def _hostile() -> Report:
    data = example()
    data["model"]["name"] = data["board"]["name"] = data["engine"] = data["command"] = HOSTILE
    data["versions"] = {HOSTILE: HOSTILE}
    data["sqnr"] = [{"name": HOSTILE, "db": 1.0}]
    for hop in data["ledger"]["hops"]:
        hop |= {"name": HOSTILE, "note": HOSTILE, "first_difference": {"tensor": HOSTILE}}
    made = data["quantisation"]
    made |= {"observer": HOSTILE, "effort": HOSTILE, "warnings": [HOSTILE]}
    for part in (*made["activations"], *made["weights"]):
        part["name"] = HOSTILE
    made["left_out"]["costs"][0]["names"] = [HOSTILE, HOSTILE]
    made["hints"] = [{"rule": HOSTILE, "found": HOSTILE, "tries": HOSTILE, "layers": [HOSTILE]}]
    made["repairs"][0]["repair"] = HOSTILE
    data["accuracy"]["moved"][0] |= {"float_class": HOSTILE, "int8_class": HOSTILE}
    data["engine_version"] = HOSTILE
    data["warnings"] = [HOSTILE]
    data["firmware"] = {"version": HOSTILE, "port": HOSTILE, "engines": [HOSTILE], "facts": {HOSTILE: HOSTILE}}
    for part in (*data["arena_steps"], *data["flash_map"]):
        part["name"] = HOSTILE
    data["engines"] = two_engines()["engines"]
    data["engines"][0] |= {"engine": HOSTILE, "version": HOSTILE}
    latencies = [data["latency"], *(run["latency"] for run in data["engines"])]
    for layer in (layer for latency in latencies for layer in latency["layers"]):
        layer |= {"name": HOSTILE, "op": HOSTILE, "kernel": HOSTILE}
    return read_report(json.dumps(data))


def test_texts_from_outside_stay_texts_on_the_page() -> None:
    text = html(_hostile())
    assert "<script" not in text and "\x1b" not in text
    page = Page(text)
    assert {tag for tag, _ in page.elements} == {
        tag for tag, _ in Page(html(read_report(json.dumps(two_engines())))).elements
    }
    assert "<script>alert('x')</script>" in page.text


def test_texts_from_outside_stay_texts_in_markdown() -> None:
    report = _hostile()
    text = markdown(report)
    assert "\x1b" not in text
    quoted = [line for line in text.splitlines() if not line.startswith("    ")]
    assert not re.search(r"(?<!\\)[<`*\[]", "\n".join(quoted).replace("**", ""))
    for line in quoted:
        if line.startswith("|"):  # a pipe in a name opens no column: the tables have 2 to 7, or 10
            assert len(re.findall(r"(?<!\\)\|", line)) in (3, 4, 5, 6, 7, 8, 11)


def test_the_page_and_markdown_say_what_the_board_holds() -> None:
    for shown in (Page(html(_report())).text, markdown(_report()).replace("\\", "")):
        for said in ("model_1", "0x290000", "1,507,328", "24,576", "12 calibration samples are few"):
            assert said in shown
    page = Page(html(_report()))
    assert page.text.count("12 calibration samples are few") == 1
    drawn = {attrs.get("aria-label") for tag, attrs in page.elements if tag == "figure"}
    assert {"the arena's live bytes, step by step", "what lies where in the flash"} <= drawn


def test_two_engines_stand_side_by_side() -> None:
    report = read_report(json.dumps(two_engines()))
    for text in (Page(html(report)).text, markdown(report).replace("\\", "")):
        assert "Engines" in text and "esp-tflite-micro 1.4.0" in text and "24,000,001 instructions" in text
    assert "| flatten | RESHAPE | – | 412 |" in markdown(report)
    assert "Engines" not in Page(html(_report())).text


def test_the_page_and_markdown_say_why_accuracy_is_what_it_is() -> None:
    report = _report()
    assert report.quantisation is not None and report.accuracy is not None
    page, text = Page(html(report)).text, markdown(report).replace("\\", "")
    for shown in (page, text):
        for name, tries in hint_lines(report.quantisation):
            assert name in shown and tries in shown
        for _, rows in (
            activation_table(report.quantisation.activations), weight_table(report.quantisation.weights),
            cost_table(report.quantisation.left_out.costs), moved_table(report.accuracy.moved),  # type: ignore[union-attr]
        ):  # fmt: skip
            assert rows and all(cell in shown for row in rows for cell in row)
        assert "weights per-tensor, observer mse, effort best, 256 calibration samples" in shown.lower()
    for name, share in accuracy_rows(report.accuracy):
        assert name in page and f"{100 * share:.2f} %" in page
    assert "12 calibration samples are few" in page


def test_the_tables_in_figures() -> None:
    made = _report().quantisation
    assert made is not None and made.left_out is not None
    _, (first, fixed) = activation_table(made.activations)
    assert first == ("conv1", "16×8×8", "31.7", "34.2", "28.5", "-1.5 … 2.25", "-1.75 … 2.5", "0.31 %", "243", "2.5")
    assert fixed[2:8] == ("–", "–", "–", "0 … 0.996", "–", "–")
    _, (weight, _) = weight_table(made.weights)
    assert weight == ("conv1", "16×3×7×7", "1", "38.2", "7.5", "-0.5 … 0.5", "41.0")
    _, costs = cost_table(made.left_out.costs)
    assert costs == [("conv1, maxpool", "+6.5", "+0.50"), ("fc", "-0.2", "+0.00")]
    assert repair_table(made)[1] == [("equalisation", "20.5", "21.8", "yes")]
    assert hint_lines(made)[0][0].endswith("channel's (conv1, fc)")
    assert [tiny(share) for share in (0, 1e-7, 0.0031, 0.25)] == ["–", "1e-05 %", "0.31 %", "25 %"]


def test_only_the_worst_layers_are_pictured() -> None:
    page = Page(html(_report()))
    drawn = {attrs["aria-label"] for tag, attrs in page.elements if tag == "figure"}
    assert {"distribution of conv1, activations", "distribution of conv1, weights"} <= drawn
    assert not any(label and ("sigmoid" in label or "fc" in label) for label in drawn)


def test_bars_beyond_the_levels_are_marked() -> None:
    inside, beyond = "var(--accent", "var(--bad"
    bars = Histogram(low=-2, high=2, counts=(1, 0, 7, 1))
    both = histogram_chart(bars, (-1, 1), "h")
    assert inside in both and beyond in both and "-1" in both
    assert beyond not in histogram_chart(bars, (-2, 2), "h")
    assert beyond not in histogram_chart(Histogram(low=0, high=0, counts=(5,)), (0, 1), "h")
    assert both == histogram_chart(bars, (-1, 1), "h")


def test_a_quantisation_has_a_page_of_its_own() -> None:
    report = _report()
    assert report.accuracy is not None
    scores = accuracy_rows(report.accuracy)
    text = quantisation_html("a<b", scores, 360, report.accuracy.moved, report.quantisation)
    page = Page(text)
    assert "a<b quantised" in page.text and "99.17 %" in page.text and "conv1, maxpool" in page.text
    assert "default-src 'none'" in text and "<script" not in text
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert "Quantisation" not in Page(quantisation_html("net", scores, 360, (), None)).text


def test_a_difference_is_shown_with_its_place() -> None:
    data = example()
    first = {"tensor": "layer1.0.conv1", "index": [0, 3, 1, 7], "expected": 13, "got": 12}
    data["ledger"]["hops"][4] |= {
        "status": "differs",
        "equal": False,
        "max_lsb": 1,
        "first_difference": first,
    }
    report = read_report(json.dumps(data))
    for text in (Page(html(report)).text, markdown(report).replace("\\", "")):
        assert "differs" in text and "layer1.0.conv1 [0, 3, 1, 7]: 12, expected 13" in text
    assert 'class="verdict bad"' in html(report)


@pytest.mark.parametrize("latency", [{"layers": []}, {"values": []}, {"layers": [], "values": []}])
def test_a_report_without_its_optional_parts(latency: dict[str, Any]) -> None:
    data = example() | {
        "accuracy": None,
        "flash": None,
        "sqnr": [],
        "versions": {},
        "command": "",
        "quantisation": None,
    }
    data["latency"] |= latency
    data["board"] = {"name": "esp32-devkitc", "kind": "emulated"}
    report = read_report(json.dumps(data))
    assert Page(html(report)).text.count("Accuracy") == 0
    assert markdown(report).startswith("# resnet18-digits on esp32-devkitc\n")


def test_counts_in_the_spread_stand_without_their_unit_for_which_a_phone_has_no_room() -> None:
    drawn = spread_chart(read_report(json.dumps(example())).latency)
    assert "from 23,901,8" in drawn and "instructions" not in drawn


def test_runs_that_are_all_equal() -> None:
    data = example()
    data["latency"] |= {name: 7 for name in ("p50", "p90", "p99", "min", "max", "mean")} | {"values": [7] * 20}
    assert "Every run took exactly the same" in Page(html(read_report(json.dumps(data)))).text


def test_a_long_network_shows_its_largest_layers_and_lists_all() -> None:
    data = example()
    data["latency"]["layers"] = [
        {"name": f"step{i}", "op": "ADD", "kernel": "", "value": 1000 + i, "macs": 0} for i in range(MOST_LAYERS + 5)
    ]
    text = html(read_report(json.dumps(data)))
    drawn = re.findall(r'id="layers-name-(\d+)"', text)
    assert drawn == [str(index) for index in range(6, MOST_LAYERS + 6)]
    assert all(f"<td>step{i}</td>" in text for i in range(MOST_LAYERS + 5))


def test_an_instruction_is_never_shown_as_time() -> None:
    for text in (Page(html(_report(flash=None))).text, markdown(_report(flash=None))):
        assert "instructions" in text and "emulated" in text
        assert not re.search(r"\d (?:s|ms|µs|us|ns)\b", text)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "ns", "0 ns"),
        (999, "ns", "999 ns"),
        (1_000, "ns", "1.000 µs"),
        (1_234_567, "ns", "1.235 ms"),
        (210, "ms", "210.000 ms"),
        (7_560, "ms", "7.560 s"),
        (24_900_123, "instructions", "24,900,123 instructions"),
        (2.5, "cycles", "2.5 cycles"),
    ],
)
def test_quantities(value: float, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


def test_brief_counts() -> None:
    assert [brief(value) for value in (7, 999, 1_000, 24_900_123, 999_900_000, 1_814_000_000)] == [
        "7",
        "999",
        "1 k",
        "24.9 M",
        "1000 M",
        "1.81 G",
    ]


def test_sizes_in_binary_units() -> None:
    assert [size(count) for count in (812, 52_903, 2 << 20)] == ["812 B", "51.7 KiB", "2.00 MiB"]
