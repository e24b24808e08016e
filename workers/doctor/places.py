"""Folders and files: room, who may read them, where artifacts and models lie."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Generator, Iterable
from pathlib import Path

from graph_schema.artifacts import ArtifactStore
from graph_schema.printable import without_secrets
from workers.doctor.checks import Finding, fail, ok, warn
from workers.local.goes_by import hub_cache
from workers.secret_files import secret_files
from workers.settings import PREFIX, Settings

LITTLE_ROOM, NO_ROOM = 10.0, 1.0
"""Gigabytes under which to warn, and to fail."""
OTHERS_READ, OTHERS_ENTER, OTHERS_WRITE = 0o004, 0o001, 0o022
PRIVATE = ("service/state.json", "store/passwords.json")
"""Files of a home that hold passwords."""


def artifacts(settings: Settings) -> Generator[Finding]:
    """Whether what is computed can be stored."""
    url = settings.artifacts_url
    if not settings.local and settings.artifacts is None:
        yield warn(
            "artifacts",
            f"{url}, this machine's own, though the graph is at "
            f"{without_secrets(settings.graph or '')}",
            "where arrays are read, or jobs done: CIRCUITS_ARTIFACTS, as the workers have it",
        )
    if "://" not in url and not Path(url).exists():
        there = _there(Path(url))
        if there.is_dir() and os.access(there, os.W_OK):
            yield ok("artifacts", f"{url}, not there yet: the first job makes it")
        else:
            yield fail("artifacts", f"{url} cannot be made in {there}", _move())
        return
    ArtifactStore(url).require_writable()
    yield ok("artifacts", f"{url} can be written")


def disk(settings: Settings) -> Generator[Finding]:
    """Whether there is room where anything is written."""
    wanted = {"CIRCUITS_HOME": settings.home, "the models' cache": hub_cache(settings)}
    if "://" not in settings.artifacts_url:
        wanted["CIRCUITS_ARTIFACTS"] = Path(settings.artifacts_url)
    seen: dict[int, str] = {}
    for name, path in wanted.items():
        there = _there(path)
        device = there.stat().st_dev
        if device in seen:
            continue
        seen[device] = name
        free = shutil.disk_usage(there).free / 1e9
        says = f"{free:.1f} GB free at {there} ({name})"
        if free < NO_ROOM:
            yield fail("disk", says, _move())
        elif free < LITTLE_ROOM:
            yield warn("disk", says, "make room: circuits gc --dry-run says what can go")
        else:
            yield ok("disk", says)


def permissions(settings: Settings) -> Generator[Finding]:
    """Whether others can read what is secret, or write what is ours."""
    bad = False
    home = settings.home
    if home.exists():
        found = home.stat()
        if found.st_uid != os.getuid():
            bad = True
            yield fail("permissions", f"{home} is user {found.st_uid}'s, not yours", _move())
        elif found.st_mode & OTHERS_WRITE:
            bad = True
            mend = f"chmod go-w {shlex.quote(str(home))}"
            yield fail("permissions", f"others may write in {home}", mend)
    named = {f"{PREFIX}HOME": home / each for each in PRIVATE}
    secret = [*secret_files(Settings).items(), *((f"{each}", each) for each in named.values())]
    for name, path in ((name, Path(path)) for name, path in secret):
        if path.exists() and _others_read(path):
            bad = True
            yield warn(
                "permissions",
                f"all users of this machine may read {path} ({name})",
                f"chmod o-r {shlex.quote(str(path))}, or close its folder to others",
            )
    if not bad:
        yield ok("permissions", "home and secret files are closed to other users")


def models(settings: Settings) -> Generator[Finding]:
    """Where models come from: cache, hub, token, roots."""
    cache, hub = hub_cache(settings), settings.hf_endpoint
    kept = len(list(cache.glob("models--*"))) if cache.is_dir() else 0
    there = _there(cache)
    token = "a token is set" if _has_token(settings) else "no token: gated models are refused"
    says = f"{kept} models in {cache}, {token}"
    if not os.access(there, os.W_OK):
        yield warn(
            "models", f"{says}; {there} cannot be written", "have HF_HOME name a folder of yours"
        )
    else:
        yield ok("models", says)
    for root in settings.model_roots:
        if not os.access(root, os.R_OK | os.X_OK):
            yield fail(
                "models",
                f"{root} cannot be read",
                "see CIRCUITS_MODEL_ROOTS: the folders that jobs may name",
            )
    if settings.hf_offline:
        yield ok("hub", "offline (HF_HUB_OFFLINE): only what is in the cache is found")
        return
    why = _unreachable(hub)
    if why is None:
        yield ok("hub", f"{hub} answers")
    else:
        yield warn(
            "hub",
            f"{hub} cannot be reached: {why}",
            "see the network (HTTPS_PROXY), or HF_HUB_OFFLINE=1 to use the cache alone at once",
        )


def _unreachable(hub: str) -> str | None:
    from huggingface_hub.utils import get_session

    try:
        get_session().head(hub, timeout=5.0)
    except Exception as error:  # requests' or httpx's, as the version has it
        return f"{type(error).__name__}: {error}"
    return None


def _has_token(settings: Settings) -> bool:
    from huggingface_hub import get_token

    return settings.hf_token is not None or get_token() is not None


def _others_read(path: Path) -> bool:
    if not path.stat().st_mode & OTHERS_READ:
        return False
    return all(_mode(folder) & OTHERS_ENTER for folder in path.absolute().parents)


def _mode(path: Path) -> int:
    return path.stat().st_mode


def _there(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next((each for each in _upward(path) if each.exists()), Path("/"))


def _upward(path: Path) -> Iterable[Path]:
    return (path, *path.parents)


def _move() -> str:
    return "have CIRCUITS_HOME or CIRCUITS_ARTIFACTS name a folder of yours with room"
