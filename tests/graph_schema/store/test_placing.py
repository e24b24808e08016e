"""A job and the workers that may serve it, on every server."""

from __future__ import annotations

from graph_schema.documents.jobs import Demand, Device, JobState, Need, Offer
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.workers import (
    announce_worker,
    forget_old_workers,
    forget_worker,
    live_workers,
)
from tests.aged import aged
from tests.graph_schema.store.test_giving_back import put_off
from tests.graph_schema.store.test_jobs import LONG, PLACEMENT, a_spec, claim, queued

ON_A_GPU = PLACEMENT.model_copy(update={"device": "cuda"})
CPU, GPU = Offer({Device.CPU: 16}), Offer({Device.CPU: 16, Device.CUDA: 40})


def take(store: GraphStore, job_id: str, offer: Offer) -> object:
    return jobs.claim_served(store, job_id, "t", owner="w", lease=LONG, max_attempts=3, offer=offer)


def test_a_job_is_left_to_who_serves_it_and_sent_there_once(store: GraphStore) -> None:
    job_id = jobs.submit(store, a_spec(), ON_A_GPU).record.job_id
    assert take(store, job_id, CPU) == jobs.Unserved(Demand(Device.CUDA)), "it has its message"
    older = "MATCH (j:Job {job_id: $id}) REMOVE j.resources"
    store.write(lambda tx: tx.run(older, id=job_id).consume())
    sent = jobs.Unserved(Demand(Device.CUDA), (job_id,))
    assert [take(store, job_id, CPU) for _ in range(2)] == [sent, jobs.Unserved(sent.demand)]
    record = jobs.get(store, job_id)
    assert (record.state, record.attempts, record.owner) == (JobState.QUEUED, 0, None)
    assert take(store, job_id, GPU) == jobs.get(store, job_id)
    assert jobs.get(store, job_id).attempts == 1


def test_a_job_that_is_not_to_be_had_is_sent_nowhere(store: GraphStore) -> None:
    first = queued(store)
    needy = jobs.submit(store, a_spec(), ON_A_GPU, needs=[Need(job_id=first)]).record.job_id
    assert take(store, needy, CPU) is None
    jobs.cancel(store, needy)
    assert take(store, needy, CPU) is None


def test_a_message_is_missed_in_its_own_queue_however_full_another_is(store: GraphStore) -> None:
    """Jobs that nobody serves keep their messages for good, and hide no lost one."""
    waiting = [jobs.submit(store, a_spec(), ON_A_GPU).record.job_id for _ in range(2)]
    lost = queued(store)
    for job_id in (*waiting, lost):
        aged(store, job_id)
    assert jobs.overdue(store, resend=10, depths={"cuda": 3, "cpu": 0}) == (lost,)
    assert jobs.overdue(store, resend=10, depths={"cuda": 2, "cpu": 1}) == ()
    aged(store, waiting[0], 1)  # else the ids decide, or the milliseconds between the two
    assert jobs.overdue(store, resend=10, depths={"cuda": 1, "cpu": 1}) == (waiting[0],)


def test_what_an_earlier_version_submitted_is_counted_where_it_is_sent_again(
    store: GraphStore,
) -> None:
    job_id = jobs.submit(store, a_spec(), ON_A_GPU).record.job_id
    older = "MATCH (j:Job {job_id: $id}) REMOVE j.resources"
    store.write(lambda tx: tx.run(older, id=job_id).consume())
    aged(store, job_id)
    assert jobs.overdue(store, resend=10, depths={"cpu": 1}) == ()
    assert jobs.overdue(store, resend=10, depths={"cuda": 1}) == (job_id,)
    assert jobs.settle(store, job_id, resend=10, max_attempts=3).send == (job_id,)
    aged(store, job_id)
    assert jobs.overdue(store, resend=10, depths={"cuda": 1}) == ()


