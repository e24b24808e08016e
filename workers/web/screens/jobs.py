"""The board of jobs and each job: how far it is, what came of it, why it failed; live by events."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

import anyio
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from graph_schema.documents.jobs import JobRecord, JobState, Placement, read_spec
from graph_schema.errors import SpecError, StoreUnavailable
from graph_schema.printable import in_json, printable
from graph_schema.store.connection import GraphStore
from graph_schema.store.jobs import get_all
from graph_schema.store.jobs.board import Place, count_by_state, digest, read_page, stirring
from graph_schema.store.records.remarks import read_remarks
from graph_schema.store.records.runs import run_of_circuit
from workers.client.asked_again import with_failed_needs
from workers.local.job_log import JobLog
from workers.requests.checking import choice
from workers.requests.shards import sharded
from workers.requests.submission import Submission
from workers.results.job_facts import JobFacts, job_facts
from workers.web.pages import address
from workers.web.site import Site
from workers.web.taking import call, with_client

PAGE = 50
FETCHED, MOST_FETCHED = 500, 5_000
"""Jobs that are read at once, and at most, to find those that pass a filter."""
FILTERS = ("state", "model", "task", "method")
LOOK_SECONDS, AWAY_SECONDS = 1.0, 3.0
RETRY_MILLISECONDS = 1_000
LOG_LINES = 25


@dataclass(frozen=True)
class Row:
    """A job of the board, with what was asked and how long its stage will still take."""

    record: JobRecord
    asked: JobFacts
    left: float | None


@dataclass(frozen=True)
class Page:
    """What a board shows; `older` is where it goes on, `looked` how many were looked at."""

    records: tuple[JobRecord, ...]
    older: Place | None
    looked: int


def board(site: Site, request: Request) -> Response:
    """Jobs, the newest first, a page at a time."""
    given = {name: request.query_params.get(name, "").strip() for name in FILTERS}
    before, store = request.query_params.get("before", ""), site.service.store
    others = stirring(store)  # before the page: what happens between the two is told again
    page = _page(store, given, before)
    older = None if page.older is None else address("/jobs", given, before=page.older)
    return site.page(
        request,
        "jobs.html",
        rows=_rows(site, page.records),
        given=given,
        newest=address("/jobs", given) if before else None,
        older=older,
        looked=page.looked,
        counts=count_by_state(store),
        stir=digest(page.records, others),
        events=address("/jobs/events", given, before=before),
        here=address("/jobs", given, before=before),
        code={"Python": _listed(given)},
    )


def show(site: Site, request: Request) -> Response:
    """One job."""
    record = site.service.job(request.path_params["job"])
    if record.job_id != request.path_params["job"]:
        return RedirectResponse(f"/jobs/{record.job_id}", 303)
    store = site.service.store
    run = run_of_circuit(store, record.circuit_ids[0]) if record.circuit_ids else None
    return site.page(
        request,
        "job.html",
        row=_rows(site, (record,))[0],
        record=record,
        needs=get_all(store, [need.job_id for need in record.needs]),
        waits=site.service.serving.waits([record]).get(record.job_id),
        run=run,
        remarks=read_remarks(store, [record.job_id]),
        log=_log(site, record),
        spec=_readable(record.spec),
        placement=_readable(record.placement),
        code=_code(record),
        stir=digest([record]),
        events=address("/jobs/events", job=record.job_id),
    )


def cancel(site: Site, request: Request, fields: Mapping[str, str]) -> Response:
    """Ask for a job's end."""
    job = site.client.job(request.path_params["job"])
    if not job.state.ended:
        job.cancel()
    return RedirectResponse(f"/jobs/{job.job_id}", 303)


def rerun(site: Site, request: Request, fields: Mapping[str, str]) -> Response:
    """Run an ended job again, as it was asked for; first what it failed with."""
    record = site.service.job(request.path_params["job"])
    if not record.state.ended:
        raise SpecError(f"job {record.job_id[:12]} is {record.state.value}: it has not ended yet")
    again = [
        Submission(
            read_spec(each.spec),
            Placement.model_validate_json(each.placement),
            None,
            each.needs,
        )
        for each in with_failed_needs(site.service.store, record)
    ]
    if record.state is JobState.SUCCEEDED:  # what its shards found is gone with its end
        again = [sharded(each) for each in again]
    site.service.submit_many(again, force=True)
    return RedirectResponse(f"/jobs/{record.job_id}", 303)


