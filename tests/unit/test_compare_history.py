"""The history file and its page: whole lines only, several writers, no axis with two kinds of number."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from command_line import edgeq, environment, good, refused
from hypothesis import given
from hypothesis import strategies as st
from report_example import example, two_engines

from edgeq.compare import trend
from edgeq.compare.history import Entry, entries_of, read_history, to_lines
from edgeq.compare.subject import Subject, subject_of
from edgeq.compare.trend_chart import trend_chart
from edgeq.compare.trend_page import trend_html
from edgeq.errors import BadInput
from edgeq.pipeline import history as files
from edgeq.report.validate import read_report

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOSTILE = "<script>alert('x')</script>\"&\x1b[2J\n"


def _subject(data: dict[str, Any] | None = None) -> Subject:
    return subject_of(read_report(json.dumps(data or example())))


def _entries(p50s: list[int], **more: Any) -> list[Entry]:
    (first,) = entries_of(_subject(), AT, "c0ffee", "")
    return [
        first.model_copy(update={"p50": p50, "at": AT + timedelta(days=day), **more}) for day, p50 in enumerate(p50s)
    ]


def test_lines_come_back_as_they_were_written() -> None:
    entries = entries_of(_subject(two_engines()), AT, "c0ffee", "v1")
    assert [entry.engine for entry in entries] == ["native", "tflm"]
    found = read_history(to_lines(entries))
    assert found.entries == entries and found.notes == ()
    first = json.loads(to_lines(entries).splitlines()[0])
    page = (Path(__file__).parents[2] / "docs/compare.md").read_text(encoding="utf-8")
    assert first["at"] == "2026-01-31T12:00:00Z" and all(f"`{field}`" in page for field in first)


def test_a_ledger_that_compared_nothing_does_not_hold() -> None:
    data = example()
    data["ledger"]["hops"] = [hop for hop in data["ledger"]["hops"] if hop["status"] == "not run"]
    for found, said in ((_subject(), "holds"), (_subject(data), "–")):
        (series,) = trend.series_of(entries_of(found, AT, "", ""))
        assert trend.rows(series)[0][-1] == said


@given(st.integers(min_value=1, max_value=600))
def test_a_torn_last_line_is_kept_out_and_noted(cut: int) -> None:
    whole, torn = to_lines(entries_of(_subject(), AT, "a", "")), to_lines(entries_of(_subject(), AT, "b", ""))
    cut = min(cut, len(torn) - 2)  # without the brace at its end
    found = read_history(whole + torn[:cut])
    assert [entry.commit for entry in found.entries] == ["a"]
    assert found.notes == ("line 2 is torn: what wrote it was interrupted",)


def test_behind_a_torn_line_a_new_one_begins(tmp_path: Path) -> None:
    path = tmp_path / "deep/h.jsonl"
    files.append(path, _subject(), files.Stamp(AT, "a"), "")
    before = path.read_bytes()
    path.write_bytes(before + b'{"history": 1, "at"')
    files.append(path, _subject(), files.Stamp(AT + timedelta(1), "b"), "")
    assert path.read_bytes().startswith(before)
    found = files.history_from(path)
    assert [entry.commit for entry in found.entries] == ["a", "b"]
    assert found.notes == ("line 2 is no entry: not JSON",)


@pytest.mark.parametrize(
    "line",
    [
        *(b"{}", b"[]", b"null", b"\xff", b"[" * 10_000, b'{"history": 2}', b"1" * 10_000),
        to_lines(tuple(_entries([1])))[:-1].replace(b'"p50":1,', b'"p50":-1,'),
        to_lines(tuple(_entries([1])))[:-1].replace(b"2026-01-31T12:00:00Z", b"yesterday"),
        to_lines(tuple(_entries([1])))[:-1].replace(b"2026-01-31T12:00:00Z", b"0001-01-01T00:00:00+14:00"),
        to_lines(tuple(_entries([1])))[:-1].replace(b'"unit":"instructions"', b'"unit":"ns"'),
        to_lines(tuple(_entries([1])))[:-1].replace(b"2026-01-31T12:00:00Z", b"2026-01-31T12:00:00"),
        to_lines(tuple(_entries([1])))[:-1].replace(b"}", b',"more":"' + b"x" * 30_000 + b'"}'),
    ],
)
def test_a_line_that_is_no_entry_is_kept_out(line: bytes) -> None:
    whole = to_lines(tuple(_entries([1])))
    found = read_history(whole + line + b"\n\n" + whole)
    assert len(found.entries) == 2 and len(found.notes) == 1 and "line 2 is no entry" in found.notes[0]


def test_a_file_without_entries_is_refused(tmp_path: Path) -> None:
    (tmp_path / "h").write_text("")
    with pytest.raises(BadInput, match="no entry"):
        files.history_from(tmp_path / "h")
    with pytest.raises(BadInput, match="no such file"):
        files.history_from(tmp_path / "none")


def test_times_are_of_one_zone() -> None:
    line = to_lines(tuple(_entries([1]))).replace(b"2026-01-31T12:00:00Z", b"2026-01-31T23:30:00-02:00")
    (series,) = trend.series_of(read_history(line).entries)
    assert trend.rows(series)[0][2] == "2026-02-01 01:30"


def test_nothing_is_added_to_a_file_that_is_no_history(tmp_path: Path) -> None:
    for text in ('{"schema": 1}', "# notes\n", "\n"):
        (tmp_path / "h").write_text(text)
        with pytest.raises(BadInput, match="no history"):
            files.append(tmp_path / "h", _subject(), files.Stamp(AT, ""), "")
        assert (tmp_path / "h").read_text() == text


def test_of_many_curves_and_notes_the_rest_is_summed_up() -> None:
    first, second = _entries([1, 2])
    kinds = [second.model_copy(update={"model": f"m{number}"}) for number in range(100)]
    history = read_history(to_lines((first, *kinds)) + b"x\n" * 30)
    found = trend.trend_of(history)
    assert [one.last.model for one in found.curves] == [f"m{number}" for number in range(100)]
    assert len(found.notes) == 22 and found.notes[-2:] == ("and 10 lines more", "1 curve with older last entries")


def test_a_page_never_takes_the_place_of_its_history(tmp_path: Path) -> None:
    whole = to_lines(tuple(_entries([1])))
    (tmp_path / "h.jsonl").write_bytes(whole)
    (tmp_path / "link.svg").symlink_to("h.jsonl")
    for options in (("-o", "h.jsonl"), ("--svg", "link.svg")):
        refused(edgeq("trend", "h.jsonl", *options, cwd=tmp_path), 2, "is the history itself")
    assert (tmp_path / "h.jsonl").read_bytes() == whole and not (tmp_path / "trend.html").exists()


WRITER = """
import sys
from test_compare_history import AT, _subject, files
from pathlib import Path
for number in range(25):
    files.append(Path(sys.argv[1]), _subject(), files.Stamp(AT, f"{sys.argv[2]}-{number}"), "x" * 400)
