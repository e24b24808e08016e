"""Containers without Docker: plain processes that see what `compose.yaml` mounts for them.

Their root is this machine's own under a layer in memory that takes every change and goes with the
process. It takes root to mount that, so tests of containers skip without.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]

USERS = {"redis": 999, "neo4j": 7474, "worker": 10001}
"""As whom each works: the two images' own users, and the one that worker.Dockerfile makes."""

DOCKERFILE = DEPLOY / "worker.Dockerfile"

_ROOT = """
set -e
mount -t tmpfs tmpfs "$FOLDER"
cd "$FOLDER"
mkdir upper work root
mount -t overlay overlay root -o lowerdir=/,upperdir=upper,workdir=work
for each in proc dev; do mount --rbind "/$each" "root/$each"; done
mount -t tmpfs tmpfs root/run
bind() {
  mkdir -p "$(dirname "root$2")"
  chmod 755 "$(dirname "root$2")"  # Debian's own /etc/redis is for its own user
  if [ -d "$1" ]; then mkdir -p "root$2"; else touch "root$2"; fi
  mount --bind "$1" "root$2"
  mount -o remount,bind,ro "root$2"
}
"""


def container(
    service: str,
    secrets: Path,
    folder: Path,
    command: Sequence[str],
    *,
    user: int | None = None,
    steps: str = "",
) -> list[str]:
    """The command that runs a command as in this service's container, after some steps by root.

    Args:
        service: Its mounts and secrets are there, read-only; volumes of its own are not.
        secrets: Stands for deploy/secrets.
        folder: An empty one, that the layer in memory is mounted on.
        command: Keeps the process, so that who ends it ends the container.
        user: Runs the command, with no other group; default: root.
        steps: Shell, run inside, before.
    """
    lines = [f"FOLDER={shlex.quote(str(folder))}", _ROOT]
    for source, target in mounted(service, secrets).items():
        lines.append(shlex.join(["bind", str(source), target]))
    if steps:
        lines.append(shlex.join(["chroot", "root", "bash", "-ec", steps]))
    drop = (
        [] if user is None else ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    )
    lines.append(shlex.join(["exec", "chroot", "root", *drop, *command]))
    return ["unshare", "--mount", "--propagation=private", "bash", "-c", "\n".join(lines)]


def instructions() -> list[tuple[str, str]]:
    """What the worker's Dockerfile says, in order: an instruction and what stands behind it."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", "")
    pairs = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(word, rest) for word, rest in pairs]


def build_steps() -> str:
    """The Dockerfile's steps but for installing us: users and folders."""
    steps = [rest for word, rest in instructions() if word == "RUN"]
    return "".join(f"{step}\n" for step in steps if "pip install" not in step)


def mounted(service: str, secrets: Path, deploy: Path = DEPLOY) -> dict[Path, str]:
    """What of this machine is mounted in a service's container, and where."""
    found: dict[Path, str] = {}
    for line in SERVICES[service].get("volumes", ()):
        source, target, *_ = line.split(":")
        if source.startswith("."):
            found[_here(source, secrets, deploy)] = target
    for name in SERVICES[service].get("secrets", ()):
        found[_here(COMPOSE["secrets"][name]["file"], secrets, deploy)] = f"/run/secrets/{name}"
    return found


def _here(source: str, secrets: Path, deploy: Path) -> Path:
    path = Path(source)
    return secrets.joinpath(*path.parts[1:]) if path.parts[0] == "secrets" else deploy / path
