"""A home is a folder of ours that holds what is ours; it is never made private behind its back."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from graph_schema.errors import SpecError, StoreUnavailable
from graph_schema.processes import process_mark
from workers.local import service as local
from workers.local.ending import Ended, down
from workers.local.files import Phase, ServiceFiles, State
from workers.settings import Settings


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_home_that_is_not_there_is_made_private(tmp_path: Path) -> None:
    home = tmp_path / "over" / "there"
    ServiceFiles(Settings(home=home))
    assert mode(home) == 0o700
    assert mode(home / "service") == 0o700


def test_a_folder_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    home = tmp_path / "project"
    home.mkdir()
    home.chmod(0o755)
    (home / "thesis.tex").touch()
    (home / "cache").mkdir()
    with pytest.raises(SpecError, match=r"not empty and no home.*'thesis\.tex'.*CIRCUITS_HOME"):
        local.status(Settings(home=home))
    assert mode(home) == 0o755
    assert {path.name for path in home.iterdir()} == {"thesis.tex", "cache"}


def test_a_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "theirs"
    home.mkdir()
    home.chmod(0o755)
    monkeypatch.setattr("workers.local.files.os.getuid", lambda: os.geteuid() + 1)
    with pytest.raises(SpecError, match="belongs to user"):
        local.status(Settings(home=home))
    assert mode(home) == 0o755


def test_what_a_cluster_left_in_it_and_what_lies_in_a_known_home_is_no_hindrance(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    (home / "cache").mkdir(parents=True)
    (home / "owners").mkdir()
    home.chmod(0o750)
    files = ServiceFiles(Settings(home=home))
    with local.hold(Settings(home=home)):
        (home / "notes.txt").touch()
    assert not local.status(Settings(home=home)).running
    assert mode(home) == 0o750
    assert files.users_lock.exists()


def test_a_service_of_another_machine_is_neither_used_nor_ended(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    files = ServiceFiles(settings)
    with files.supervising() as alone:
        assert alone
        there = {**process_mark(os.getpid()), "host": "elsewhere.example", "boot": "another"}
        state = State(Phase.READY, "starter", there)
        files.write(state)
        assert local.status(settings).elsewhere == "elsewhere.example"
        with pytest.raises(StoreUnavailable, match=r"runs on elsewhere\.example"):
            local.ensure_local(settings, worker=False)
        with pytest.raises(StoreUnavailable, match=r"run there: circuits down"):
            down(settings)
        assert files.read() == replace(state)
    assert down(settings) is Ended.NOTHING