def events(site: Site, request: Request) -> Response:
    """Says whenever something happened to what a page shows; the page then asks for itself again.

    An event's id is a digest of what is stored. A browser that comes back names the last one that
    it had, to this server or to one started since: it is told where that is no longer so, and told
    nothing where it is. What it shows is a page of the graph, so no row is lost or there twice.
    """
    if request.method == "HEAD":  # events never end by themselves, and this one would see none
        return Response(media_type="text/event-stream")
    asked = dict(request.query_params)
    if asked.get("state"):  # else it would fail again and again, once the answer has begun
        choice("state", JobState, asked["state"])
    seen = request.headers.get("last-event-id") or asked.get("seen", "")
    return EventSourceResponse(_changes(site, request, asked, seen), ping=15)


async def _changes(
    site: Site, request: Request, asked: Mapping[str, str], seen: str
) -> AsyncGenerator[ServerSentEvent]:
    shown: list[str] | None = None
    yield ServerSentEvent(comment="here", retry=RETRY_MILLISECONDS)
    while not await request.is_disconnected():
        began = time.monotonic()
        try:
            shown, now = await run_in_threadpool(_look, site, asked, shown)
            if now != seen:
                # Others may be on the page now.
                shown, seen = await run_in_threadpool(_look, site, asked, None)
                yield ServerSentEvent(event="changed", id=seen, data=seen)
        except StoreUnavailable:
            await run_in_threadpool(site.reconnect)
            await anyio.sleep(AWAY_SECONDS)
            continue
        # What takes the graph long is asked less often.
        await anyio.sleep(max(LOOK_SECONDS, 3 * (time.monotonic() - began)))


def _look(site: Site, asked: Mapping[str, str], shown: list[str] | None) -> tuple[list[str], str]:
    """The jobs that a page shows (those of before, where they are given), and its digest now."""
    store, job = site.watched.store, asked.get("job")
    if job is not None:
        return [job], digest(get_all(store, [job]))
    others = stirring(store)
    if shown is None:
        records = _page(store, asked, asked.get("before", "")).records
    else:
        records = get_all(store, shown)
    return [record.job_id for record in records], digest(records, others)


def _page(store: GraphStore, given: Mapping[str, str], before: str) -> Page:
    """The jobs of a page: those that pass, among the newest that are older than `before`."""
    state = choice("state", JobState, given["state"]) if given.get("state") else None
    older = Place.parse(before)
    if not any(given.get(name) for name in ("model", "task", "method")):
        found = read_page(store, state=state, older_than=older, limit=PAGE + 1)
        shown = found[:PAGE]
        more = Place(shown[-1].submitted_at, shown[-1].job_id) if len(found) > PAGE else None
        return Page(shown, more, len(shown))
    now, looked = time.time(), 0
    passed: list[JobRecord] = []
    while looked < MOST_FETCHED:
        found = read_page(store, state=state, older_than=older, limit=FETCHED)
        for record in found:
            looked += 1
            older = Place(record.submitted_at, record.job_id)
            facts = job_facts(record, now)
            if facts.passes(*(given.get(name) or None for name in ("model", "task", "method"))):
                passed.append(record)
                if len(passed) == PAGE:
                    return Page(tuple(passed), older, looked)
        if len(found) < FETCHED:
            return Page(tuple(passed), None, looked)
    return Page(tuple(passed), older, looked)


def _listed(given: Mapping[str, str]) -> str:
    """What lists the same jobs elsewhere."""
    said = {name: value for name, value in given.items() if value}
    jobs = call("client.jobs", **said, limit=PAGE)
    return with_client(f"for job in {jobs}:", "    print(job)")


def _code(record: JobRecord) -> str:
    """What waits for the same job elsewhere, and has what came of it."""
    outcome = "print(job.outcome())  # waits for it, and raises what it failed with"
    return with_client(f'job = client.job("{record.job_id}")', outcome)


def _readable(text: str) -> str:
    """JSON on several lines: exact, and without a character that shows it in another order."""
    several = json.dumps(json.loads(text), indent=1, ensure_ascii=False)
    return "\n".join(map(in_json, several.split("\n")))


def _log(site: Site, record: JobRecord) -> str:
    """The end of what this home's logs say of a job; "" where it was never begun here."""
    if record.started_at is None:
        return ""
    lines = JobLog(site.client.settings.log_dir, record.job_id).new_lines()
    return "\n".join(map(printable, lines[-LOG_LINES:]))


def _rows(site: Site, records: tuple[JobRecord, ...]) -> list[Row]:
    now = time.time()
    return [Row(each, job_facts(each, now), site.paces.left(each)) for each in records]
