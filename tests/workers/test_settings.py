"""Settings come from the environment or files, and secrets do not show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graph_schema.errors import SpecError
from workers.local.goes_by import goes_by
from workers.settings import Settings, read_settings


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "GRAPH", "BROKER", "GRAPH_PASSWORD", "LIMITS"):
        monkeypatch.delenv(f"CIRCUITS_{name}", raising=False)


def test_without_a_graph_everything_lies_under_home(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert settings.local
    assert settings.broker_url == f"filesystem://{tmp_path}/broker"
    assert settings.artifacts_url == str(tmp_path / "artifacts")


def test_a_secret_may_be_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "password").write_text("pass word\n")
    monkeypatch.setenv("CIRCUITS_GRAPH_PASSWORD_FILE", str(tmp_path / "password"))
    settings = Settings()
    assert settings.graph_password is not None
    assert settings.graph_password.get_secret_value() == "pass word"
    assert "pass word" not in repr(settings)


def test_a_secret_given_twice_or_unreadable_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIRCUITS_GRAPH_PASSWORD_FILE", str(tmp_path / "absent"))
    with pytest.raises(SpecError, match=r"absent.*cannot be read"):
        read_settings()
    monkeypatch.setenv("CIRCUITS_GRAPH_PASSWORD", "x")
    with pytest.raises(SpecError, match="both set"):
        read_settings()


def test_limits_nest_and_a_wrong_value_is_named_without_being_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CIRCUITS_LIMITS__PAIRS", "7")
    assert read_settings().limits.pairs == 7
    monkeypatch.setenv("CIRCUITS_LIMITS__PAIRS", "many")
    with pytest.raises(SpecError, match=r"CIRCUITS_LIMITS__PAIRS.*integer"):
        read_settings()


def test_a_child_process_gets_the_same_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = read_settings(
        home=tmp_path,
        broker="redis://u:secret@host",
        graph="bolt://host",
        graph_password="p",
        model_roots=(Path("/models"),),
        limits={"pairs": 9},
        lease_seconds=3,
    )
    monkeypatch.setenv("CIRCUITS_GRAPH_PASSWORD_FILE", str(tmp_path / "other"))
    environment = settings.environment()
    monkeypatch.delenv("CIRCUITS_GRAPH_PASSWORD_FILE")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert "CIRCUITS_GRAPH_PASSWORD_FILE" not in environment
    assert Settings() == settings


def test_a_folder_of_artifacts_means_the_same_from_everywhere() -> None:
    assert read_settings(artifacts="kept").artifacts_url == str(Path.cwd() / "kept")
    assert read_settings(artifacts="file://kept").artifacts_url == str(Path.cwd() / "kept")
    assert read_settings(artifacts="file:///kept").artifacts_url == "/kept"
    assert read_settings(artifacts="s3://bucket/kept").artifacts_url == "s3://bucket/kept"


RELATIVE = (
    *("CIRCUITS_HOME", "CIRCUITS_ARTIFACTS", "CIRCUITS_WORKER_PYTHON"),
    *("HF_HOME", "HF_HUB_CACHE", "HF_TOKEN_PATH", "XDG_CACHE_HOME", "TRANSFORMERS_CACHE"),
)


def test_a_relative_folder_means_the_same_in_a_child_that_works_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in RELATIVE:
        monkeypatch.setenv(name, f"here/{name}")
    monkeypatch.setenv("CIRCUITS_MODEL_ROOTS", '["here"]')
    environment = read_settings().environment()
    assert {name: environment[name] for name in RELATIVE} == {
        name: str(tmp_path / "here" / name) for name in RELATIVE
    }
    assert environment["CIRCUITS_MODEL_ROOTS"] == json.dumps([str(tmp_path / "here")])
    monkeypatch.setenv("CIRCUITS_WORKER_PYTHON", "python3")
    assert read_settings().environment()["CIRCUITS_WORKER_PYTHON"] == "python3"  # of the PATH


@pytest.mark.parametrize(
    ("said", "means"),
    [("1", True), ("yes", True), ("ON", True), ("0", False), ("", False), ("maybe", False)],
)
def test_offline_is_read_as_the_hub_reads_it(
    monkeypatch: pytest.MonkeyPatch, said: str, means: bool
) -> None:
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", said)
    assert read_settings().hf_offline is means
    monkeypatch.setenv("TRANSFORMERS_OFFLINE", "1")
    assert read_settings().hf_offline is (means or not said)


def test_what_a_worker_goes_by_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HF_HOME", "/models/hub")
    settings = read_settings(graph_password="secret", limits={"accuracy_floor": 0.7})
    said = goes_by(settings)
    assert said["HF_TOKEN"] == "set"
    assert said["HF_HUB_CACHE"] == "/models/hub/hub"
    assert said["HF_ENDPOINT"] == "https://huggingface.co"
    assert said["CIRCUITS_LIMITS__ACCURACY_FLOOR"] == "0.7"
    assert "secret" not in str(said)


def test_a_file_without_certificates_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.crt").touch()
    for name in ("empty.crt", "none.crt"):
        monkeypatch.setenv("CIRCUITS_CA_FILE", str(tmp_path / name))
        with pytest.raises(SpecError, match=f"setting CIRCUITS_CA_FILE: .*{name}.*PEM file"):
            read_settings()


@pytest.mark.parametrize(
    "name", ["HOME", "CA_FILE", "ARTIFACTS", "WORKER_PYTHON", "BROKER_FILE", "CONFIG"]
)
def test_the_home_of_nobody_is_refused_by_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"CIRCUITS_{name}", "~nosuchuser/place")
    said = "" if name in ("BROKER_FILE", "CONFIG") else f"setting CIRCUITS_{name}: .*"
    with pytest.raises(SpecError, match=f"{said}'~nosuchuser/place' begins with the home of"):
        read_settings()


def test_a_place_of_others_in_the_home_of_nobody_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", "~nosuchuser/torch")
    with pytest.raises(SpecError, match="'~nosuchuser/torch' begins with the home of"):
        read_settings(home=tmp_path).environment()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MODEL_ROOTS", "/models", r"CIRCUITS_MODEL_ROOTS is no JSON: .*'\[\"/models\"\]'"),
        ("MODEL_ROOTS", "[" * 20_000, "CIRCUITS_MODEL_ROOTS is no JSON: RecursionError"),
        ("LIMITS", "pairs=3", "CIRCUITS_LIMITS is no JSON: .*CIRCUITS_LIMITS__PAIRS=100"),
        ("LIMITS__QUERY_ROWS", "-1", "CIRCUITS_LIMITS__QUERY_ROWS: .*greater than or equal to 1"),
        ("LIMITS__PAIR", "5", "CIRCUITS_LIMITS__PAIR: there is no such limit; .*min_pairs"),
        ("LIMITS__JOB_SECONDS", "-5", "CIRCUITS_LIMITS__JOB_SECONDS: .*greater than 0"),
        ("LEASE_SECONDS", "inf", "CIRCUITS_LEASE_SECONDS: .*less than"),
        ("KEEP_FAILED_DAYS", "1e400", "CIRCUITS_KEEP_FAILED_DAYS: .*less than"),
        ("THREADS", "99999999999999999999", "CIRCUITS_THREADS: .*less than"),
        ("HOME", "/tmp/\udcff", "CIRCUITS_HOME: .*is no text in UTF-8"),
        ("CONFIG", "x" * 5_000, r"cannot be looked for: .* \(CIRCUITS_CONFIG, or XDG_CONFIG_HOME"),
    ],
)
def test_what_no_setting_can_be_is_refused_by_its_name(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"CIRCUITS_{name}", value)
    with pytest.raises(SpecError, match=said):
        read_settings()


def test_a_setting_of_the_hub_is_named_as_the_hub_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", "~nosuchuser/hub")
    with pytest.raises(SpecError, match=r"^setting HF_HOME: "):
        read_settings()


@pytest.mark.parametrize("data", [b"hidden\xff", b"hidden" * 20_000])
def test_a_file_that_holds_no_secret_is_refused_and_not_shown(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "password"
    file.write_bytes(data)
    monkeypatch.setenv("CIRCUITS_GRAPH_PASSWORD_FILE", str(file))
    with pytest.raises(SpecError, match=r"GRAPH_PASSWORD_FILE is '.*password'") as refused:
        read_settings()
    assert "hidden" not in str(refused.value)
