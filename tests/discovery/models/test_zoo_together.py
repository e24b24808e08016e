"""Models of the zoo trained at once, in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from discovery.models.zoo import Steps, train_together
from graph_schema.errors import SpecError

pytestmark = pytest.mark.slow
NAMES = [("markov", 0), ("one-layer", 1)]
STEPS = 100_000
"""One has not ended by the time that the other, which loads torch as well, begins."""


def test_both_are_under_way_and_whoever_leaves_ends_them_at_a_step(tmp_path: Path) -> None:
    seen: list[Sequence[Steps]] = []

    def leave(steps: Sequence[Steps]) -> None:
        seen.append(steps)
        if all(done > 0 for done, _ in steps):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_together(tmp_path, NAMES, processes=2, steps=STEPS, progress=leave)
    assert [total for _, total in seen[-1]] == [STEPS, STEPS]
    assert all(0 < done < STEPS for done, _ in seen[-1])
    begun = sorted(folder.name.split("-")[0] for folder in (tmp_path / "zoo").glob(".*.part"))
    assert begun == [".markov", ".one"], "where the same call goes on"


KILLED = """
import sys
from pathlib import Path
from discovery.models.zoo import train_together
if __name__ == "__main__":
    train_together(
        Path(sys.argv[1]), [("markov", 0)], processes=1, steps=10**6,
        progress=lambda steps: print(steps[0][0], flush=True),
    )
"""


def test_a_training_ends_with_whoever_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(KILLED)
    command = [sys.executable, str(script), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        next(line for line in asking.stdout if int(line))
        trainings = psutil.Process(asking.pid).children(recursive=True)
        asking.kill()
    assert trainings
    _, alive = psutil.wait_procs(trainings, timeout=60)
    assert not alive


def test_what_is_there_is_not_trained_again_and_errors_come_back(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="seed -1"):
        train_together(tmp_path, [NAMES[0], ("markov", -1)], processes=1, steps=4)
    (first,) = (tmp_path / "zoo").glob("[!.]*")
    written = (first / "model.safetensors").stat().st_mtime_ns
    folders = train_together(tmp_path, NAMES, steps=4)
    assert all((folder / "model.safetensors").is_file() for folder in folders)
    assert [folder.name.split("-")[0] for folder in folders] == ["markov", "one"]
    assert folders[0] == first
    assert (first / "model.safetensors").stat().st_mtime_ns == written
    told: list[Sequence[Steps]] = []
    assert train_together(tmp_path, NAMES, steps=4, progress=told.append) == folders
    assert told == []
