"""Whoever joins a running service with other settings is told what its worker goes by."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.workers.cli.conftest import Circuits, circuits
from workers.local.files import Phase, ServiceFiles, State
from workers.local.goes_by import goes_by, tell_of_differences
from workers.settings import Settings, read_settings

__all__ = ["circuits"]

Running = Callable[[Settings], None]


@pytest.fixture
def running(tmp_path: Path) -> Generator[Callable[[Settings], None]]:
    """As a supervisor says of itself, which holds its lock."""
    with ServiceFiles(read_settings(home=tmp_path)).supervising():

        def write(settings: Settings) -> None:
            state = State(Phase.STARTING, "starter", {"pid": 1}, goes_by=goes_by(settings))
            ServiceFiles(settings).write(state)

        yield write


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level("WARNING")
    return caplog


def test_another_environment_is_told_by_name_and_without_secrets(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: pytest.LogCaptureFixture,
    running: Running,
) -> None:
    for name in ("HF_TOKEN", "HF_HUB_CACHE", "HF_ENDPOINT", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", "/one")
    running(read_settings(home=tmp_path))
    tell_of_differences(read_settings(home=tmp_path))
    assert said.text == ""
    monkeypatch.setenv("HF_HOME", "/two")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror/")
    monkeypatch.setenv("CIRCUITS_LIMITS__JOB_SECONDS", "7")
    monkeypatch.setenv("CIRCUITS_LIMITS__QUERY_ROWS", "7")  # the client's own
    monkeypatch.setenv("CIRCUITS_BROKER", "redis://me:hunter2@queue:6379/0")
    monkeypatch.setenv("CIRCUITS_ARTIFACTS", "/elsewhere")
    monkeypatch.setenv("CIRCUITS_LEASE_SECONDS", "7")
    tell_of_differences(read_settings(home=tmp_path))
    (told,) = said.messages
    for words in (
        "HF_HOME is /one there, /two here",
        "HF_HUB_CACHE is /one/hub there, /two/hub here",
        "HF_TOKEN is not set there, set here",
        "HF_HUB_OFFLINE is 0 there, 1 here",
        "HF_ENDPOINT is https://huggingface.co there, http://mirror here",
        "CIRCUITS_LIMITS__JOB_SECONDS is 86400.0 there, 7.0 here",
        f"BROKER is filesystem://{tmp_path}/broker there, redis://***@queue:6379/0 here",
        f"CIRCUITS_ARTIFACTS is {tmp_path}/artifacts there, /elsewhere here",
        "CIRCUITS_LEASE_SECONDS is 30.0 there, 7.0 here",
        "`circuits down`",
    ):
        assert words in told
    assert "secret" not in told
    assert "hunter2" not in told
    assert "QUERY_ROWS" not in told


def test_status_names_each_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, circuits: Circuits, running: Running
) -> None:
    monkeypatch.setenv("CIRCUITS_HOME", str(tmp_path))
    running(read_settings())
    assert circuits("status", "--json").json()["differences"] == []
    monkeypatch.setenv("CIRCUITS_ARTIFACTS", "/else\x1bwhere")
    one = {
        "setting": "CIRCUITS_ARTIFACTS",
        "there": f"{tmp_path}/artifacts",
        "here": "/else\x1bwhere",
    }
    assert circuits("status", "--json").json()["differences"] == [one]
    (line,) = (line for line in circuits("status").out.splitlines() if line.startswith("differs"))
    assert f"CIRCUITS_ARTIFACTS is {tmp_path}/artifacts there, /else\ufffdwhere here" in line


def test_a_state_of_an_older_version_tells_nothing(
    tmp_path: Path, said: pytest.LogCaptureFixture, running: Running
) -> None:
    settings = read_settings(home=tmp_path)
    tell_of_differences(settings)  # nothing runs
    running(settings)
    files = ServiceFiles(settings)
    state = json.loads(files.state_file.read_text())
    del state["goes_by"]
    files.state_file.write_text(json.dumps(state))
    tell_of_differences(settings)
    assert said.text == ""
