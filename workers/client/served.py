"""What a queued job waits for, other than its turn: a worker that can serve it, or better times."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from graph_schema.documents.jobs import (
    Demand,
    JobRecord,
    JobState,
    Offer,
    demand_of,
    said_offer,
    served,
)
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.workers import live_workers
from workers.capacity import likely_offer
from workers.settings import Settings

log = logging.getLogger(__name__)

UNSERVED = (
    "job %s %s; it stays queued until such a worker starts, or until it is asked for again with "
    "another --device or --memory"
)


class Serving:
    """What the live workers of a graph serve, for who submits or waits."""

    def __init__(self, store: GraphStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._told: set[object] = set()

    def waits(self, records: Sequence[JobRecord]) -> dict[str, str]:
        """Of these jobs those that no worker can serve now, or that were put off: by id, why.

        A local service starts its worker when it is wanted, so where none lives it counts what
        this machine would serve.
        """
        queued = [record for record in records if record.state is JobState.QUEUED]
        off = {each.job_id: why for each in queued if (why := put_off(each)) is not None}
        return self._waiting(queued, self._live()) | off if queued else {}

    def _live(self) -> list[Offer]:
        return [said_offer(worker.serves) for worker in live_workers(self._store)]

    def _waiting(self, queued: Sequence[JobRecord], live: list[Offer]) -> dict[str, str]:
        there, of = live, f"{len(live)} workers live serve {served(live)}"
        if len(live) == 1:
            of = f"the 1 worker that lives serves {served(live)}"
        elif not live and self._settings.local:
            there = [likely_offer(self._settings)]
            of = f"the local service's would serve {served(there)}"
        elif not live:
            of = "no worker is live"
        waiting: dict[str, str] = {}
        for record in queued:
            demand = demand_of(record.placement)
            if not any(offer.serves(demand) for offer in there):
                waiting[record.job_id] = f"waits for a worker with {demand}; {of}"
        return waiting

    def tell(self, record: JobRecord) -> bool:
        """Whether it waits for a worker that is not there, or was put off.

        Said once for all that need the same worker, and each time that it is put off.

        Where no worker lives at all, and any would do, that is for others to say (`watch.py`).
        """
        if record.state is not JobState.QUEUED:
            return False
        if (off := put_off(record)) is not None:
            if (record.job_id, record.put_off) not in self._told:
                self._told.add((record.job_id, record.put_off))
                log.warning("job %s %s", record.job_id[:12], off)
            return True
        live, demand = self._live(), demand_of(record.placement)
        if not live and demand == Demand():
            return False
        why = self._waiting([record], live).get(record.job_id)
        if why is not None and demand.name not in self._told:
            self._told.add(demand.name)
            log.warning(UNSERVED, record.job_id[:12], why)
        return why is not None

    def tell_submitted(self, record: JobRecord) -> None:
        """`tell`, of a job that was just submitted; what needs nothing special is not looked at."""
        if demand_of(record.placement) != Demand():
            self.tell(record)


def put_off(record: JobRecord) -> str | None:
    """What a job met that is to be tried again, and when; None of any other."""
    if record.state is not JobState.QUEUED or record.retry_at is None or record.error is None:
        return None
    at = datetime.fromtimestamp(record.retry_at / 1000).astimezone().strftime("%H:%M:%S")
    tries = "1 try" if record.put_off == 1 else f"{record.put_off} tries"
    return f"waits until {at} ({tries}): {record.error.type}: {record.error.message}"