"""


def test_several_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    here = Path(__file__).parent
    env = environment(PYTHONPATH=os.pathsep.join([str(here), str(here.parent), *sys.path]))

    def write(name: str) -> None:
        subprocess.run([sys.executable, "-c", WRITER, str(path), name], check=True, env=env, timeout=120)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, "abcd"))
    found = files.history_from(path)
    assert found.notes == () and {e.commit for e in found.entries} == {f"{w}-{n}" for w in "abcd" for n in range(25)}


def test_curves_are_of_one_kind_each() -> None:
    counted = _entries([100, 101])
    others = [{"basis": "host", "unit": "ns"}, {"basis": "measured", "unit": "ns"}]
    others += [{"board": "b2"}, {"model": "m2"}, {"engine": "tflm"}]
    entries = [*counted, *(counted[0].model_copy(update=more) for more in others)]
    series = trend.series_of(entries)
    assert [len(one.entries) for one in series] == [2, 1, 1, 1, 1, 1]
    assert len({one.title for one in series}) == 6
    assert all(len({(e.basis, e.unit, e.board, e.model, e.engine) for e in one.entries}) == 1 for one in series)


def test_a_table_says_each_change_the_newest_first() -> None:
    (series,) = trend.series_of(list(reversed(_entries([1000, 1000, 1030]))))
    assert [row[4] for row in trend.rows(series)] == ["+3.00 %", "no change", ""]
    assert trend.slower(series) == [2] and "+3.00 % since the first" in trend.caption(series)
    (noisy,) = trend.series_of(_entries([1000, 1030], basis="measured", unit="us"))
    assert trend.slower(noisy) == []


def test_of_a_long_history_the_last_are_shown() -> None:
    (series,) = trend.series_of(_entries(list(range(1, 302))))
    assert (
        len(series.entries) == 200 and series.last.p50 == 301 and "301 entries, the last 200" in trend.caption(series)
    )


@pytest.mark.parametrize("p50s", [[7], [7, 7], [0, 0, 5], list(range(1, 60))])
def test_any_curve_can_be_drawn(p50s: list[int]) -> None:
    drawn = trend_chart(trend.series_of(_entries(p50s)), "t")
    assert drawn.startswith("<svg") and "nan" not in drawn.lower()


def test_the_page_loads_nothing_and_escapes_every_text() -> None:
    entries = _entries([1000, 1030], model=HOSTILE, board=HOSTILE, engine=HOSTILE, label=HOSTILE, commit=HOSTILE)
    history = read_history(to_lines(tuple(Entry.model_validate(e.model_dump(by_alias=True)) for e in entries)) + b"{")
    page = trend_html(trend.trend_of(history))
    assert page == trend_html(trend.trend_of(history))
    assert "<script" not in page and "\x1b" not in page and "&lt;script&gt;" in page and "is torn" in page
    assert not re.search(r"(?:src|href)=\"(?!#)", page) and "default-src 'none'" in page
    ids = re.findall(
        r"\bid=\"([^\"]+)\"",
        trend_html(trend.trend_of(read_history(to_lines(entries_of(_subject(two_engines()), AT, "", ""))))),
    )
    assert len(ids) == len(set(ids))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A git checkout with a commit of a known time, and a report in it."""
    (tmp_path / "report.json").write_text(json.dumps(example()))
    env = {"GIT_AUTHOR_DATE": "2026-02-01T10:00:00+02:00", "GIT_COMMITTER_DATE": "2026-02-01T10:00:00+02:00"}
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *command], cwd=tmp_path, check=True, env=environment(**env))
    return tmp_path


