"""The compose file, and what its containers may read and write."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.containers import (
    COMPOSE,
    DEPLOY,
    DOCKERFILE,
    SERVICES,
    USERS,
    build_steps,
    container,
    instructions,
    mounted,
)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make-secrets.sh` makes, by a caller who is used to keep files to himself."""
    folder = tmp_path_factory.mktemp("deploy") / "secrets"
    make = [str(DEPLOY / "make-secrets.sh"), str(folder), "atlas.example.org", "10.0.0.5"]
    subprocess.run(make, check=True, umask=0o077)
    return folder


def _linted(file: Path) -> subprocess.CompletedProcess[str]:
    lint = ["check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(
        [sys.executable, "-m", *lint], check=False, capture_output=True, text=True
    )


def test_the_compose_file_is_valid(tmp_path: Path) -> None:
    checked = _linted(DEPLOY / "compose.yaml")
    assert checked.returncode == 0, checked.stdout
    (tmp_path / "compose.yaml").write_text("services: {a: {image: x, restrat: always}}")
    assert "'restrat' was unexpected" in _linted(tmp_path / "compose.yaml").stdout


def test_the_dockerfile_is_without_a_fault_that_a_linter_knows() -> None:
    linted = subprocess.run(
        [str(Path(sys.executable).parent / "hadolint"), str(DOCKERFILE)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (linted.returncode, linted.stdout) == (0, "")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_comes_back_after_a_crash(service: str) -> None:
    assert SERVICES[service]["restart"] == "unless-stopped"


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_service_is_told_to_read_is_mounted(service: str, secrets: Path) -> None:
    mounts = mounted(service, secrets)
    assert [source for source in mounts if not source.exists()] == []
    told = re.findall(r"/(?:run/secrets|etc/redis)/[\w.]+", str(SERVICES[service]))
    assert set(told) <= {*mounts.values(), *(f"/run/secrets/{name}" for name in COMPOSE["secrets"])}
    environment = SERVICES[service].get("environment", {})
    assert {value for value in environment.values() if value.startswith("/run/secrets")} <= set(
        mounts.values()
    )


@pytest.mark.needs_containers
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_may_read_what_is_mounted_for_it(
    service: str, secrets: Path, tmp_path: Path
) -> None:
    # `-L` follows, `-readable` asks the system as this user.
    look = ["find", *mounted(service, secrets).values(), "!", "-readable"]
    command = container(service, secrets, tmp_path, look, user=USERS[service])
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    assert (found.stdout, found.stderr) == ("", "")


def test_only_its_owner_may_enter_the_folder_of_secrets(secrets: Path) -> None:
    assert secrets.stat().st_mode & 0o777 == 0o700
    # Nobody's container has it mounted, so nobody but the owner has to read it.
    assert (secrets / "ca.key").stat().st_mode & 0o777 == 0o600
    assert secrets / "ca.key" not in mounted("redis", secrets)
    assert not (secrets / "tls" / "ca.key").exists()


def test_a_careful_checkout_can_be_read_by_containers_too(tmp_path: Path) -> None:
    here = tmp_path / "deploy"
    shutil.copytree(DEPLOY, here, ignore=shutil.ignore_patterns("secrets"))
    subprocess.run(["chmod", "-R", "go=", str(here)], check=True)
    subprocess.run([str(here / "make-secrets.sh"), str(here / "secrets")], check=True)
    files = [file for each in SERVICES for file in mounted(each, here / "secrets", here)]
    for file in files:
        for each in [file, *file.rglob("*")]:
            wanted = 0o005 if each.is_dir() else 0o004
            assert each.stat().st_mode & wanted == wanted, each


@pytest.mark.needs_containers
def test_the_workers_user_may_write_where_results_and_models_go(
    secrets: Path, tmp_path: Path
) -> None:
    """What the Dockerfile makes is what a new volume starts with."""
    (user,) = (rest for word, rest in instructions() if word == "USER")
    assert user == "{0}:{0}".format(USERS["worker"])
    places = [line.split(":")[1] for line in SERVICES["worker"]["volumes"]]
    places += [SERVICES["worker"]["environment"]["HF_HOME"], "/home/circuits"]
    command = container(
        "worker",
        secrets,
        tmp_path,
        ["touch", *(f"{place}/written" for place in places)],
        user=USERS["worker"],
        steps=build_steps(),
    )
    written = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (written.returncode, written.stderr) == (0, "")


def test_an_image_is_built_from_what_it_copies_and_nothing_else() -> None:
    copied = [
        source for word, rest in instructions() if word == "COPY" for source in rest.split()[:-1]
    ]
    lines = (DEPLOY.parent / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    # All is left out, then what is copied let in again: the last rule that matches counts.
    assert rules == ["*", *(f"!{source}" for source in copied), "**/__pycache__"]


def test_secrets_are_kept_when_they_are_made_again(secrets: Path) -> None:
    kept = [
        *secrets.glob("*.txt"),
        secrets / "users.acl",
        secrets / "ca.key",
        secrets / "tls/ca.crt",
    ]
    before = {file: file.read_text() for file in kept}
    subprocess.run([str(DEPLOY / "make-secrets.sh"), str(secrets), "atlas.example.org"], check=True)
    assert {file: file.read_text() for file in kept} == before
    odd = [str(DEPLOY / "make-secrets.sh"), str(secrets), "a,DNS:b"]
    refused = subprocess.run(odd, check=False, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "is no name of a host" in refused.stderr
