"""The table of fault runs says what they have shown, and adds runs up."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.faults.history import Verdict
from tests.faults.report import add, read, section
from tests.faults.running import Outcome


def outcome(combination: str, verdict: Verdict) -> Outcome:
    faults = Counter({"a message lost": 2, "disk full": 1})
    return Outcome(combination, 7, 500, 520, faults, verdict, 90.0, commits_cut=3)


def test_runs_are_added_up(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    add(file, outcome("neo4j-redis", Verdict()))
    add(file, outcome("neo4j-folder", Verdict(torn=frozenset({"job"}))))
    text = section(read(file))
    assert "| neo4j-redis | 7 | 500 | 520 | 3 | 0 | 0 | 0 | 2 |" in text
    assert "| neo4j-folder | 7 | 500 | 520 | 3 | 0 | 0 | 1 | 2 |" in text
    assert "| all | | 1,000 | 1,040 | 6 | 0 | 0 | 1 | 3 |" in text
    assert "| a message lost | 4 |" in text
    assert "lost: 6." in text
