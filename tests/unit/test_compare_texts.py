"""A comparison as Markdown, JUnit, annotations and JSON: whole, in order, and no name of a file steers any of them."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from report_example import example

from edgeq.compare import annotations, words
from edgeq.compare.cases import cases
from edgeq.compare.compare import compare
from edgeq.compare.finding import Comparison
from edgeq.compare.gate import Gate, read_gate
from edgeq.compare.markdown import MOST_NAME, MOST_ROWS, markdown
from edgeq.compare.subject import subject_of
from edgeq.report.junit import junit
from edgeq.report.validate import read_report

HOSTILE = "::error::<script>alert(1)</script> @octocat `x` | [a](http://b) %0A\r\n\x1b[2J"


def _compared(new: dict[str, Any], base: dict[str, Any] | None = None, gate: Gate | None = None) -> Comparison:
    sides = [subject_of(read_report(json.dumps(data))) for data in (base or example(), new)]
    return compare(sides[0], sides[1], gate or Gate())


def _worse() -> dict[str, Any]:
    data = example()
    layers = data["latency"]["layers"]
    layers[1]["value"] = round(layers[1]["value"] * 1.05)  # the largest
    layers[3]["value"] = round(layers[3]["value"] * 1.5)
    layers[4]["value"] = round(layers[4]["value"] * 0.9)
    data["sizes"]["firmware_bytes"] += 1_500
    return data


def _hostile() -> Comparison:
    data, base = _worse(), example()
    for side in (data, base):
        side["model"]["name"] = side["board"]["name"] = HOSTILE
        side["latency"]["layers"][3]["name"] = HOSTILE
    data["ledger"]["hops"][0].update(name=HOSTILE, note=HOSTILE, status="differs", equal=False)
    return _compared(data, base)


def test_what_changed_stands_first_by_its_weight() -> None:
    found = words.changed(_compared(_worse()))
    assert [f.what for f in found] == ["layer1.0.conv1", "firmware in flash", "conv1", "layer1.0.conv2"]
    assert [f.verdict for f in found] == ["failed", "failed", "failed", "improved"]


def test_the_markdown_says_the_verdict_what_changed_and_folds_the_rest() -> None:
    comparison = _compared(_worse())
    text = markdown(comparison)
    above, folded = text.split("<details>")
    assert (
        text.startswith("### ❌") and "Worse than the gate allows: layer layer1.0.conv1 +50.00 %, and 2 more" in above
    )
    assert "| 3,100,017 instructions | 4,650,026 instructions | +50.00 % | +1 % |" in above
    assert above.count("\n| ") == 5 + 2 and folded.count("\n| ") == len(comparison.findings) - 5 + 2
    assert "emulated" in above and "</details>" in folded
    same = markdown(_compared(example()))
    assert same.startswith("### ✅") and "every figure is as it was" in same


def test_the_markdown_renders_as_tables_without_any_markup_of_a_name() -> None:
    text = markdown(_hostile())
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert page.count("<table>") == 2 and "<script" not in page and "<a " not in page and "\x1b" not in page
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    assert {len(re.findall(r"<t[hd]", row)) for row in rows} == {7}
    assert "octocat" in page and "@octocat" not in page


def test_a_comment_stays_within_what_github_takes() -> None:
    data = example()
    layer = data["latency"]["layers"][1]
    data["latency"]["layers"] = [layer | {"name": f"{index}&" * 200} for index in range(1000)]
    worse = json.loads(json.dumps(data))
    for layer in worse["latency"]["layers"]:
        layer["value"] *= 2
    text = markdown(_compared(worse, data, read_gate("[latency]\nleast_share_percent = 0")))
    assert len(text) < 65_536 and f"and {1001 - MOST_ROWS} more" in text and "…" in text
    assert max(len(name) for name in re.findall(r"<code>(.*?)</code>", text)) <= 2 * MOST_NAME


def test_junit_has_a_case_for_each_finding() -> None:
    comparison = _compared(_worse())
    suite = ElementTree.fromstring(junit("compare", cases(comparison)))  # noqa: S314  # our own text
    assert len(suite.findall(".//testcase")) == len(comparison.findings)
    failed = [case for case in suite.iter("testcase") if case.find("failure") is not None]
    assert {case.get("name") for case in failed} == {"conv1 (native)", "layer1.0.conv1 (native)", "firmware in flash"}
    skipped = [case.get("name") for case in suite.iter("testcase") if case.find("skipped") is not None]
    assert skipped == ["integer reference = LiteRT"]
    ElementTree.fromstring(junit("compare", cases(_hostile())))  # noqa: S314


def test_a_gate_with_nothing_to_hold_is_an_error_of_junit() -> None:
    comparison = _compared(example(), gate=read_gate('require = ["latency", "layer"]\n[latency]\ntotal_percent = inf'))
    assert [case.outcome for case in cases(comparison)].count("error") == 1 and not comparison.passed


def test_annotations_are_escaped_as_githubs_runner_wants() -> None:
    lines = annotations.lines(_compared(_worse()))
    assert lines[0] == (
        "::error title=edgeq%3A layer layer1.0.conv1::layer layer1.0.conv1: 4,650,026 instructions, "
        "was 3,100,017 instructions: +50.00 %25, limit +1 %25"
    )
    assert len(lines) == 3
    (notice,) = annotations.lines(_compared(example()))
    assert notice.startswith("::notice title=edgeq%3A resnet18-digits on esp32-wrover-b::Nothing is worse")


@given(st.text(st.characters()))
def test_an_annotation_is_one_line_and_one_command(name: str) -> None:
    data, base = _worse(), example()
    for side in (data, base):
        side["latency"]["layers"][3]["name"] = name
    for line in annotations.lines(_compared(data, base)):
        assert line.isprintable() and line.startswith("::error title=edgeq%3A ")
        title, _, message = line.removeprefix("::error title=").partition("::")
        assert not set(title) & set(":,") and message
        assert not re.search(r"%(?!25|0A|0D|3A|2C)", line)


def test_annotations_beyond_githubs_ten_are_summed_up() -> None:
    worse = example()
    for layer in worse["latency"]["layers"]:
        layer["value"] *= 2
    worse["latency"]["layers"][0]["value"] *= 2
    lines = annotations.lines(_compared(worse))
    assert len(lines) == 10 and "more figures failed" in lines[-1]


def test_json_holds_every_finding() -> None:
    comparison = _compared(_worse(), gate=read_gate("[sizes]\narena_percent = inf"))
    told = json.loads(json.dumps(words.fields(comparison), allow_nan=False))
    assert not told["passed"] and len(told["findings"]) == len(comparison.findings)
    assert told["gate"]["sizes"]["arena_percent"] is None and told["new"]["input"] == [1, 32, 32, 3]


def test_no_change_is_hidden_by_rounding() -> None:
    data = example()
    data["latency"]["layers"][1]["value"] += 1
    (found,) = words.changed(_compared(data))
    assert words.change(found) == "+1e-05 %"
