"""Runs `circuits` in this process, as a user would see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.workers.world import World, world
from workers.cli import main
from workers.settings import PREFIX

__all__ = ["Circuits", "Ran", "World", "circuits", "world"]


@dataclass(frozen=True)
class Ran:
    """What one command left: its exit code and its two outputs."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output, which must be one JSON value."""
        return json.loads(self.out)


Circuits = Callable[..., Ran]


@pytest.fixture
def circuits(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Circuits:
    """`circuits("jobs", "--json")` in an empty home, or in the test's `world`."""
    monkeypatch.setenv("CIRCUITS_HOME", str(tmp_path / "home"))
    for name in ("BROKER", "GRAPH"):
        monkeypatch.delenv(f"CIRCUITS_{name}", raising=False)

    def run(*words: object, world: World | None = None) -> Ran:
        capsys.readouterr()
        for name, value in (world.settings.environment() if world else {}).items():
            if name.startswith(PREFIX):
                monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ran(ended.value.code, captured.out, captured.err)

    return run
