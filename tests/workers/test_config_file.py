"""`circuits.toml`: under arguments and environment, where its user chose it, no open secrets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from graph_schema.errors import SpecError
from tests.workers.cli.conftest import Circuits, circuits
from workers.settings import read_settings

__all__ = ["circuits"]


@pytest.fixture
def toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of settings, named by the environment; it is not there yet."""
    for name in [name for name in os.environ if name.startswith("CIRCUITS_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "conf" / "circuits.toml"
    file.parent.mkdir()
    monkeypatch.setenv("CIRCUITS_CONFIG", str(file))
    return file


def test_arguments_go_before_the_environment_and_that_before_the_file(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml.write_text("threads = 2\nmax_attempts = 4\nidle_seconds = 9\n[limits]\npairs = 5\n")
    monkeypatch.setenv("CIRCUITS_MAX_ATTEMPTS", "5")
    monkeypatch.setenv("CIRCUITS_LIMITS__QUERY_ROWS", "6")
    found = read_settings(idle_seconds=8)
    assert (found.threads, found.max_attempts, found.idle_seconds) == (2, 5, 8)
    assert (found.limits.pairs, found.limits.query_rows) == (5, 6)


def test_a_child_has_what_its_parent_read(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml.write_text("threads = 2\ngraph = 'bolt://here'\n")
    given = read_settings(home=Path("/elsewhere"), max_attempts=7)
    toml.write_text("threads = 3\nmax_attempts = 1\nbroker = 'redis://there'\n")
    for name, value in given.environment().items():
        monkeypatch.setenv(name, value)
    assert read_settings() == given


def test_the_users_own_file_is_read_and_the_working_directorys_is_not(
    toml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cloned repository could name a program to start, or a server that gets a password."""
    foreign = "worker_python = '/tmp/evil'\ngraph = 'bolt://evil'\n"
    monkeypatch.delenv("CIRCUITS_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    clone = tmp_path / "clone" / "deep"
    clone.mkdir(parents=True)
    for folder in (clone, clone.parent):
        (folder / "circuits.toml").write_text(foreign)
        (folder / ".circuits.toml").write_text(foreign)
    monkeypatch.chdir(clone)
    assert read_settings().graph is None
    (tmp_path / "circuits").mkdir()
    (tmp_path / "circuits" / "circuits.toml").write_text("threads = 3\n")
    found = read_settings()
    assert (found.threads, found.graph) == (3, None)
    monkeypatch.setenv("CIRCUITS_CONFIG", "circuits.toml")
    assert read_settings().graph == "bolt://evil"


def test_relative_places_are_meant_from_the_files_folder(
    toml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    toml.write_text(
        "home = 'h'\nartifacts = 'a'\nmodel_roots = ['m', '/n']\nworker_python = 'python3'\n"
        "graph_password_file = 'p'\n"
    )
    (toml.parent / "p").write_text("secret\n")
    found = read_settings()
    assert (found.home, found.artifacts) == (toml.parent / "h", str(toml.parent / "a"))
    assert found.model_roots == (toml.parent / "m", Path("/n"))
    assert found.worker_python == Path("python3")
    assert found.graph_password is not None
    assert found.graph_password.get_secret_value() == "secret"
    toml.write_text("artifacts = 's3://bucket/a'\n")
    assert read_settings().artifacts == "s3://bucket/a"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("thread = 2", r"unknown setting 'thread' in '.*circuits.toml'; did you mean 'threads'\?"),
        ("CIRCUITS_THREADS = 2", r"unknown setting 'CIRCUITS_THREADS'.*did you mean 'threads'\?"),
        ("limits.pair = 2", r"unknown limit 'pair' in '.*'; did you mean 'pairs'\?"),
        ("hf_token = 'x'", r"unknown setting 'hf_token'"),
        ("owner = 'x'", r"unknown setting 'owner'"),
        ("threads = 'many'", r"CIRCUITS_THREADS or 'threads' in '.*circuits.toml': .*integer"),
        ("limits = 3", r"CIRCUITS_LIMITS or 'limits' in '.*circuits.toml'"),
        ("limits.pairs = 'x'", r"'limits__pairs' in '.*circuits.toml'"),
        ("threads 2", r"are no TOML: .*line 1"),
        ("threads = " + "[" * 5_000, r"are no TOML: .*recursion"),
        ("home = ''", r"home in '.*circuits.toml' is empty: leave it out"),
        ("metrics_address = ''", r"metrics_address in '.*circuits.toml' is empty"),  # not: any
        ('home = "a\\u0000b"', r"'home' in '.*circuits.toml': .*null character"),
        ('graph_password_file = "a\\u0000"', r"graph_password_file in '.*' is .*no name of a file"),
        ("threads = 0x" + "f" * 6_000, r"'threads' in '.*circuits.toml'"),
        ("graph_password_file = 'none'", r"graph_password_file in '.*' is '.*none', .*cannot be"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(toml: Path, text: str, message: str) -> None:
    toml.write_text(text)
    with pytest.raises(SpecError, match=message):
        read_settings()


def test_a_file_that_is_not_there_or_no_text_is_refused(toml: Path) -> None:
    with pytest.raises(SpecError, match=r"CIRCUITS_CONFIG is '.*', and there is no such file"):
        read_settings()
    for data in (b"\xff\xfe", b"#" * (2**20 + 1)):
        toml.write_bytes(data)
        with pytest.raises(SpecError, match="are no TOML"):
            read_settings()


def test_a_secret_that_others_may_read_is_refused(toml: Path) -> None:
    toml.write_text("graph_password = 'hidden'\n")
    toml.chmod(0o640)
    with pytest.raises(SpecError, match=r"holds graph_password, and others may read it") as raised:
        read_settings()
    assert "hidden" not in str(raised.value)
    toml.chmod(0o600)
    assert read_settings().graph_password is not None


def test_a_file_that_others_may_change_is_refused(toml: Path) -> None:
    toml.write_text("threads = 2\n")
    for mode in (0o666, 0o664):
        toml.chmod(mode)
        with pytest.raises(SpecError, match="another's to change"):
            read_settings()


def test_settings_say_where_they_come_from_and_no_secret(
    toml: Path, circuits: Circuits, monkeypatch: pytest.MonkeyPatch
) -> None:
    (toml.parent / "p").write_text("hidden-1")
    toml.write_text(
        "threads = 2\nbroker = 'redis://u:hidden-2@host'\ngraph_password_file = 'p'\n"
        "limits.pairs = 5\n"
    )
    toml.chmod(0o600)
    monkeypatch.setenv("CIRCUITS_MAX_ATTEMPTS", "5")
    monkeypatch.setenv("CIRCUITS_LIMITS__QUERY_ROWS", "6")
    monkeypatch.setenv("HF_TOKEN", "hidden-3")
    ran = circuits("settings", "--json")
    found = {each["name"]: (each["value"], each["origin"]) for each in ran.json()}
    assert found["threads"] == (2, str(toml))
    assert found["broker"] == ("set (redis://***@host)", str(toml))
    assert found["max_attempts"] == (5, "CIRCUITS_MAX_ATTEMPTS")
    assert found["limits.pairs"] == (5, str(toml))
    assert found["limits.query_rows"] == (6, "CIRCUITS_LIMITS__QUERY_ROWS")
    assert found["limits.min_pairs"] == (8, "default")
    assert found["hf_token"] == ("set", "HF_TOKEN")
    assert found["lease_seconds"][1] == "default"
    assert "hidden" not in ran.out + circuits("settings").out


@pytest.mark.parametrize("password", ["//hidden/abc", "//[hidden", "redis://pa?hidden@h"])
def test_no_part_of_a_secret_is_shown(
    password: str, circuits: Circuits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it looks like an address, and where an address holds it."""
    monkeypatch.setenv("CIRCUITS_GRAPH_PASSWORD", password)
    monkeypatch.setenv("CIRCUITS_GRAPH", "bolt://neo4j:hidden@db")
    monkeypatch.setenv("HF_ENDPOINT", "https://user:hidden@mirror")
    ran = circuits("settings", "--json")
    assert "hidden" not in ran.out + circuits("settings").out
