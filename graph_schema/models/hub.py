"""Models on the hub: what is fetched of them, and its errors as ours.

Fetched are the files that decide what a model computes (`model_files.py`), and no others: a
repository may hold the same weights in four formats.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graph_schema.documents import ModelSource
from graph_schema.errors import DictionaryError, ModelError, ModelUnavailable, ResourceError
from graph_schema.models.files import (
    CONFIG_FILE,
    INDEX_FILE,
    INDEXES,
    READ_FIRST,
    WEIGHTS_FILE,
    explicit_weights,
    weight_names,
)
from graph_schema.printable import quoted

_NOT_IN_A_NAME = re.compile(r"[^\w./@+-]|\.\.|^[/-]")


def require_hub_name(name: str, revision: str | None, what: str = "model") -> None:
    """Refuse names that lead out of the folder of the cache that they name.

    Raises:
        ModelError: They do; a `DictionaryError` where it is a dictionary's.
    """
    error = DictionaryError if what == "dictionary" else ModelError
    for of, given, like in (("", name, "org/name"), ("revision ", revision, "main or a commit")):
        if given is not None and (not given or _NOT_IN_A_NAME.search(given)):
            raise error(f"{what} {quoted(name)}: {of}{quoted(given)} is none; expected {like}")


def fetch_from_hub(source: ModelSource, revision: str | None, *, weights: bool) -> Path:
    """The folder of the cache with the model's files; of weights exactly those that are read.

    Raises:
        ModelUnavailable: The cache lacks one, and the hub cannot be reached.
        ModelError: The hub lacks one, or a name leaves the folder.
        ResourceError: The hub did not answer.
    """
    folder = snapshot(source, revision, (*READ_FIRST, INDEXES))
    _check_fetched(source, revision, folder, CONFIG_FILE)
    if not weights:
        return folder
    with by_its_name(source, folder):
        said = explicit_weights(folder)
        if said is None:
            snapshot(source, revision, [WEIGHTS_FILE])
        names = weight_names(folder, there=False)
    snapshot(source, revision, map(glob.escape, names))
    for name in names:
        none = name == INDEX_FILE and said is None and not (folder / name).is_file()
        _check_fetched(source, revision, folder, WEIGHTS_FILE if none else name)
    return folder


def snapshot(
    source: ModelSource,
    revision: str | None,
    patterns: Iterable[str],
    *,
    ignored: Iterable[str] = (),
    what: str = "model",
) -> Path:
    """The cache's folder of a repository, with the files that fit a pattern and are not ignored.

    Raises:
        ModelUnavailable: The cache lacks them, and the hub cannot be reached.
        ModelError: The hub has no such repository or revision, or not for this user.
        ResourceError: The hub did not answer.
    """
    from huggingface_hub import errors, snapshot_download

    asked: dict[str, Any] = {
        "revision": revision,
        "allow_patterns": list(patterns),
        "ignore_patterns": list(ignored),
    }
    with hub_errors(source, what=what):
        try:
            return Path(snapshot_download(source.name, **asked))
        except errors.RevisionNotFoundError:
            raise
        except (errors.HfHubHTTPError, ConnectionError, TimeoutError, *_http_errors()) as away:
            # Of a branch the library falls back on the cache by itself, of a commit it does not.
            try:
                return Path(snapshot_download(source.name, **asked, local_files_only=True))
            except errors.LocalEntryNotFoundError as missing:
                if isinstance(away, errors.HfHubHTTPError):
                    raise away from missing
                raise missing from away


def _check_fetched(source: ModelSource, revision: str | None, folder: Path, name: str) -> None:
    """Refuse a snapshot without this file: a hub that is away leaves what the cache had."""
    from huggingface_hub import hf_hub_download

    if not (folder / name).is_file():
        with hub_errors(source, name):
            hf_hub_download(source.name, name, revision=revision)


@contextmanager
def by_its_name(source: ModelSource, folder: Path) -> Generator[None]:
    """Call a model as it was asked for in errors: where it lies in a cache nobody said.

    Raises:
        ModelError: As within, without the folder's path.
    """
    try:
        yield
    except ModelError as error:
        raise type(error)(str(error).replace(str(folder), source.name)) from error


@contextmanager
def hub_errors(
    source: ModelSource, file: str = CONFIG_FILE, *, what: str = "model"
) -> Generator[None]:
    """Raise the hub's errors as ours, each with what to do about it; `file` is what was asked for.

    `what` is what the repository is of, in words.

    Raises:
        ModelUnavailable: It is not in the cache, and the hub cannot be reached.
        ModelError: The hub has no such model, revision or file, or not for this user.
        ResourceError: The hub did not answer.
    """
    from huggingface_hub import errors

    require_hub_name(source.name, source.revision, what)
    name, at = source.name, f" at revision {source.revision!r}" if source.revision else ""
    page = f"https://huggingface.co/{name}"
    try:
        yield
    except errors.GatedRepoError as error:
        raise ModelError(
            f"{what} {name!r} is gated: accept its licence at {page}, then set HF_TOKEN to a token "
            "that may read it"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelError(
            f"{what} {name!r} is not on the hub, or is private; check {page}, set HF_TOKEN, or "
            f"write ./{name} for a folder"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelError(
            f"{what} {name!r} has no revision {source.revision!r}; see {page}"
        ) from error
    except errors.LocalEntryNotFoundError as error:
        missing = f"{what} {name!r}{at}"
        if file != CONFIG_FILE:
            missing = f"{file} of {missing}"
        raise ModelUnavailable(
            f"{missing} is not in the local cache and the hub cannot be reached; check "
            "the network and HF_HUB_OFFLINE, or give a local folder"
        ) from error
    except errors.EntryNotFoundError as error:
        why = (
            "so it is no transformers model; for GGUF download the file and give its path, and "
            "merge an adapter into its model first"
            if file == CONFIG_FILE
            else "and other weights are not read; convert it to safetensors, and give the folder"
        )
        raise ModelError(f"{what} {name!r}{at} has no {file}, {why}") from error
    except errors.HFValidationError as error:
        raise ModelError(f"{what} {name!r} is not a hub id: expected org/name") from error
    except (errors.HfHubHTTPError, ConnectionError, TimeoutError, *_http_errors()) as error:
        raise ResourceError(
            f"the hub did not answer for {what} {name!r}{at}; try again, or give a local folder"
        ) from error


def _http_errors() -> list[type[Exception]]:
    """Of the library that the hub's speaks HTTP with, which is not the same in all its versions."""
    from huggingface_hub import errors

    return [
        base
        for base in errors.HfHubHTTPError.__mro__
        if issubclass(base, Exception) and base.__module__.startswith(("httpx", "requests"))
    ]
