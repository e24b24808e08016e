"""A home for a local service, and which processes are of it."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

from tests.workers.tiny import until
from workers.local.ending import down
from workers.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Generator[Settings]:
    """A home with a space in its name; whatever was started there is ended."""
    made = Settings(home=tmp_path / "a home", idle_seconds=600)
    yield made
    down(made)
    until(lambda: processes(made) == [])


def processes(settings: Settings) -> list[psutil.Process]:
    """All processes that name the home in their arguments, environment or working directory."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.cwd(), process.environ().get("CIRCUITS_HOME", "")]
        except psutil.Error:
            continue
        if any(str(settings.home) in word for word in words):
            found.append(process)
    return found
