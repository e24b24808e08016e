"""Where a dictionary lies: a folder or file here, or a repository of the hub at a revision.

Of a repository only the folder that was asked for is fetched, and in it only files that are read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs

from graph_schema.dictionaries.asked import Asked
from graph_schema.documents.dictionary import DictionarySource
from graph_schema.documents.model import ModelSource
from graph_schema.errors import CircuitServiceError, DictionaryError, ModelError
from graph_schema.models.fingerprint import HUB_ID
from graph_schema.models.hub import hub_errors, require_hub_name, snapshot
from graph_schema.printable import LONGEST_PATH, clipped, quoted
from graph_schema.private_files import expanded, is_there

READ = ("*.json", "*.yaml", "*.safetensors", "*.npz", "*.pt")
_WHAT = "dictionary"


def resolve(
    name: str,
    path: str = "",
    revision: str | None = None,
    *,
    format: str | None = None,
    hook: str | None = None,
    hook_out: str | None = None,
) -> DictionarySource:
    """Where `name` points: an absolute path of this machine, or a hub id with its revision.

    Raises:
        DictionaryError: Neither; a path that is not there; a path inside that leaves it.
    """
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\\" in path:
        raise DictionaryError(
            f"path {quoted(path)} leaves dictionary {quoted(name)}; expected one inside"
        )
    path = path.strip("/")
    told: dict[str, str | None] = {"format": format, "hook": hook, "hook_out": hook_out}
    if not name.startswith(("/", "./", "~")):
        if HUB_ID.fullmatch(name) is None or ".." in name:
            raise DictionaryError(
                f"dictionary {quoted(name)} is neither a hub id, such as google/gemma-scope-2-270m"
                "-pt, nor a path: a path is absolute or starts with ./ or ~"
            )
        require_hub_name(name, revision, _WHAT)
        return DictionarySource(name=name, path=path, revision=revision, **told)
    if revision is not None:
        raise DictionaryError(f"dictionary {quoted(name)} is a path, which has no revision")
    root = Path(os.path.abspath(expanded(name)))
    if not is_there(root / path):
        raise DictionaryError(
            f"dictionary {quoted(name)}: no such file or folder "
            f"({clipped(str(root / path), LONGEST_PATH)})"
            f"{_near(path or root.name, _siblings(root / path))}"
        )
    return DictionarySource(name=str(root), path=path, **told)


def fetched(source: DictionarySource) -> Asked:
    """The files of a source here: those of a folder as they are, those of the hub in its cache.

    Raises:
        DictionaryError: The repository has no such folder; the near ones are named.
        ModelUnavailable: The cache lacks it, and the hub cannot be reached.
        ResourceError: The hub did not answer.
    """
    if source.name.startswith("/"):
        words = str(PurePosixPath(source.name) / source.path)
        target = Path(source.name) / source.path
        return Asked(target, words, source, fetch=_fetch)
    words = f"{source.name}/{source.path}".strip("/")
    root = _snapshot(source.name, source.revision, source.path)
    target = root / source.path
    if not target.exists():
        raise DictionaryError(
            f"dictionary {quoted(words)} has no such file or folder on the hub"
            f"{_near(source.path, _folders(source))}"
        )
    at = source.model_copy(update={"revision": root.name})
    return Asked(target, words, at, source.name, fetch=_fetch)


def _snapshot(name: str, revision: str | None, path: str) -> Path:
    under = f"{path}/" if path else ""
    patterns = [f"{under}{pattern}" for pattern in READ]
    if path:
        patterns += [path, *(f"{parent}/config.json" for parent in PurePosixPath(path).parents)]
        patterns.append("config.json")
    model = ModelSource(name=name, revision=revision)
    try:
        return snapshot(model, revision, patterns, ignored=[f"{under}*/*"], what=_WHAT)
    except ModelError as error:
        if type(error) is ModelError:
            raise DictionaryError(str(error)) from error
        raise


def _fetch(address: str) -> Path:
    """A file by `hf://org/repository/file?revision=…`."""
    place, _, query = address.removeprefix("hf://").partition("?")
    parts = PurePosixPath(place).parts
    revision = parse_qs(query).get("revision", [None])[0]
    if len(parts) < 3 or ".." in parts or HUB_ID.fullmatch("/".join(parts[:2])) is None:
        raise DictionaryError(
            f"dictionary file {quoted(address)} is no address on the hub; expected "
            "hf://org/repository/file"
        )
    path = "/".join(parts[2:])
    file = _snapshot("/".join(parts[:2]), revision, path) / path
    if not file.is_file():
        raise DictionaryError(f"dictionary file {quoted(address)} is not on the hub")
    return file


def _siblings(place: Path) -> list[str]:
    try:
        return [each.name for each in place.parent.iterdir()]
    except OSError:
        return []


def _folders(source: DictionarySource) -> list[str]:
    """The repository's folders, where the hub tells; a message needs no more."""
    from huggingface_hub import HfApi

    try:
        with hub_errors(ModelSource(name=source.name, revision=source.revision), what=_WHAT):
            files = HfApi().list_repo_files(source.name, revision=source.revision)
    except CircuitServiceError:
        return []
    return sorted({str(PurePosixPath(file).parent) for file in files} | set(files))


def _near(asked: str, there: Iterable[str]) -> str:
    found = [name for name in there if name not in (".", "")]
    layer = re.search(r"layers?[._]?([0-9]+)", asked)
    near = get_close_matches(asked, found, n=4, cutoff=0.4)
    if layer and (same := [name for name in near if layer[0] in name]):
        near = same
    return f"; near it are {', '.join(map(quoted, near))}" if near else ""


def children(folder: Path) -> list[str]:
    """The folders under one that look like dictionaries, for a message."""
    weights = ("params.safetensors", "params.npz", "sae_weights.safetensors", "sae.safetensors")
    names = (*weights, "ae.pt")
    found: list[str] = []
    for place, _, files in os.walk(folder):
        if any(name in files for name in names):
            found.append(os.path.relpath(place, folder))
        if len(found) >= 8:
            break
    return sorted(found)
