"""The journal: what is written is what is told, whatever cut it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from edgeq.errors import BadInput, NotWritten
from edgeq.hil.journal import Event, Journal, Story, read_events, replay

BEGIN: Event = {"event": "run", "format": 1, "rests_on": "x", "jobs": ["a", "b"], "at": "now"}
BEGUN: Event = {"event": "begun", "job": "a", "board": "b1", "at": "now"}
PASSED: Event = {
    "event": "ended", "job": "a", "result": "passed", "reason": "", "seconds": 1, "figures": {"p50": 7}, "at": "now",
}  # fmt: skip


def story_in(path: Path) -> Story:
    return replay(read_events(path)[0])


def test_the_story_while_it_is_written_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal.begin(path, "x", ["a", "b"]) as journal:
        journal.begun("a", "b1")
        journal.ended("a", "infrastructure", "no answer", 1.5)
        journal.begun("a", "b1")
        journal.ended("a", "passed", "", 2.0, {"p50": 7})
        journal.decided("b", "skipped", "quarantine")
        journal.add({"event": "out", "board": "b2", "reason": "dead"})
        assert story_in(path) == journal.story
    story = story_in(path)
    assert [a.result for a in story.jobs["a"].attempts] == ["infrastructure", "passed"]
    assert (story.jobs["a"].outcome, story.jobs["b"].outcome, story.out) == ("passed", "skipped", {"b2": "dead"})
    assert not story.finished


def test_an_attempt_that_nobody_ended_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal.begin(path, "x", ["a", "b"]) as journal:
        journal.begun("a", "b1")
    path.write_bytes(path.read_bytes() + b'{"event": "ended", "job": "a", "resu')
    with Journal.resume(path) as journal:
        journal.begun("a", "b2")
        journal.ended("a", "passed", "", 1.0)
    story = story_in(path)
    assert [(a.board, a.result) for a in story.jobs["a"].attempts] == [("b1", "cut"), ("b2", "passed")]
    assert story.resumed == 1 and story.jobs["b"].outcome is None


@pytest.mark.parametrize("size", range(0, 240, 7))
def test_a_file_torn_anywhere_is_whole_events(tmp_path: Path, size: int) -> None:
    path = tmp_path / "journal.jsonl"
    whole = b"".join(json.dumps(event).encode() + b"\n" for event in (BEGIN, BEGUN, PASSED))
    path.write_bytes(whole[:size])
    events, sound = read_events(path)
    assert events == [BEGIN, BEGUN, PASSED][: len(events)] and whole[:sound].count(b"\n") == len(events)


@pytest.mark.parametrize(
    "events",
    [
        [],
        [BEGUN],
        [BEGIN, BEGIN],
        [{**BEGIN, "format": 2}],
        [BEGIN, BEGUN, BEGUN],
        [BEGIN, PASSED],
        [BEGIN, BEGUN, PASSED, PASSED],
        [BEGIN, BEGUN, {**PASSED, "result": "fine"}],
        [BEGIN, BEGUN, PASSED, {"event": "outcome", "job": "a", "outcome": "skipped", "reason": "", "at": "now"}],
        [BEGIN, {"event": "outcome", "job": "a", "outcome": "good", "reason": "", "at": "now"}],
        [BEGIN, {**BEGUN, "job": "c"}],
        [BEGIN, {"event": "other", "at": "now"}],
    ],
)
def test_a_story_that_cannot_be(events: list[Event]) -> None:
    with pytest.raises(BadInput, match=r"is damaged|is empty"):
        replay(events)


def test_what_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    for text in (b"\xff\n", b"[1]\n", b"{}{}\n"):
        path.write_bytes(text)
        with pytest.raises(BadInput, match="is damaged"):
            replay(read_events(path)[0])


def test_a_wrong_event_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal.begin(path, "x", ["a"]) as journal:
        before = path.read_bytes()
        with pytest.raises((ValueError, IndexError)):
            journal.ended("a", "passed", "", 1.0)
        assert path.read_bytes() == before


def test_on_a_full_disk_no_line_is_torn_and_none_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other boards still want to say how their jobs ended; behind half a line, nobody could read it."""
    path, write = tmp_path / "journal.jsonl", os.write
    with Journal.begin(path, "x", ["a", "b"]) as journal:
        journal.begun("a", "b1")
        before = path.read_bytes()
        monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:20]))
        with pytest.raises(NotWritten, match="the disk is full"):
            journal.ended("a", "passed", "", 1.0)
        monkeypatch.undo()
        with pytest.raises(NotWritten, match="a line before this one"):
            journal.begun("b", "b2")
        assert path.read_bytes() == before
    with Journal.resume(path) as journal:
        assert journal.story.jobs["a"].attempts[0].result == "cut"


def test_a_journal_beyond_all_measure_is_not_taken_for_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeq.hil.journal.MOST_BYTES", 1)
    (tmp_path / "journal.jsonl").write_bytes(b"{}\n")
    with pytest.raises(BadInput, match="has more than"):
        read_events(tmp_path / "journal.jsonl")
