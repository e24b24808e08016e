"""What every benchmark says of its run, and how its section gets into a page of docs/."""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of this process while it does `work`."""
    started = time.process_time()
    work()
    return time.process_time() - started


def peak_gb() -> float:
    """The most memory this process has held, in 10^9 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kibibytes on Linux, bytes on macOS.
    return peak * 1024 / 1e9 if sys.platform == "linux" else peak / 1e9


def versions(*packages: str) -> str:
    """What a figure was measured with; torch and transformers unless told otherwise."""
    named = [f"{name} {metadata.version(name)}" for name in packages or ("torch", "transformers")]
    return ", ".join([*named, f"Python {platform.python_version()}", platform.machine()])


def put(name: str, section: str, where: Path = PAGE) -> None:
    """Put a section into a page, in place of its older self."""
    page = where.read_text() if where.exists() else "# Performance\n"
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    section = f"{begin}\n{section}\n{end}"
    if begin in page:
        before, rest = page.split(begin, 1)
        page = before + section + rest.split(end, 1)[1]
    else:
        page = f"{page.rstrip()}\n\n{section}\n"
    where.write_text(page)
