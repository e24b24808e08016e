"""Circuits and jobs deleted: what hangs on them is named first, what others rest on is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graph_schema.documents.base import LAST
from graph_schema.errors import NotFoundError, SpecError
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import resolve_circuit, stored_header
from graph_schema.store.records.hanging import (
    Found,
    found_by,
    hanging_on,
    job_of_circuit,
    resting_on,
)
from graph_schema.store.records.remarks import read_remarks, remove_all_remarks
from graph_schema.store.records.removal import (
    Write,
    remove_circuit,
    remove_evaluation,
    remove_report,
    remove_role_graph,
    remove_role_test,
    remove_traces,
)
from workers.job.drafts import clear_drafts
from workers.results.deletion import Deletion

if TYPE_CHECKING:
    from neo4j import Transaction

    from workers.client.service import Service


def deletion(service: Service, id: str) -> Deletion:
    """What goes where the circuit or job with this id is deleted.

    Raises:
        NotFoundError: None has it, or several have.
        SpecError: It is at work, or other stored things show it; or the id is `last`.
    """
    store = service.store
    circuit, job = _resolved(store, id)
    found = found_by(store, job) if circuit is None and job is not None else Found()
    circuits = found.circuits if circuit is None else (circuit,)
    going = set[str]() if job is None else {job}
    owner = None if circuit is None else job_of_circuit(store, circuit)
    if owner is not None and not set(found_by(store, owner).circuits) - {circuit}:
        going = {owner}
    if elsewhere := sorted(set(found.shown_by) - set(circuits)):
        raise SpecError(
            f"circuit {elsewhere[0][:12]} shows the figures of job {id[:12]} as its own; delete "
            "that circuit, or keep both"
        )
    hanging = hanging_on(store, circuits)
    going.update(jobs.known(store, hanging.evaluations))
    going.update(jobs.shards_of_jobs(store, sorted(going)))
    ids = [*circuits, *going, *found.role_tests, *found.role_graphs, *hanging.evaluations]
    if live := jobs.live_on(store, [*ids, *([owner] if owner else [])]):
        raise SpecError(
            f"{id!r} is in use: job {live[0][:12]} is queued or running and needs it or is it; "
            f"wait for it, or end it: circuits cancel {live[0][:12]}"
        )
    gone = jobs.known(store, sorted(going))
    own = [*going, *found.verdicts, *found.reports, *found.role_graphs]
    rests = resting_on(store, ids, own)
    return Deletion(
        id=circuit or job or "",
        circuits=circuits,
        jobs=gone,
        edges=hanging.edges,
        evaluations=tuple(sorted({*hanging.evaluations, *found.evaluations})),
        role_tests=found.role_tests,
        role_graphs=found.role_graphs,
        reports=found.reports,
        verdicts=found.verdicts,
        annotations=hanging.annotations + len(read_remarks(store, [*circuits, *gone])),
        occurrences=hanging.occurrences,
        motif_tests=hanging.motif_tests,
        artifacts=_artifacts(store, circuits),
        resting_verdicts=rests.verdicts,
        resting_reports=rests.reports,
        resting_role_graphs=rests.role_graphs,
        resting_matrices=rests.matrices,
    )


def delete(service: Service, id: str, *, even_evidence: bool) -> Deletion:
    """Delete a circuit or a job with what hangs on it; returns what went.

    What it is is looked at anew. Ended half-way, it is done again by the same words.

    Raises:
        NotFoundError: None has the id, or several have.
        SpecError: It is at work or shown; or something rests on it, and `even_evidence` is off.
    """
    store, told = service.store, deletion(service, id)
    if told.is_evidence and not even_evidence:
        raise SpecError(
            f"{id!r} is what others rest on ({told.rests()}), which stay without their evidence; "
            "delete it all the same with --even-evidence (even_evidence=True)"
        )
    owners = {each: job_of_circuit(store, each) for each in told.circuits}
    for circuit in told.circuits:
        owner = owners[circuit]
        remove_circuit(store, circuit, _while_ended(store, owner))
        if owner is not None and owner not in told.jobs:
            jobs.forget_circuit(store, owner, circuit)
    for evaluation in told.evaluations:
        remove_evaluation(store, evaluation)
    for role_test in told.role_tests:
        remove_role_test(store, role_test)
    for role_graph in told.role_graphs:
        remove_role_graph(store, role_graph)
    for report in told.reports:
        remove_report(store, report, told.verdicts)
    for job in told.jobs:  # last: what is left half-way is found by it
        remove_traces(_while_ended(store, job), job)
        clear_drafts(store, job)
        jobs.remove(store, job)
    store.write(lambda tx: remove_all_remarks(tx, [*told.circuits, *told.jobs]))
    return told


def _while_ended(store: GraphStore, job: str | None) -> Write:
    """Writes as long as the job, where it is still on record, has not been submitted again.

    What such a job stores has the ids of what goes.
    """
    if job is None or not jobs.known(store, [job]):
        return store.write

    def write(work: Callable[[Transaction], Any]) -> Any:
        done = jobs.once_ended(store, job, lambda tx: (work(tx),))
        if done is None:
            raise SpecError(
                f"job {job[:12]} has been submitted again meanwhile, and stores anew what was to "
                "go; nothing more is deleted"
            )
        return done[0]

    return write


def _resolved(store: GraphStore, id: str) -> tuple[str | None, str | None]:
    """The circuit, or the job, whose id starts so.

    A job that names a circuit which is gone was being deleted with it.
    """
    if id == LAST:
        raise SpecError(
            "what the last one is may change while this is read: give the id of what is to go; "
            "`circuits list` and `circuits jobs` show it"
        )
    circuit = job = None
    said: list[str] = []
    try:
        circuit = store.read(lambda tx: resolve_circuit(tx, id))
    except NotFoundError as error:
        said.append(str(error))
    try:
        job = jobs.get(store, id).job_id
    except NotFoundError as error:
        said.append(str(error))
    if circuit is not None and job is not None:  # of `last` too
        raise NotFoundError(
            f"id {id!r} is the start of circuit {circuit} and of job {job}; give more digits"
        )
    if len(said) == 2:
        left = jobs.that_found(store, id)
        if len(left) != 1:
            raise NotFoundError("; ".join(said))
        (job,) = left
    return circuit, job


def _artifacts(store: GraphStore, circuits: tuple[str, ...]) -> tuple[str, ...]:
    found = set[str]()
    for circuit in circuits:
        header = store.read(lambda tx, circuit=circuit: stored_header(tx, circuit))
        if header is not None:
            found.update(ref.key for ref in header.artifacts.values())
    return tuple(sorted(found))
