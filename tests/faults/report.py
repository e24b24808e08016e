"""The table of fault runs in docs/reliability.md."""

from __future__ import annotations

import json
import os
import platform
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.page import versions
from tests.faults.running import Outcome

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"

Row = dict[str, Any]


def add(file: Path, outcome: Outcome) -> None:
    """Append what a run has shown, with what it ran on."""
    row = {
        "combination": outcome.combination,
        "seed": outcome.seed,
        "jobs": outcome.jobs,
        "starts": outcome.starts,
        "faults": dict(outcome.faults),
        "lost": sorted(outcome.verdict.lost),
        "twice": sorted(outcome.verdict.twice),
        "torn": sorted(outcome.verdict.torn),
        "commits_cut": outcome.commits_cut,
        "unsettled": outcome.unsettled,
        "seconds": round(outcome.seconds),
        "versions": versions("arcadedb-embedded", "neo4j", "celery", "redis", "torch"),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.release()}",
    }
    with file.open("a") as lines:
        lines.write(json.dumps(row) + "\n")


def read(file: Path) -> list[Row]:
    """All runs of a file."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def section(rows: Sequence[Row]) -> str:
    """The runs as Markdown: a line a run, and how often which fault struck where."""
    faults = Counter[str]()
    for row in rows:
        faults.update(row["faults"])
    total = {name: sum(row[name] for row in rows) for name in ("jobs", "starts", "seconds")}
    bad = {name: sum(len(row[name]) for row in rows) for name in ("lost", "twice", "torn")}
    lines = [
        "`python -m tests.faults`; "
        + "; ".join(sorted({f"{row['versions']}; {row['machine']}" for row in rows})),
        "",
        "| graph and broker | seed | jobs | starts | faults | lost | completed twice | torn "
        "| minutes |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_line(row["combination"], row["seed"], row, sum(row["faults"].values())) for row in rows),
        f"| all | | {total['jobs']:,} | {total['starts']:,} | {faults.total():,} | {bad['lost']} "
        f"| {bad['twice']} | {bad['torn']} | {total['seconds'] / 60:.0f} |",
        "",
        f"Answers to a COMMIT that were lost: {sum(row['commits_cut'] for row in rows)}.",
        "",
        "| fault | times |",
        "| --- | ---: |",
        *(f"| {name} | {n} |" for name, n in sorted(faults.items())),
    ]
    return "\n".join(lines)


def _line(combination: str, seed: int, row: Row, faults: int) -> str:
    bad = " | ".join(str(len(row[name])) for name in ("lost", "twice", "torn"))
    return (
        f"| {combination} | {seed} | {row['jobs']:,} | {row['starts']:,} | {faults:,} | {bad} "
        f"| {row['seconds'] / 60:.0f} |"
    )
