"""What a queued job waits for, other than its turn: a worker that can serve it, or better times."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString

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

LATE_SECONDS = 30.0
"""A worker's reconciler sends a job that was put off sooner after its pause: else none lives."""
_NOW: LiteralString = "RETURN timestamp() AS now"

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
        """Of these jobs those that no worker can serve now, or that were put off: by id, why not.

        One may be both. Whose pause has been over for long is not said to wait for its end.

        A local service starts its worker when it is wanted, so where none lives it counts what
        this machine would serve.
        """
        queued = [record for record in records if record.state is JobState.QUEUED]
        if not queued:
            return {}
        waits, put = self._waiting(queued, self._live()), self.put_off(queued)
        for record in queued:
            if (off := put.get(record.job_id)) is not None:
                why = waits.get(record.job_id)
                any_will_do = demand_of(record.placement) == Demand()  # when its pause is over
                waits[record.job_id] = off if why is None or any_will_do else f"{why}; {off}"
        return waits

    def put_off(self, records: Sequence[JobRecord]) -> dict[str, str]:
        """Of these jobs those that were put off and are to be tried again: by id, why and when."""
        if all(record.retry_at is None for record in records):
            return {}
        now = int(self._store.rows(_NOW)[0]["now"])
        return {each.job_id: off for each in records if (off := put_off(each, now)) is not None}

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
        off = self.put_off([record]).get(record.job_id)
        if off is not None and (record.job_id, record.put_off) not in self._told:
            self._told.add((record.job_id, record.put_off))
            log.warning("job %s %s", record.job_id[:12], off)
        live, demand = self._live(), demand_of(record.placement)
        if not live and demand == Demand():
            return off is not None
        why = self._waiting([record], live).get(record.job_id)
        if why is not None and demand.name not in self._told:
            self._told.add(demand.name)
            log.warning(UNSERVED, record.job_id[:12], why)
        return why is not None or off is not None

    def tell_submitted(self, record: JobRecord) -> None:
        """`tell`, of a job that was just submitted; what needs nothing special is not looked at."""
        if demand_of(record.placement) != Demand():
            self.tell(record)


def put_off(record: JobRecord, now: int | None = None) -> str | None:
    """What a job met that is to be tried again, and when; None of any other.

    Also of one whose pause ended more than `LATE_SECONDS` ago: nobody is there to try it.

    Args:
        record: The job.
        now: The database's time in milliseconds; by default this machine's.
    """
    if record.state is not JobState.QUEUED or record.retry_at is None or record.error is None:
        return None
    now = round(time.time() * 1000) if now is None else now
    if now > record.retry_at + LATE_SECONDS * 1000:
        return None
    at = datetime.fromtimestamp(record.retry_at / 1000).astimezone().strftime("%H:%M:%S")
    tries = "1 try" if record.put_off == 1 else f"{record.put_off} tries"
    return f"waits until {at} ({tries}): {record.error.type}: {record.error.message}"
