"""The local service, the graph database and the broker: whether they answer to these settings."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import LiteralString

from graph_schema.errors import StoreUnavailable
from graph_schema.printable import without_secrets
from graph_schema.store.connection import GraphStore, StoreAddress
from graph_schema.store.migrations import VERSION
from workers import broker
from workers.broker_url import queue_folder
from workers.doctor.checks import Finding, fail, ok, warn
from workers.local.files import Phase, ServiceFiles, own_home
from workers.local.goes_by import differences
from workers.local.service import status
from workers.settings import Settings

ANSWER_SECONDS = 6.0
CLOCK_SECONDS = 5.0
"""By how much this machine's clock may differ from the database's without a word."""

_VERSION: LiteralString = "MATCH (s:Schema {name: 'atlas'}) RETURN s.version AS version"
_NOW: LiteralString = "RETURN timestamp() AS now"


def service(settings: Settings) -> Generator[Finding]:
    """How the local service is, where there is to be one."""
    if not settings.local:
        return
    if not _is_used(settings):
        yield ok("service", f"{settings.home} was not used yet: the first command makes it")
        return
    found = status(settings)
    log = settings.log_dir / "supervisor.log"
    if found.elsewhere:
        yield fail(
            "service",
            f"that of {settings.home} runs on {found.elsewhere}, or in a container of its own",
            "work there, or have CIRCUITS_HOME name another folder",
        )
    elif not found.running:
        state = ServiceFiles(settings).read()
        if state is not None and state.phase is Phase.FAILED:
            yield warn(
                "service", f"does not run; it failed: {state.error}", f"circuits up; see {log}"
            )
        else:
            yield ok("service", "does not run: the first command that needs it starts it")
    elif found.worker_failures:
        worker_log = settings.log_dir / "worker.log"
        yield fail(
            "service",
            f"its worker ended with an error {found.worker_failures} times in a row",
            f"see {worker_log}",
        )
    else:
        yield ok("service", f"{found.phase}, pid {found.supervisor_pid}")
    if other := differences(settings):
        yield warn(
            "service",
            f"goes by other settings: {'; '.join(map(str, other))}",
            "circuits down, then it starts with these",
        )


def graph(settings: Settings) -> Generator[Finding]:
    """Whether the database answers, in which version its schema is, and what its clock says."""
    address = _address(settings)
    if address is None:
        yield ok("graph", "the embedded store, which does not run now")
        return
    # A single try for each: whoever asks again is the user.
    with GraphStore(address, patience=0.0, answer=ANSWER_SECONDS) as store:
        before = time.time()
        now = int(store.rows(_NOW)[0]["now"]) / 1000
        after = time.time()
        yield ok("graph", f"{address.uri} answers in {(after - before) * 1000:.0f} ms")
        yield _clock(now, before, after)
        rows = store.rows(_VERSION)
        yield _schema(int(rows[0]["version"]) if rows else None)
        if address.reader_user is not None:
            with store.reader() as reader:
                reader.ping()
            yield ok("graph", f"{address.reader_user} may log in, for users' queries")


def queue(settings: Settings) -> Generator[Finding]:
    """Whether the broker takes messages, and how many wait."""
    folder = queue_folder(settings.broker_url)
    if folder is not None and not folder.exists():
        yield ok("broker", f"the folder {folder}, not there yet: the first job makes it")
        return
    depth = broker.queue_depth(broker.make_app(settings))
    where = f"the folder {folder}" if folder else without_secrets(settings.broker_url)
    yield ok("broker", f"{where} answers, {depth} messages wait")


def _is_used(settings: Settings) -> bool:
    """Whether a service was ever started in the home; what only looks makes no folders there."""
    if settings.home.exists():
        own_home(settings.home)
    return (settings.home / "service").exists()


def _address(settings: Settings) -> StoreAddress | None:
    if not settings.local:
        return settings.store_address()
    if not _is_used(settings):
        return None
    found = status(settings)
    state = ServiceFiles(settings).read()
    if not found.running or found.elsewhere or state is None:
        return None
    if state.phase is not Phase.READY or state.address is None:
        raise StoreUnavailable(
            f"the embedded store is {state.phase.value}; ask again in some seconds"
        )
    return state.address


def _schema(version: int | None) -> Finding:
    if version is None:
        return ok("schema", f"none yet: the first command makes version {VERSION}")
    if version == VERSION:
        return ok("schema", f"version {version}, this code's")
    if version < VERSION:
        return warn(
            "schema",
            f"version {version}, this code's is {VERSION}: the first command brings it there",
            "back up before: older code does not read it then",
        )
    return fail(
        "schema",
        f"version {version} is newer than this code, which knows {VERSION}",
        'pip install --upgrade "circuit-atlas"',
    )


def _clock(now: float, before: float, after: float) -> Finding:
    """The difference that the time of asking does not explain."""
    apart = max(before - now, now - after, 0.0)
    if apart <= CLOCK_SECONDS:
        return ok("clock", f"that of the database differs by less than {CLOCK_SECONDS:g} s")
    return warn(
        "clock",
        f"that of the database is {apart:,.0f} s {'behind' if now < before else 'ahead of'} this "
        "machine's: times and ages of jobs are shown wrong",
        "set both by NTP (leases go by the database's alone)",
    )
