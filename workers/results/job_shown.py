"""A job, and how far it is, as a notebook shows it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from graph_schema.documents.jobs import JobRecord
from graph_schema.reports import facts_html
from workers.results.job_facts import duration, job_facts


def asked(record: JobRecord, now: float) -> str:
    """What a job was asked for: `discover: ioi in gpt2 by eap-ig, 500 edges`."""
    facts = job_facts(record, now)
    by = f" by {facts.method}" if facts.method else ""
    edges = f", {facts.edges} edges" if facts.edges else ""
    model = Path(facts.model).name if facts.model.startswith("/") else facts.model
    words = " in ".join(filter(None, (facts.task, model)))
    return f"{record.kind}: {words}{by}{edges}"


def job_html(record: JobRecord, now: float) -> str:
    """The job's record as a table.

    Args:
        record: What is known of it.
        now: Seconds since 1970; bounds the time of one that runs.
    """
    facts = [("job", record.job_id), ("asked for", asked(record, now)), ("state", record.state)]
    if (step := record.progress) is not None and not record.state.ended:
        facts.append(("at", f"{step.stage} {step.done:,} of {step.total:,}"))
    if took := duration(job_facts(record, now).seconds):
        facts.append(("time", took))
    if (error := record.error) is not None:
        said = f"{error.type}: {error.message}"
        if record.state.ended:
            facts.append(("why", said))
        elif record.retry_at is not None:
            at = datetime.fromtimestamp(record.retry_at / 1000).astimezone()
            facts.append(("waits", f"until {at:%H:%M:%S}: {said}"))
        else:
            facts.append(("tried again", f"after {said}"))
    facts += [("circuit", found) for found in record.circuit_ids]
    return facts_html(facts)
