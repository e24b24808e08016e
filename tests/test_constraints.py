"""What is installed is what was tested: bounds, constraints, and who uses them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OWN = PROJECT["name"]
CALENDAR_VERSIONED = {"fsspec"}
"""Their releases are dates: no number says which one breaks."""


def _requirements() -> list[Requirement]:
    lines = [*PROJECT["dependencies"]]
    for extra in PROJECT["optional-dependencies"].values():
        lines += extra
    return [need for need in map(Requirement, lines) if need.name != OWN]


def _constraints() -> dict[str, list[Requirement]]:
    pinned: dict[str, list[Requirement]] = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if not line.startswith("#"):
            pin = Requirement(line)
            pinned.setdefault(_plain(pin.name), []).append(pin)
    return pinned


def _plain(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


def _version(pin: Requirement) -> str:
    (specifier,) = pin.specifier
    assert specifier.operator == "==", f"{pin} is no exact version"
    return specifier.version


@pytest.mark.parametrize("need", _requirements(), ids=lambda need: need.name)
def test_a_requirement_is_bounded_and_its_tested_version_is_allowed(need: Requirement) -> None:
    operators = {specifier.operator for specifier in need.specifier}
    if need.name not in CALENDAR_VERSIONED:
        assert operators & {"<", "<=", "=="}, f"{need} has no upper bound"
    pins = _constraints()[_plain(need.name)]
    assert all(SpecifierSet(str(need.specifier)).contains(_version(pin)) for pin in pins)


@pytest.mark.parametrize("page", ["README.md", "docs/development.md", "deploy/worker.Dockerfile"])
def test_what_installs_us_installs_the_tested_versions(page: str) -> None:
    installs = re.findall(r"^.*pip install .*\.\[.*$", (ROOT / page).read_text(), re.MULTILINE)
    assert installs
    assert [line for line in installs if "-c constraints.txt" not in line] == []
