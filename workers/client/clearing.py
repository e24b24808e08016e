"""What a service has gathered and nothing refers to: found, and removed (`circuits gc`).

Whoever writes a file refers to it later: a job saves its arrays and then ends. So files are listed
first and references read after that, a young file is left alone however it looks, and one that has
been written anew since it was listed stays.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from graph_schema.artifacts import StoredFile
from graph_schema.errors import CircuitServiceError, SpecError
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.hanging import Found, found_by, referred_artifacts, resting_on
from graph_schema.store.records.remarks import read_remarks
from graph_schema.store.records.removal import remove_traces
from workers.job.drafts import clear_drafts
from workers.results.cleared import Cleared, Heap
from workers.whose_artifacts import require_own

if TYPE_CHECKING:
    from workers.client.service import Service

T = TypeVar("T")

DAY = 86_400.0

# Other files in the place are somebody else's.
CHECKPOINT = re.compile(r"checkpoints/(?P<job>[0-9a-f]{64})/[^/]+")
ARTIFACT = re.compile(r"[a-z_]+/[0-9a-f]{2}/\.?[0-9a-f]{64}\.safetensors(\.[0-9a-f]{8})?")
OLD_LOG = re.compile(r".+\.log\.\d+")


def clear(service: Service, *, dry_run: bool) -> Cleared:
    """Remove what nothing refers to and old failed jobs; with `dry_run` only say what.

    Raises:
        ResourceError: The artifacts cannot be listed.
        SpecError: Graph and artifacts are not those of one service.
    """
    settings, store, said = service.settings, service.store, list[str]()
    old = time.time() - settings.keep_files_days * DAY
    held = service.artifacts.files()
    require_own(service.artifacts, (file.key for file in held), store, settings)
    files = [file for file in held if file.modified < old]
    failed_for = None if settings.keep_failed_days is None else settings.keep_failed_days * DAY
    records = [] if failed_for is None else _failed_jobs(store, failed_for)
    shards = _done_shards(store, records)
    drafts = {job: ids for job, ids in jobs.left_drafts(store).items() if ids}
    if not dry_run:
        seconds = failed_for or 0.0
        records = _kept_apart(records, lambda job: _remove_job(store, job, seconds), said)
        # Behind their job: one that is submitted again meanwhile needs them.
        own = [shard for shard, job in shards.items() if job in records]
        own = _kept_apart(own, lambda shard: _remove_shard(store, shard, seconds), said)
        shards = {shard: shards[shard] for shard in own}
        done = _kept_apart(drafts, lambda job: bool(clear_drafts(store, job)), said)
        drafts = {job: drafts[job] for job in done}
    checkpoints, artifacts = _unreferred(store, files)
    logs = _old_logs(settings.log_dir, old) if settings.local else []
    if not dry_run:
        remove = service.artifacts.remove_unchanged
        checkpoints = _kept_apart(checkpoints, remove, said)
        artifacts = _kept_apart(artifacts, remove, said)
        logs = _kept_apart(logs, _remove_log, said)
    return Cleared(
        dry_run=dry_run,
        jobs=Heap((*records, *shards)),
        drafts=Heap(tuple(each for ids in drafts.values() for each in ids)),
        checkpoints=_heap(checkpoints),
        artifacts=_heap(artifacts),
        logs=Heap(
            tuple(log.name for log, _ in logs),
            sum(size for _, size in logs),
        ),
        failed=tuple(said),
    )


def _failed_jobs(store: GraphStore, seconds: float) -> list[str]:
    """Jobs that failed so long ago, found nothing by an earlier attempt, and are named nowhere.

    One that somebody tagged or noted is somebody's.
    """
    return [job for job in jobs.failed_before(store, seconds) if _is_nobodys(store, job)]


def _done_shards(store: GraphStore, records: list[str]) -> dict[str, str]:
    """The shards of these jobs that are not among them, each with its job."""
    found = {shard: job for job in records for shard in jobs.shards_of_jobs(store, [job])}
    return {
        shard: job
        for shard, job in found.items()
        if shard not in records and _is_nobodys(store, shard)
    }


def _is_nobodys(store: GraphStore, job: str) -> bool:
    if found_by(store, job) != Found() or jobs.live_on(store, [job]):
        return False
    if read_remarks(store, [job]):
        return False
    return not resting_on(store, [job])


def _remove_job(store: GraphStore, job: str, seconds: float) -> bool:
    clear_drafts(store, job)
    if not jobs.remove(store, job, ended_for=seconds, unless_succeeded=True):
        return False
    remove_traces(store.write, job)
    return True


def _remove_shard(store: GraphStore, shard: str, seconds: float) -> bool:
    if not jobs.remove(store, shard, ended_for=seconds):
        return False
    remove_traces(store.write, shard)
    return True


def _unreferred(
    store: GraphStore, files: list[StoredFile]
) -> tuple[list[StoredFile], list[StoredFile]]:
    """Checkpoints of jobs that are not live, and artifacts that nothing refers to."""
    of_job = {file: found["job"] for file in files if (found := CHECKPOINT.fullmatch(file.key))}
    live = set(jobs.live_on(store, sorted(set(of_job.values())))) if of_job else set[str]()
    referred = referred_artifacts(store)
    artifacts = [f for f in files if ARTIFACT.fullmatch(f.key) and f.key not in referred]
    return [file for file, job in of_job.items() if job not in live], artifacts


def _old_logs(folder: Path, old: float) -> list[tuple[Path, int]]:
    found: list[tuple[Path, int]] = []
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        told = path.lstat()
        if OLD_LOG.fullmatch(path.name) and told.st_mtime < old:
            found.append((path, told.st_size))
    return found


def _remove_log(log: tuple[Path, int]) -> bool:
    log[0].unlink(missing_ok=True)
    return True


def _heap(files: Iterable[StoredFile]) -> Heap:
    found = tuple(files)
    return Heap(tuple(file.key for file in found), sum(file.bytes for file in found))


def _kept_apart(things: Iterable[T], remove: Callable[[T], bool], said: list[str]) -> list[T]:
    """Those that were removed; why others stay is said."""
    gone: list[T] = []
    for thing in things:
        try:
            if remove(thing):
                gone.append(thing)
        except (CircuitServiceError, OSError) as error:
            if not isinstance(error, SpecError):  # a job that somebody submitted again meanwhile
                said.append(str(error))
    return gone