def test_an_entry_stands_at_its_commit(home: Path) -> None:
    good(edgeq("compare", ".", ".", "--history", "h.jsonl", "--label", "v1", cwd=home))
    good(edgeq("compare", ".", ".", "--history", "h.jsonl", "--at", "2026-03-01", cwd=home))
    first, second = files.history_from(home / "h.jsonl").entries
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=home, check=True, capture_output=True, text=True).stdout
    assert first.commit == second.commit == head.strip() and first.label == "v1"
    assert (first.at, second.at) == (datetime(2026, 2, 1, 8, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))
    said = good(edgeq("trend", "h.jsonl", "--svg", "t.svg", cwd=home))
    assert "2 entries; no change since the first" in said and "emulated" in said
    assert "<svg" in (home / "trend.html").read_text() and (home / "t.svg").read_text().startswith("<svg")
    refused(edgeq("compare", ".", ".", "--history", "h.jsonl", "--commit=--all", cwd=home), 2, "git knows no commit")


def test_without_a_commit_a_time_must_be_said(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps(example()))
    env = environment(GIT_CEILING_DIRECTORIES=str(tmp_path.parent))
    done = edgeq("compare", ".", ".", "--history", "h.jsonl", "--markdown", "c.md", cwd=tmp_path, env=env)
    refused(done, 2, "needs a time", "--at")
    assert not (tmp_path / "h.jsonl").exists() and not (tmp_path / "c.md").exists()
    for when, word in (("noon", "'noon'"), ("0001-01-01T00:00+23:00", "takes a time")):
        refused(edgeq("compare", ".", ".", "--history", "h.jsonl", "--at", when, cwd=tmp_path, env=env), 2, word)
    refused(edgeq("compare", ".", ".", "--label", "v1", cwd=tmp_path, env=env), 2, "--history")
    good(edgeq("compare", ".", ".", "--history", "h.jsonl", "--at", "2026-03-01T10:00Z", cwd=tmp_path, env=env))
    assert files.history_from(tmp_path / "h.jsonl").entries[0].commit == ""
