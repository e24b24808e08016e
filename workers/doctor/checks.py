"""A check looks at one thing; all look at once, each for so long and no longer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from graph_schema.errors import CircuitServiceError
from graph_schema.printable import clipped, printable
from workers.machine import known_error

SECONDS = 10.0
LONGEST_WORDS = 600


class Verdict(StrEnum):
    """`warn`: it works, but perhaps not as you think; `fail`: something does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        check: What was looked at.
        verdict: How it stands.
        says: What is so.
        advice: What to do; "" where all is well.
    """

    check: str
    verdict: Verdict
    says: str
    advice: str = ""


Look = Callable[[], Iterable[Finding]]


@dataclass(frozen=True)
class Check:
    """Looks at one thing; what it raises, and that it takes longer, is a finding too."""

    name: str
    look: Look
    seconds: float = SECONDS


def ok(check: str, says: str) -> Finding:
    return Finding(check, Verdict.OK, says)


def warn(check: str, says: str, advice: str) -> Finding:
    return Finding(check, Verdict.WARN, says, advice)


def fail(check: str, says: str, advice: str) -> Finding:
    return Finding(check, Verdict.FAIL, says, advice)


def examine(checks: Sequence[Check]) -> list[Finding]:
    """What all checks found, in their order; takes as long as the slowest may."""
    found: list[list[Finding]] = [[] for _ in checks]
    began = time.monotonic()
    threads = [
        # Daemons: one that hangs in a call to a server keeps no command from ending.
        threading.Thread(target=_into, args=(each, into), daemon=True)
        for each, into in zip(checks, found, strict=True)
    ]
    for thread in threads:
        thread.start()
    told: list[Finding] = []
    for check, thread, into in zip(checks, threads, found, strict=True):
        thread.join(max(0.0, began + check.seconds - time.monotonic()))
        if thread.is_alive():
            told.append(
                fail(
                    check.name,
                    f"no answer within {check.seconds:g} s",
                    "see whether the server, the disk or the network that it asks is well",
                )
            )
        else:
            told.extend(into)
    return [_plain(each) for each in told]


def _into(check: Check, found: list[Finding]) -> None:
    try:
        found.extend(check.look())
    except Exception as error:
        found.append(_of_error(check.name, error))


def _of_error(name: str, error: Exception) -> Finding:
    known: CircuitServiceError | None = known_error(error)
    if known is None:
        return fail(name, f"{type(error).__name__}: {error}", "please report it: this is a bug")
    says, _, advice = str(known).rpartition("; ")  # ours end with what to do
    return fail(name, says or advice, advice if says else "")


def _plain(finding: Finding) -> Finding:
    """On one line and fit for a terminal, whoever's words it repeats."""

    def line(text: str) -> str:
        return clipped(printable(" ".join(text.split())), LONGEST_WORDS)

    return Finding(finding.check, finding.verdict, line(finding.says), line(finding.advice))
