"""Where a machine lets nobody make a container of its own, tests of one skip."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import NO_CONTAINERS

_TRY = """
set -e
mount -t tmpfs tmpfs "$0"
mkdir "$0/upper" "$0/work" "$0/root"
mount -t overlay overlay "$0/root" -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work"
"""


@cache
def _refused(folder: str) -> str:
    """Why mounts and networks of a test's own cannot be made here; empty where they can."""
    if shutil.which("unshare") is None:
        return "no unshare on the PATH"
    command = ["unshare", "--mount", "--propagation=private", "--net", "bash", "-c", _TRY, folder]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    return tried.stderr.strip() or "refused" if tried.returncode else ""


@pytest.fixture(scope="session")
def _container_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("container")


@pytest.fixture(autouse=True)
def _in_containers(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("needs_containers") is None:
        return
    why = _refused(str(request.getfixturevalue("_container_folder")))
    if why:
        pytest.skip(f"{NO_CONTAINERS}: {why}")
