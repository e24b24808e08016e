"""Artifacts: arrays too large for the graph, as safetensors in any fsspec store.

The graph holds a file's key and SHA-256, which every load checks.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem
from numpy.typing import NDArray

from graph_schema.array_files import decode, encode
from graph_schema.documents import ArtifactRef, sha256_hex
from graph_schema.errors import (
    CircuitServiceError,
    DamagedError,
    NotFoundError,
    ResourceError,
    SpecError,
)
from graph_schema.printable import without_secrets
from graph_schema.private_files import write_whole

PROBE, PROBE_BYTES = ".writable", 1 << 20
"""As large as what a small job saves: a disk that is full to a few bytes is full."""


@dataclass(frozen=True)
class StoredFile:
    """A file of a store: `bytes` long, `modified` in seconds since 1970."""

    key: str
    bytes: int
    modified: float


class ArtifactStore:
    """A folder or bucket of artifacts.

    Args:
        url: A folder, or an fsspec URL such as `s3://bucket/prefix`. `url` shows no password.
        before_first: Called before this object first writes an artifact.

    Raises:
        SpecError: The URL's protocol is unknown or its package is not installed.
        ResourceError: It cannot be reached.
    """

    def __init__(
        self, url: str, before_first: Callable[[ArtifactStore], None] | None = None
    ) -> None:
        self.url = without_secrets(url)
        self._before_first = before_first
        self._beginning = threading.RLock()
        try:
            found: tuple[Any, str] = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError, TypeError) as error:  # a TypeError of what wants arguments
            raise SpecError(
                f"artifact store {self.url!r} cannot be used: {error}; expected a folder or a URL "
                'such as s3://bucket/prefix (CIRCUITS_ARTIFACTS; pip install "circuit-atlas[s3]")'
            ) from error
        except OSError as error:  # of a store that is looked for at once
            raise ResourceError(
                f"artifact store {self.url!r} cannot be reached: {type(error).__name__}; see that "
                "it is there (CIRCUITS_ARTIFACTS)"
            ) from error
        self._files, self._root = found

    def save(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> ArtifactRef:
        """Write arrays under `key`, whole or not at all; an older file there is replaced."""
        return self.save_bytes(key, encode(arrays))

    def save_by_content(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> ArtifactRef:
        """Write arrays under `name` and their own hash, anew too: `gc` leaves young files alone."""
        data = encode(arrays)
        sha256 = sha256_hex(data)
        return self.save_bytes(f"{name}/{sha256[:2]}/{sha256}.safetensors", data)

    def load(self, ref: ArtifactRef) -> dict[str, NDArray[Any]]:
        """The arrays behind a reference.

        Raises:
            NotFoundError: There is no such file.
            DamagedError: The file is not the one that was saved.
            ResourceError: The store cannot be read now.
        """
        data = self.load_bytes(ref.key)
        found = sha256_hex(data)
        if found != ref.sha256:
            raise DamagedError(
                f"artifact {ref.key!r} in {self.url} has the hash {found}, expected {ref.sha256}: "
                "it was damaged or replaced; submit its job again with --force"
            )
        return decode(data)

    def save_bytes(self, key: str, data: bytes) -> ArtifactRef:
        """Write a file, whole or not at all."""
        path = self._path(key)
        if key != PROBE:
            self._begin()
        try:
            if isinstance(self._files, LocalFileSystem):
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                write_whole(Path(path), data)  # the graph, which refers to it, is as durable
            else:
                self._files.pipe_file(path, data)
        except _refusals() as error:
            why = getattr(error, "strerror", None) or error
            raise ResourceError(
                f"artifact {key!r} cannot be written to {self.url}: {why}; "
                "see that the place exists, is yours and has room (CIRCUITS_ARTIFACTS)"
            ) from error
        return ArtifactRef(key=key, sha256=sha256_hex(data))

    def require_writable(self) -> None:
        """Write a file of `PROBE_BYTES` and remove it: what is computed can be stored here.

        What goes before the first artifact is done too: it may need more than a write.

        Raises:
            ResourceError: It cannot be written.
        """
        try:
            self.save_bytes(PROBE, bytes(PROBE_BYTES))
            self._begin()
        except CircuitServiceError:  # also of the graph that it is to be marked with
            raise
        except Exception as error:  # a remote store's own: no login, no such bucket
            raise ResourceError(
                f"artifacts cannot be written to {self.url}: {type(error).__name__}: {error}; "
                "see that it exists and lets you in (CIRCUITS_ARTIFACTS)"
            ) from error
        with suppress(ResourceError):  # who may write need not be who may remove
            self.delete(PROBE)

    def _begin(self) -> None:
        """Do what goes before the first artifact, once; who comes meanwhile waits for it."""
        with self._beginning:  # by the same thread again: what it writes itself is no first
            if (act := self._before_first) is None:
                return
            self._before_first = None
            try:
                act(self)
            except BaseException:
                self._before_first = act
                raise

    def load_bytes(self, key: str) -> bytes:
        """A file's bytes, unchecked.

        Raises:
            NotFoundError: There is no such file.
            ResourceError: The store cannot be read now.
        """
        try:
            return bytes(self._files.cat_file(self._path(key)))
        except FileNotFoundError as error:
            if isinstance(self._files, LocalFileSystem) and not Path(self._root).is_dir():
                raise ResourceError(
                    f"artifact {key!r} cannot be read: {self.url} is not there; see that its disk "
                    "is mounted (CIRCUITS_ARTIFACTS)"
                ) from error
            raise NotFoundError(
                f"artifact {key!r} is not in {self.url}; see that CIRCUITS_ARTIFACTS names the "
                "store its worker wrote to"
            ) from error
        except _refusals() as error:
            raise ResourceError(f"artifact {key!r} in {self.url}: {error}") from error

    def exists(self, key: str) -> bool:
        """Whether there is a file under `key`.

        Raises:
            ResourceError: The store does not tell.
        """
        path = self._path(key)
        try:
            return bool(self._files.exists(path))
        except _refusals() as error:
            raise ResourceError(f"artifact {key!r} in {self.url}: {error}") from error

    def is_empty(self) -> bool:
        """Whether nothing is stored, litter aside; as quick where much is.

        Raises:
            ResourceError: The store cannot be listed.
        """
        try:
            self._files.invalidate_cache()
            found: list[str] = self._files.ls(self._root, detail=False)
        except FileNotFoundError:
            return True
        except _refusals() as error:
            raise ResourceError(f"artifacts in {self.url} cannot be listed: {error}") from error
        # A draft of a writer that died, a disk's own folder: no key of ours is called so.
        names = (PurePosixPath(name).name for name in found)
        return all(name.startswith(".") or name == "lost+found" for name in names)

    def delete(self, key: str) -> None:
        """Remove a file; it may be gone already.

        Raises:
            ResourceError: It stays.
        """
        try:
            self._files.rm_file(self._path(key))
        except FileNotFoundError:
            return
        except _refusals() as error:
            raise ResourceError(
                f"artifact {key!r} cannot be removed from {self.url}: {error}"
            ) from error

    def files(self) -> list[StoredFile]:
        """What is stored, by key; a file that is being written is not among it.

        Raises:
            ResourceError: The store cannot be listed.
        """
        try:
            self._files.invalidate_cache()  # others write there too
            found: dict[str, dict[str, Any]] = self._files.find(self._root, detail=True)
        except _refusals() as error:
            raise ResourceError(f"artifacts in {self.url} cannot be listed: {error}") from error
        files: list[StoredFile] = []
        for path, told in sorted(found.items()):
            key = path[len(self._root.rstrip("/")) + 1 :]
            if told.get("type", "file") == "file":
                files.append(StoredFile(key, int(told["size"]), self._modified(path, told)))
        return files

    def remove_unchanged(self, file: StoredFile) -> bool:
        """Remove a listed file; False where it has been written anew since, or is gone.

        Raises:
            ResourceError: It stays.
        """
        path = self._path(file.key)
        try:
            self._files.invalidate_cache()
            if self._modified(path, self._files.info(path)) != file.modified:
                return False
        except FileNotFoundError:
            return False
        except _refusals() as error:
            raise ResourceError(f"artifact {file.key!r} in {self.url}: {error}") from error
        self.delete(file.key)
        return True

    def _modified(self, path: str, told: Mapping[str, Any]) -> float:
        """When a file was written, seconds since 1970; stores say it under different names."""
        names = ("mtime", "LastModified", "last_modified", "updated", "created")
        when: Any = next((told[name] for name in names if told.get(name) is not None), None)
        if when is None:
            when = self._files.modified(path)
        return float(when) if isinstance(when, int | float) else float(when.timestamp())

    def _path(self, key: str) -> str:
        parts = PurePosixPath(key).parts
        try:
            os.fsencode(key)
        except UnicodeEncodeError as error:
            raise SpecError(f"artifact key {key!r} is no text that a file can be called") from error
        if not key or key.startswith("/") or ".." in parts or set("\\\0") & set(key):
            raise SpecError(f"artifact key {key!r} leaves the store; expected something like a/b")
        return f"{self._root.rstrip('/')}/{key}"


def _refusals() -> tuple[type[Exception], ...]:
    """What file systems raise; those of a bucket (no login, no answer) are no OSErrors."""
    boto = sys.modules.get("botocore.exceptions")
    return (OSError,) if boto is None else (OSError, boto.BotoCoreError)
