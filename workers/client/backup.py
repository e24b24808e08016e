"""A graph and its artifacts in one file, and back into a service of either kind of server.

The file is a ZIP: `nodes.jsonl`, `relationships.jsonl`, `artifacts/KEY`, and a `manifest.json` with
the SHA-256 of each, written last. Everything is checked before the first thing is restored.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Literal

from pydantic import NonNegativeInt, PositiveInt

from graph_schema.artifacts import ArtifactStore
from graph_schema.documents.base import Document
from graph_schema.errors import (
    CircuitServiceError,
    NotFoundError,
    ResourceError,
    SpecError,
    StoreVersionError,
)
from graph_schema.store import dump, migrations
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.hanging import referred_artifacts
from graph_schema.store.records.workers import live_workers
from workers.client.backup_lines import CHUNK, lines
from workers.client.service import opened
from workers.files import writing_whole
from workers.results.backed_up import BackedUp
from workers.settings import Settings
from workers.whose_artifacts import marked_store

if TYPE_CHECKING:
    from workers.client.service import Service

NODES, LINKS, MANIFEST = "nodes.jsonl", "relationships.jsonl", "manifest.json"
FOLDER = "artifacts/"
MOST_MANIFEST = 256 * 2**20
TRIES = 3


class Manifest(Document):
    """What a backup holds, and the SHA-256 of every file in it."""

    kind: Literal["circuits backup"] = "circuits backup"
    format: Literal[1] = 1
    schema_version: PositiveInt
    created_at: int
    nodes: NonNegativeInt
    relationships: NonNegativeInt
    files: dict[str, str]
    missing: tuple[str, ...] = ()


def back_up(service: Service, file: Path, *, force: bool) -> BackedUp:
    """Write graph and artifacts into a file, whole or not at all, for its owner alone.

    Raises:
        SpecError: The file is there and `force` is off.
        ResourceError: The graph was changed while it was read, or holds what is not ours; or the
            file cannot be written.
    """
    with writing_whole(file, force=force, mode=0o600) as target:
        for _ in range(TRIES):
            target.seek(0)
            target.truncate()
            manifest = _write(service, target)
            if manifest is not None:
                size = target.tell()
                break
        else:
            raise ResourceError(
                "the graph was changed each time while it was read; back up when no job ends: stop "
                "the workers (circuits down), then try again"
            )
    return _told(file, manifest, size)


def restore(settings: Settings, file: Path, *, force: bool) -> BackedUp:
    """Read a backup into an empty graph and the artifact store, whole or not at all.

    Raises:
        SpecError: The file is no backup, or was changed; or a worker is live; or the graph is not
            empty and `force` is off.
        StoreVersionError: Backup or graph are of a newer release.
        ResourceError: The artifacts cannot be written.
    """
    with _opened(file) as packed:
        manifest = _checked(packed, file)
        if settings.local:
            from workers.local.service import status

            if (pid := status(settings).worker_pid) is not None:
                raise SpecError(f"a worker (process {pid}) uses the graph: circuits down first")
        with opened(settings, worker=False) as (_, store):
            _refuse_workers(store, settings.lease_seconds)
            _restore(store, marked_store(settings, store), packed, manifest, force)
    return _told(file, manifest, file.stat().st_size)


def _write(service: Service, target: IO[bytes]) -> Manifest | None:
    """A backup; None where the graph has changed meanwhile."""
    store, hashes, missing = service.store, dict[str, str](), list[str]()
    before = dump.counted(store)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as packed:
        hashes[NODES], n_nodes = _write_lines(packed, NODES, dump.nodes_of(store))
        hashes[LINKS], n_links = _write_lines(packed, LINKS, dump.links_of(store))
        if before != dump.counted(store):
            return None
        if before != (n_nodes, n_links):
            raise ResourceError(
                f"the graph holds {before.nodes:,} nodes and {before.links:,} relationships, of "
                f"which {n_nodes:,} and {n_links:,} are of the data model: use a database of its "
                "own, or the server's own backup"
            )
        for key in sorted(referred_artifacts(store)):
            try:
                data = service.artifacts.load_bytes(key)
            except NotFoundError:
                missing.append(key)
                continue
            packed.writestr(FOLDER + key, data, zipfile.ZIP_STORED)
            hashes[FOLDER + key] = hashlib.sha256(data).hexdigest()
        manifest = Manifest(
            schema_version=migrations.VERSION,
            created_at=round(time.time() * 1000),
            nodes=n_nodes,
            relationships=n_links,
            files=hashes,
            missing=tuple(missing),
        )
        packed.writestr(MANIFEST, manifest.model_dump_json(indent=1))
    return manifest


def _write_lines(
    packed: zipfile.ZipFile, name: str, parts: Iterable[dump.Node | dump.Link]
) -> tuple[str, int]:
    """Parts of the graph, one a line; their hash, and how many."""
    found, n = hashlib.sha256(), 0
    with packed.open(name, "w", force_zip64=True) as entry:
        for part in parts:
            line = json.dumps(part, ensure_ascii=False).encode() + b"\n"
            found.update(line)
            entry.write(line)
            n += 1
    return found.hexdigest(), n


def _opened(file: Path) -> zipfile.ZipFile:
    try:
        if file.exists() and not file.is_file():  # a pipe would be waited for
            raise SpecError(f"{str(file)!r} is no regular file; give the path of a backup")
        return zipfile.ZipFile(file)
    except OSError as error:
        raise SpecError(
            f"cannot read {str(file)!r}: {error.strerror}; give the path of a backup"
        ) from error
    except CircuitServiceError:
        raise
    except Exception as error:  # a directory that is damaged ends in nearly any of Python's errors
        raise SpecError(f"{str(file)!r} is no whole backup: {error}") from error


def _checked(packed: zipfile.ZipFile, file: Path) -> Manifest:
    """The manifest of a backup of which every byte is the one that was written.

    And of which every line is a part of a graph: `--force` deletes what is there, once and for all.
    """
    damaged = f"{str(file)!r} is no backup, or was damaged"
    try:
        with packed.open(MANIFEST) as entry:
            text = entry.read(MOST_MANIFEST + 1)
        manifest = Manifest.model_validate_json(text)
        names = [each for each in packed.namelist() if each != MANIFEST]
        if sorted(names) != sorted(manifest.files) or not {NODES, LINKS} <= set(names):
            raise SpecError(f"{damaged}: it does not hold the files that its manifest names")
        for name, expected in manifest.files.items():
            if name not in (NODES, LINKS) and not _is_artifact(name):
                raise SpecError(f"{damaged}: {name!r} is no name of an artifact")
            _require_no_bomb(packed.getinfo(name))
            if _hash(packed, name) != expected:
                raise SpecError(f"{damaged}: {name!r} is not the file that was written")
        found = _counted(packed)
    except (CircuitServiceError, MemoryError):
        raise
    except Exception as error:  # encrypted, packed in another way, torn
        raise SpecError(f"{damaged}: {type(error).__name__}") from error
    if manifest.schema_version > migrations.VERSION:
        raise StoreVersionError(
            f"{str(file)!r} has schema version {manifest.schema_version}, this code knows "
            f'{migrations.VERSION}: upgrade the code (pip install --upgrade "circuit-atlas")'
        )
    if found != (manifest.nodes, manifest.relationships):
        raise SpecError("the backup holds another number of nodes than its manifest says")
    return manifest


def _counted(packed: zipfile.ZipFile) -> dump.Counts:
    """How many parts its lines are; each is looked at."""
    n_nodes = sum(1 for _ in lines(packed, NODES, dump.Node))
    return dump.Counts(n_nodes, sum(1 for _ in lines(packed, LINKS, dump.Link)))


def _require_no_bomb(entry: zipfile.ZipInfo) -> None:
    """Refuse an artifact that is packed: ours are not, and each is read whole."""
    if entry.filename.startswith(FOLDER) and entry.file_size != entry.compress_size:
        raise SpecError(
            f"the backup's {entry.filename!r} has {entry.file_size:,} bytes packed into "
            f"{entry.compress_size:,}; `circuits backup` packs no artifact, and none is unpacked"
        )


def _is_artifact(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return name.startswith(FOLDER) and len(parts) > 1 and ".." not in parts and "\\" not in name


def _hash(packed: zipfile.ZipFile, name: str) -> str:
    found = hashlib.sha256()
    with packed.open(name) as entry:
        while data := entry.read(CHUNK):
            found.update(data)
    return found.hexdigest()


def _refuse_workers(store: GraphStore, lease: float) -> None:
    if live := live_workers(store):
        named = ", ".join(f"process {each.pid} of {each.host}" for each in live)
        raise SpecError(
            f"workers that are live would write into the graph meanwhile: {named}; stop all of "
            "them first; --force does not help. One that was killed counts as live until its lease "
            f"of {lease:g} s is over"
        )


def _restore(
    store: GraphStore,
    artifacts: ArtifactStore,
    packed: zipfile.ZipFile,
    manifest: Manifest,
    force: bool,
) -> None:
    if migrations.being_restored(store.rows) is None:
        store.migrate()  # the artifacts are marked with the graph, before it is emptied
    artifacts.require_writable()
    who = f"process {os.getpid()} of {socket.gethostname()} since {time.strftime('%F %T')}"
    dump.begin(store, who, force=force)
    try:
        for name in manifest.files:
            if name.startswith(FOLDER):
                artifacts.save_bytes(name.removeprefix(FOLDER), packed.read(name))
        dump.write_graph(store, lines(packed, NODES, dump.Node), lines(packed, LINKS, dump.Link))
    except BaseException:
        dump.give_up(store)
        raise
    dump.end(store, manifest.schema_version)


def _told(file: Path, manifest: Manifest, size: int) -> BackedUp:
    return BackedUp(
        file=file,
        schema_version=manifest.schema_version,
        nodes=manifest.nodes,
        relationships=manifest.relationships,
        artifacts=sum(name.startswith(FOLDER) for name in manifest.files),
        bytes=size,
        missing=manifest.missing,
    )
