"""An owner's lock ends with its process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from workers.running.owner import dead_owners, owner_name

HOLD = """
import sys, time
from pathlib import Path
from workers.running.owner import owner_name
with owner_name(Path(sys.argv[1])) as name:
    print(name, flush=True)
    time.sleep(3600)
"""


def test_a_living_owner_is_not_dead_and_one_that_ends_well_leaves_nothing(tmp_path: Path) -> None:
    with owner_name(tmp_path), dead_owners(tmp_path) as dead:
        assert dead == []
    assert list((tmp_path / "owners").iterdir()) == []


def test_a_killed_owner_is_found_by_one_and_forgotten_once_dealt_with(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        process.kill()
    with pytest.raises(RuntimeError, match="not dealt with"), dead_owners(tmp_path):
        raise RuntimeError("not dealt with")
    with dead_owners(tmp_path) as dead, dead_owners(tmp_path) as again:
        assert (dead, again) == ([name], [])
    with dead_owners(tmp_path) as dead:
        assert dead == []