def test_jobs_wait_for_those_who_serve_them(store: GraphStore) -> None:
    job_id = jobs.submit(store, a_spec(), ON_A_GPU).record.job_id
    assert jobs.count_waiting(store, ["cpu"]) == 0
    assert jobs.count_waiting(store, ["cuda", "cpu"]) == 1
    assert claim(store, job_id, "t")
    assert jobs.count_waiting(store, ["cuda", "cpu"]) == 0


def test_a_worker_is_live_while_it_says_so_and_its_job_is_named(store: GraphStore) -> None:
    for name, lease in (("w1", LONG), ("w2", LONG), ("dead", -1.0), ("long dead", -7200.0)):
        announce_worker(store, name, host="h", pid=1, serves="cpu:8", lease=lease)
    announce_worker(store, "w1", host="h", pid=1, serves="cpu:8", lease=LONG)
    job_id = queued(store)
    assert jobs.claim(store, job_id, "t", owner="w2", lease=LONG, max_attempts=3)
    on = {worker.worker_id: worker.job_id for worker in live_workers(store)}
    assert on == {"w1": None, "w2": job_id}
    forget_worker(store, "w1")
    forget_old_workers(store)
    assert [worker.worker_id for worker in live_workers(store)] == ["w2"]
    left = store.rows("MATCH (w:Worker) RETURN w.worker_id AS id ORDER BY id")
    assert [row["id"] for row in left] == ["dead", "w2"]


def test_no_job_is_taken_or_sent_while_a_backup_is_restored(store: GraphStore) -> None:
    waiting, lapsed, again, done = (queued(store) for _ in range(4))
    ended = "MATCH (j:Job {job_id: $id}) SET j.state = 'succeeded'"
    needy = queued(store, [Need(job_id=done)])
    store.write(lambda tx: tx.run(ended, id=done).consume())
    assert claim(store, lapsed, "dead")
    put_off(store, again)
    due = {waiting, lapsed, needy, again}
    for job_id in due:
        aged(store, job_id)
    assert set(jobs.overdue(store, resend=10, depths={})) == due
    store.write(lambda tx: tx.run("MATCH (s:Schema) SET s.restoring = 'process 1'").consume())
    try:
        assert jobs.overdue(store, resend=10, depths={}) == ()
        assert not any(claim(store, job_id, "t") for job_id in due)
    finally:
        store.write(lambda tx: tx.run("MATCH (s:Schema) REMOVE s.restoring").consume())
    assert all(claim(store, job_id, "t") for job_id in due)


def test_what_no_worker_here_can_do_is_nothing_to_do(store: GraphStore) -> None:
    """Other tests leave jobs here that any worker can do: these need what no other needs."""
    here, away = ["mps-512g"], PLACEMENT.model_copy(update={"device": "mps", "memory_gib": 1000})
    ours = away.model_copy(update={"memory_gib": 500})
    store.write(
        lambda tx: tx.run("MATCH (j:Job {state: 'running'}) SET j.state = 'failed'").consume()
    )
    nobodys = jobs.submit(store, a_spec(), away).record.job_id
    after = jobs.submit(store, a_spec(), ours, needs=[Need(job_id=nobodys)]).record.job_id
    assert not jobs.any_to_do(store, here), "one that waits for the other cannot be done either"
    assert jobs.any_to_do(store, ["mps-1024g"])
    assert claim(store, nobodys, "elsewhere")
    assert jobs.any_to_do(store, here), "what waits for it may be next"
    ended = "MATCH (j:Job {job_id: $id}) SET j.state = 'succeeded'"
    store.write(lambda tx: tx.run(ended, id=nobodys).consume())
    assert jobs.any_to_do(store, here), "nobody has sent it yet"
    jobs.cancel(store, after)
    assert not jobs.any_to_do(store, here)
    own = jobs.submit(store, a_spec(), ours).record.job_id
    assert jobs.any_to_do(store, here)
    put_off(store, own)
    assert jobs.any_to_do(store, here)
    jobs.cancel(store, own)
