"""`circuits doctor`: what is wrong is said, with what to do, and nothing is started."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, LiteralString

import pytest

from graph_schema.errors import StoreUnavailable
from graph_schema.processes import reserved_port
from graph_schema.store import GraphStore
from tests.workers.cli.conftest import Circuits, World, circuits, world
from workers.cli.exits import ExitCode
from workers.doctor import Check, Finding, Verdict, examine
from workers.doctor.installation import _out_of_bounds, gpu, java, variables
from workers.doctor.places import permissions
from workers.doctor.servers import CLOCK_SECONDS, _clock
from workers.settings import Settings, read_settings

__all__ = ["circuits", "world"]

H200 = '{"built": "12", "devices": [{"name": "H200", "free": 1e11, "total": 1.4e11}], "mps": null}'
Found = dict[str, list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A worker's interpreter that has a GPU at once; the real one loads torch, in seconds."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\necho '{H200}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("CIRCUITS_WORKER_PYTHON", str(program))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    return program


@pytest.fixture
def cluster(world: World, python: Path) -> World:
    return replace(world, settings=world.settings.model_copy(update={"worker_python": python}))


@pytest.fixture
def closed() -> Generator[int]:
    """A port where nobody listens."""
    with reserved_port() as port:
        yield port


def _by_check(found: list[dict[str, Any]]) -> Found:
    sorted_: Found = {}
    for each in found:
        sorted_.setdefault(each["check"], []).append(each)
    return sorted_


def test_all_is_well_in_a_cluster_that_answers(circuits: Circuits, cluster: World) -> None:
    ran = circuits("doctor", "--json", world=cluster)
    found = _by_check(ran.json())
    assert [each for each in ran.json() if each["verdict"] == "fail"] == []
    assert ran.code == ExitCode.DONE
    assert [each["verdict"] for each in found["graph"]] == ["ok", "ok"], "writer and reader"
    assert cluster.settings.graph is not None
    assert cluster.settings.graph in found["graph"][0]["says"]
    assert found["schema"][0]["verdict"] == found["clock"][0]["verdict"] == "ok"
    assert "H200 (100 of 140 GB free)" in found["gpu"][0]["says"]
    assert "own, though the graph" in found["artifacts"][0]["says"]
    text = circuits("doctor", world=cluster).out
    assert len(text.splitlines()) == len(ran.json())
    assert all(line.split()[0] in ("ok", "warn") for line in text.splitlines())


def test_with_all_down_each_failure_says_what_to_do_and_nothing_is_made(
    circuits: Circuits, closed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").touch()
    for name, value in {
        "CIRCUITS_GRAPH": f"bolt://127.0.0.1:{closed}",
        "CIRCUITS_GRAPH_PASSWORD": "hunter2",
        "CIRCUITS_BROKER": f"redis://me:hunter2@127.0.0.1:{closed}/0",
        "CIRCUITS_ARTIFACTS": str(tmp_path / "a file" / "artifacts"),
        "CIRCUITS_MODEL_ROOTS": '["/nowhere/at/all"]',
        "HF_TOKEN": "hf_hunter2",
        "HF_HUB_OFFLINE": "0",
        "HF_ENDPOINT": f"http://127.0.0.1:{closed}",
    }.items():
        monkeypatch.setenv(name, value)
    began = time.monotonic()
    ran = circuits("doctor", "--json")
    assert time.monotonic() - began < 60
    assert ran.code == ExitCode.FAILED
    failed = {each["check"] for each in ran.json() if each["verdict"] == "fail"}
    assert failed == {"graph", "broker", "artifacts", "models"}
    assert all(each["advice"] for each in ran.json() if each["verdict"] != "ok")
    found = _by_check(ran.json())
    assert found["hub"][0]["verdict"] == "warn"
    assert "a token is set" in found["models"][0]["says"]
    assert "hunter2" not in ran.out + ran.err
    assert not read_settings().home.exists()


def test_a_home_that_was_never_used_is_well_and_stays_unmade(circuits: Circuits) -> None:
    ran = circuits("doctor", "--json")
    assert [each for each in ran.json() if each["verdict"] == "fail"] == []
    assert ran.code == ExitCode.DONE
    found = _by_check(ran.json())
    for name in ("service", "graph", "broker", "artifacts"):
        assert found[name][0]["verdict"] == "ok"
    assert "openjdk" in found["java"][0]["says"]
    assert not read_settings().home.exists()


def test_settings_that_cannot_be_read_are_a_finding(
    circuits: Circuits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIRCUITS_LEASE_SECONDS", "soon")
    ran = circuits("doctor")
    assert ran.code == ExitCode.FAILED
    assert "CIRCUITS_LEASE_SECONDS" in ran.out
    assert "versions" in ran.out


def test_a_schema_that_is_newer_fails(circuits: Circuits, cluster: World) -> None:
    change: LiteralString = "MATCH (s:Schema) SET s.version = s.version + $by"
    with GraphStore(cluster.settings.store_address()) as store:
        store.write(lambda tx: tx.run(change, by=1).consume())
        try:
            ran = circuits("doctor", "--json", world=cluster)
        finally:
            store.write(lambda tx: tx.run(change, by=-1).consume())
    assert ran.code == ExitCode.FAILED
    (schema,) = _by_check(ran.json())["schema"]
    assert "newer" in schema["says"]
    assert "--upgrade" in schema["advice"]


def test_a_check_that_hangs_or_breaks_or_says_what_steers_a_terminal_is_a_finding() -> None:
    def hang() -> list[Finding]:
        time.sleep(30)
        return []

    def break_() -> list[Finding]:
        raise StoreUnavailable("graph is\x1b[2J\naway: no; start it")

    began = time.monotonic()
    slow, broken = examine([Check("slow", hang, seconds=0.2), Check("broken", break_)])
    assert time.monotonic() - began < 25
    assert (slow.verdict, broken.verdict) == (Verdict.FAIL, Verdict.FAIL)
    assert "0.2 s" in slow.says
    assert (broken.says, broken.advice) == ("graph is\ufffd[2J away: no", "start it")


@pytest.mark.parametrize(("seconds", "verdict"), [(0, "ok"), (-600, "warn"), (600, "warn")])
def test_a_clock_that_is_wrong_is_told(seconds: float, verdict: str) -> None:
    found = _clock(1e9 + seconds, 1e9 - 1, 1e9 + 1)
    assert found.verdict == verdict
    assert seconds == 0 or f"{600 - 1} s {'behind' if seconds < 0 else 'ahead'}" in found.says
    assert _clock(1e9 + 1 + CLOCK_SECONDS, 1e9, 1e9 + 1).verdict == "ok", "asking took so long"


def test_what_is_missing_or_out_of_bounds_is_named() -> None:
    bad = _out_of_bounds(["pytest>=999", "no-such-package>1", "pytest>1", "x>1; extra == 'test'"])
    assert [each.split()[0] for each in bad] == ["pytest", "no-such-package"]


def test_secret_files_that_others_read_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    # pytest's own folders are closed to others, and /tmp is not.
    with TemporaryDirectory() as made:
        folder = Path(made)
        secret = folder / "password"
        secret.write_text("hunter2")
        secret.chmod(0o644)
        monkeypatch.setenv("CIRCUITS_GRAPH_PASSWORD_FILE", str(secret))
        settings = read_settings(home=folder / "home")
        assert [each.verdict for each in permissions(settings)] == [Verdict.OK]
        folder.chmod(0o755)
        (read,) = permissions(settings)
        assert (read.verdict, "CIRCUITS_GRAPH_PASSWORD_FILE" in read.says) == (Verdict.WARN, True)
        secret.chmod(0o600)
        assert [each.verdict for each in permissions(settings)] == [Verdict.OK]
        settings.home.mkdir()
        settings.home.chmod(0o777)
        (written,) = permissions(settings)
        assert (written.verdict, written.advice.split()[0]) == (Verdict.FAIL, "chmod")


def test_an_interpreter_that_does_not_run_and_a_store_elsewhere_are_said(tmp_path: Path) -> None:
    (broken,) = gpu(Settings(home=tmp_path, worker_python=tmp_path / "none"))
    assert broken.verdict is Verdict.FAIL
    (without,) = gpu(Settings(home=tmp_path, worker_python=Path("/bin/false")))
    assert without.verdict is Verdict.WARN
    assert list(java(Settings(home=tmp_path, graph="bolt://db"))) == []


def test_a_variable_that_is_no_setting_s_is_named_with_the_near_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who misspells CIRCUITS_BROKER works with the local queue, and nothing says so."""
    monkeypatch.setenv("CIRCUITS_GRAPH_PASSWORD_FILE", "/dev/null")
    monkeypatch.setenv("CIRCUITS_LIMITS__PAIRS", "9")
    for name in ("CIRCUITS_CLUSTER", "CIRCUITS_SETTINGS"):  # our scripts read them
        monkeypatch.setenv(name, "there")
    for name, value in (
        ("SERVICE_HOST", "10.0.0.1"),
        ("SERVICE_PORT", "6379"),
        ("SERVICE_PORT_MAIN", "6379"),
        ("PORT", "tcp://10.0.0.1:6379"),
        ("PORT_6379_TCP", "tcp://10.0.0.1:6379"),
        ("PORT_6379_TCP_PROTO", "tcp"),
        ("PORT_6379_TCP_ADDR", "10.0.0.1"),
    ):  # as Kubernetes says where a service `circuits-redis` is
        monkeypatch.setenv(f"CIRCUITS_REDIS_{name}", value)
    (well,) = variables(read_settings())
    assert well.verdict is Verdict.OK
    monkeypatch.setenv("CIRCUITS_BROKR", "redis://there")
    monkeypatch.setenv("circuits_frobnicate", "1")
    near, none = variables(read_settings())
    assert near.verdict is none.verdict is Verdict.WARN
    assert (near.says, near.advice) == (
        "CIRCUITS_BROKR is set, and no setting is called so",
        "did you mean CIRCUITS_BROKER? unset it",
    )
    assert none.says.startswith("CIRCUITS_FROBNICATE")
