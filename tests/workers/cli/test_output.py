"""What a command does where its words cannot go as they are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.discovery.known.folders import KEPT
from workers.cli.exits import ExitCode


def circuits(
    home: Path, stdout: int, *words: str, encoding: str = "utf-8"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from workers.cli import main; main()", *words],
        env={**os.environ, "CIRCUITS_HOME": str(home), "PYTHONIOENCODING": encoding},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


def status(home: Path, stdout: int, *words: str, encoding: str = "utf-8") -> tuple[int, str]:
    """The exit code of `circuits status`, and what it said on standard error."""
    ran = circuits(home, stdout, "status", *words, encoding=encoding)
    return ran.returncode, ran.stderr


def test_messages_that_nobody_hears_change_no_exit_code(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    ran = subprocess.run(
        [sys.executable, "-c", "from workers.cli import main; main()", "status"],
        env={**os.environ, "CIRCUITS_HOME": str(tmp_path), "CIRCUITS_THREADS": "many"},
        stderr=write,
        check=False,
    )
    os.close(write)
    assert ran.returncode == ExitCode.REQUEST


def test_a_reader_that_went_away_is_no_failed_job(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    assert status(tmp_path, write) == (ExitCode.CLOSED_PIPE, "")
    os.close(write)


def test_a_reader_that_went_away_hides_no_failure(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "torn"
    shutil.copytree(KEPT / "ib03_frac_prevs", good)
    shutil.copytree(good, bad)
    (bad / "case.json").write_text("{")
    read, write = os.pipe()
    os.close(read)
    words = ("benchmark", "ground-truth", str(tmp_path), "--method", "eap", "--json")
    ran = circuits(tmp_path / "home", write, *words)
    os.close(write)
    assert ran.returncode == ExitCode.REQUEST
    assert "torn" in ran.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_under_standard_output_is_no_bug(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        code, said = status(tmp_path, full.fileno())
    assert code == ExitCode.UNAVAILABLE
    assert "standard output cannot be written: No space left on device" in said


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_names_that_the_output_cannot_hold_are_spelt_out(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    home, out = tmp_path / "größe", tmp_path / "out"
    with out.open("w") as file:
        assert status(home, file.fileno(), *words, encoding="ascii") == (0, "")
    text = out.read_text("ascii")
    if words:
        assert json.loads(text)["home"] == str(home)
    else:
        assert "gr\\xf6\\xdfe" in text
