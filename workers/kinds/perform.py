"""A job's work, whatever its kind: from its record to what is written into the graph.

The same function serves the worker and `circuits run`.
"""

from __future__ import annotations

from graph_schema.artifacts import ArtifactStore
from graph_schema.documents.jobs import JobRecord, read_spec
from graph_schema.store.connection import GraphStore
from workers.job.lease import Lease
from workers.job.model_cache import ModelCache
from workers.job.workbench import Workbench
from workers.kinds import kind_of
from workers.kinds.base import Product
from workers.settings import Settings


def run_job(
    record: JobRecord,
    run_id: str,
    lease: Lease,
    *,
    settings: Settings,
    store: GraphStore,
    artifacts: ArtifactStore,
    models: ModelCache,
) -> Product:
    """Do the job and save its arrays; nothing is written into the graph yet.

    Raises:
        SpecError: The request cannot be met; its subclasses say whether data, model or task is why.
        NumericsError: The numbers broke.
        ResourceError: Too little memory, or a file that is not there now.
    """
    kind = kind_of(record)
    bench = Workbench(record, run_id, lease, settings, store, artifacts, models)
    return kind.work(read_spec(record.spec), bench)
