"""A job done in this process: `circuits run`.

It goes the way of a worker's child (claim, lease, work, result in one transaction), without a
queue. Should another process have claimed the same job first, that one does it and this one looks
on; should it die, the job is done here once its lease is over: there may be no worker to see it.
Ctrl-C cancels the job in the graph, whoever has it, and those that were submitted with it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from graph_schema.documents.jobs import SHARD_KIND, JobState
from graph_schema.errors import MissingExtraError, NotFoundError, SpecError, StoreUnavailable
from graph_schema.store import jobs
from workers.broker import deliver
from workers.client import CircuitClient, Job
from workers.client.bars import Bars
from workers.client.service import Service
from workers.interrupts import JobInterrupted, interrupts_heard
from workers.requests.discover import DiscoverRequest, Submission, build_submission
from workers.running.lifecycle import Performer, Work
from workers.running.owner import owner_name

INLINE_PATIENCE = 60.0
LOOK_SECONDS = 1.0
"""Between two looks at a job that another process has; Ctrl-C waits no longer than this."""


def run_here(client: CircuitClient, request: DiscoverRequest, *, force: bool = False) -> Job:
    """The ended job of a request. Ctrl-C cancels it, also where another process does it.

    Raises:
        JobInterrupted: Ctrl-C was pressed after the job was asked for.
        SpecError: The request is wrong.
        MissingExtraError: Torch is not installed.
        StoreUnavailable: The graph cannot be reached.
    """
    if request.shards > 1:
        raise SpecError(
            f"shards is {request.shards}, which are for several workers; a job is done here in one "
            "piece: leave shards out, or submit it (circuits submit)"
        )
    submission = build_submission(request, client.settings.limits, client.settings.cache_dir)
    return do_here(client, submission, force)


def do_here(client: CircuitClient, submission: Submission, force: bool = False) -> Job:
    """The ended job of a checked request, of whatever kind; as `run_here`."""
    work_for = _load()
    service = client.service  # a local one is started before Ctrl-C has to wait
    with interrupts_heard() as check_interrupt:
        try:
            record = service.submit(submission, force=force, send=False)
            job = Job(client, record, submission, send=False)
            asked = {each.spec.job_id: each for each in submission.before}
            # Also the shards of a job that was submitted before; what else it needs it waits for.
            needed = dict.fromkeys([*asked, *(need.job_id for need in record.needs)])
            known = () if job.state.ended else service.records(list(needed))
            for each in known:
                if each.job_id not in asked and each.kind != SHARD_KIND:
                    continue
                before = Job(client, each, asked.get(each.job_id), send=False).refresh()
                if not before.state.ended:
                    _see_through(before, client, work_for, check_interrupt)
            if not job.refresh().state.ended:
                _see_through(job, client, work_for, check_interrupt)
        except KeyboardInterrupt:
            raise JobInterrupted(_cancelled(client, submission)) from None
    return job


def _see_through(
    job: Job,
    client: CircuitClient,
    work_for: Callable[[Service, Performer], Work],
    check_interrupt: Callable[[], None],
) -> None:
    """Do the job here, or look on while another process does, until it has ended."""
    service = client.service
    with owner_name(client.settings.home) as owner, Bars(f"job {job.job_id[:12]}") as bars:

        def report(stage: str, done: int, total: int) -> None:
            check_interrupt()
            bars(stage, done, total)

        # One more attempt, not three: whoever typed the command can type it again.
        once = {"max_attempts": job.record.attempts + 1, "put_off_seconds": 0.0}
        settings = client.settings.model_copy(update=once)
        performer = Performer(
            settings,
            service.address,
            owner=owner,
            deliver=lambda job_ids: deliver(service.store, service.app, job_ids),
            patience=INLINE_PATIENCE,
            log_place="standard error",
            quiet=True,
        )
        work = work_for(service, performer)
        try:
            while not job.state.ended:
                check_interrupt()
                if not performer.perform(job.job_id, work, report=report):
                    # Lapsed and not to be had (cancelled, no attempt left): no worker may see it.
                    settled = jobs.settle(
                        performer.store,
                        job.job_id,
                        resend=settings.resend_seconds,
                        max_attempts=settings.max_attempts,
                    )
                    performer.deliver(found for found in settled.send if found != job.job_id)
                    _look_on(job, bars)
                job.refresh().submit_here()
        finally:
            performer.close()


def _cancelled(client: CircuitClient, submission: Submission) -> str:
    """Cancel the job and those that came with it; what became of them, for who pressed Ctrl-C.

    The job itself first: it must not start because what it needs has ended.
    """
    told = _cancel(client, submission.spec.job_id)
    ended = 0
    for each in _with_before(submission)[1:]:
        try:
            if client.service.job(each).state.ended:
                continue
            client.service.cancel(each)
        except NotFoundError:
            continue  # not yet submitted
        except (StoreUnavailable, KeyboardInterrupt) as error:
            why = str(error) or "Ctrl-C was pressed again"
            return (
                f"{told}; of the jobs that it needs some may not be cancelled: {why}; see which "
                "with: circuits jobs"
            )
        ended += 1
    if not ended:
        return told
    return f"{told}; with it {ended} of the jobs that it needs"


def _with_before(submission: Submission) -> list[str]:
    """The id of a job, and of those that come with it: each before what it needs itself."""
    later = [each for one in reversed(submission.before) for each in _with_before(one)]
    return [submission.spec.job_id, *later]


def _cancel(client: CircuitClient, job_id: str) -> str:
    """Cancel one job in the graph; what became of it."""
    short = job_id[:12]
    try:
        record = client.service.cancel(job_id)
    except NotFoundError:
        return "interrupted: the job was not yet submitted"
    except (StoreUnavailable, KeyboardInterrupt) as error:
        why = str(error) or "Ctrl-C was pressed again"
        return (
            f"interrupted, but job {job_id} may not be cancelled: {why}; see what became of it "
            f"with: circuits job {short}; end it with: circuits cancel {short}"
        )
    if record.state is JobState.CANCELLED:
        return f"interrupted: job {job_id} is cancelled; the same command starts it again"
    if record.state.ended:
        return f"interrupted: job {job_id} had already ended: {record.state.value}"
    return (
        f"interrupted: job {job_id} was asked to cancel; another process does it and ends it at "
        f"its next step; see when with: circuits job {short} --wait"
    )


def _look_on(job: Job, bars: Bars) -> None:
    """Show how far the process is that has the job, until it is time to ask for it again."""
    if step := job.record.progress:
        bars(step.stage, step.done, step.total)
    with suppress(TimeoutError):
        job.wait(LOOK_SECONDS, progress=False)


def _load() -> Callable[[Service, Performer], Work]:
    """What makes the work of a job; fails before anything is stored where torch is missing."""
    try:
        import torch

        from workers.job.model_cache import ModelCache
        from workers.kinds.perform import run_job
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{error.name} is not installed here; run: pip install "
            '"circuit-atlas[worker]", or let a worker elsewhere do it: circuits submit'
        ) from error

    def work_for(service: Service, performer: Performer) -> Work:
        torch.set_num_threads(service.settings.threads)
        return partial(
            run_job,
            settings=service.settings,
            store=performer.store,
            artifacts=service.artifacts,
            models=ModelCache(),
        )

    return work_for
