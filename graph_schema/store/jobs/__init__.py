"""A job's transitions: submit, claim, renew, finish, fail, release, put off, cancel, settle.

The graph is the record, the broker only delivers. Every transition is one transaction that first
writes a lock property on the Job node (without that Neo4j lets several workers win), then reads
the node and the database's clock, decides, and writes. So each can be asked for twice, late, or
by a worker that lost its lease, and does no harm. Nothing links to a Job node: a renewal would then
abort or block the transaction that writes the result.

What an ended job sets free is returned as the ids to send; sending is the caller's. If the caller
dies before, the reconciler (`overdue`, `settle_all`) finds them.
"""

from graph_schema.store.jobs.giving_back import Patience, put_off, release
from graph_schema.store.jobs.judging import Action, Settled, end_strays, set_free
from graph_schema.store.jobs.lease import (
    Renewal,
    Unserved,
    claim,
    claim_served,
    fail,
    finish,
    renew,
    stop,
)
from graph_schema.store.jobs.parts import (
    drafts_of,
    forget_draft,
    left_drafts,
    once_ended,
    write_part,
)
from graph_schema.store.jobs.removal import (
    failed_before,
    forget_circuit,
    known,
    live_on,
    remove,
    shards_of_jobs,
    that_found,
)
from graph_schema.store.jobs.requests import (
    any_to_do,
    anybody_works,
    cancel,
    count_live,
    count_waiting,
    get,
    get_all,
    list_jobs,
    states,
)
from graph_schema.store.jobs.settling import overdue, release_owner, settle, settle_all
from graph_schema.store.jobs.submitting import Asked, Submitted, submit, submit_all

__all__ = [
    "Action",
    "Asked",
    "Patience",
    "Renewal",
    "Settled",
    "Submitted",
    "Unserved",
    "any_to_do",
    "anybody_works",
    "cancel",
    "claim",
    "claim_served",
    "count_live",
    "count_waiting",
    "drafts_of",
    "end_strays",
    "fail",
    "failed_before",
    "finish",
    "forget_circuit",
    "forget_draft",
    "get",
    "get_all",
    "known",
    "left_drafts",
    "list_jobs",
    "live_on",
    "once_ended",
    "overdue",
    "put_off",
    "release",
    "release_owner",
    "remove",
    "renew",
    "set_free",
    "settle",
    "settle_all",
    "shards_of_jobs",
    "states",
    "stop",
    "submit",
    "submit_all",
    "that_found",
    "write_part",
]
