"""A job's work: from its record to what is written into the graph.

The dataset is read and checked before the model's weights are, so that a mistake in the data costs
seconds. The same function serves the worker and `circuits run`.
"""

from __future__ import annotations

import platform
import socket
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from discovery.jobs.discover import discover
from discovery.jobs.estimate import plan_run, read_config, sizes_of
from discovery.jobs.evaluate import judge
from discovery.methods.pair_scores import require_room
from discovery.models.inspecting import InspectedModel, identify, inspect_model
from discovery.tasks import PairSet, build_dataset
from graph_schema.artifacts import ArtifactStore, stored_scores
from graph_schema.documents import (
    ArtifactRef,
    CircuitDocument,
    DatasetData,
    DatasetDocument,
    ModelSource,
)
from graph_schema.documents.jobs import (
    DiscoverSpec,
    EvaluateSpec,
    JobRecord,
    MeasuredSpec,
    Placement,
    RunRecord,
    read_spec,
)
from graph_schema.errors import ModelError
from graph_schema.models.fingerprint import is_path
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import read_circuit
from graph_schema.store.records.datasets import has_dataset, read_dataset
from workers.job.checkpoints import Checkpoints
from workers.job.lease import Lease
from workers.job.model_cache import ModelCache
from workers.job.results import EvaluationResult, Result
from workers.settings import Settings

REPORTED_VERSIONS = ("circuit-atlas", "torch", "transformers", "numpy")


def run_job(
    record: JobRecord,
    run_id: str,
    lease: Lease,
    *,
    settings: Settings,
    store: GraphStore,
    artifacts: ArtifactStore,
    models: ModelCache,
) -> Result | EvaluationResult:
    """Do the job and save its arrays; nothing is written into the graph yet.

    Raises:
        SpecError: The request cannot be met; its subclasses say whether data, model or task is why.
        NumericsError: The numbers broke.
        ResourceError: Too little memory, or a file that is not there now.
    """
    spec = read_spec(record.spec)
    circuit = read_circuit(store, spec.circuit_id) if isinstance(spec, EvaluateSpec) else None
    placement = Placement.model_validate_json(record.placement)
    clock: dict[str, float] = {}
    source = placement.model
    check_root(source, settings)
    lease("data", 0, 1)
    with _stage(clock, "data"):
        # A kept model is not read again, so what lies there now is held to the job's here.
        identity = identify(source, spec.model.fingerprint, settings.cache_dir)
        inspected = inspect_model(source, fingerprint=identity)
        pairs = _pairs(spec, inspected, settings, store)
    chunk = _planned_chunk(spec, placement, pairs, settings)
    lease("model", 0, 1)
    with _stage(clock, "model"):
        model = models.get(spec, placement, settings, inspected)

    def run(cpu_seconds: dict[str, float]) -> RunRecord:
        return RunRecord(
            run_id=run_id,
            job_id=record.job_id,
            attempt=record.attempts,
            versions=_versions(),
            cpu_seconds={**clock, **cpu_seconds},
            host=socket.gethostname(),
        )

    if isinstance(spec, EvaluateSpec):
        assert circuit is not None
        judged = judge(
            spec,
            circuit,
            stored_scores(circuit, artifacts),
            model,
            pairs,
            limits=settings.limits,
            progress=lease,
            found_on=_found_on(circuit, store),
            chunk=chunk,
        )
        lease("storing", 0, 1)
        refs = _saved(judged.arrays, artifacts)
        evaluation = judged.evaluation.model_copy(update={"artifacts": refs})
        return EvaluationResult(evaluation, pairs.document, run(judged.cpu_seconds))
    checkpoints = Checkpoints(artifacts, lease)
    found = discover(
        spec,
        model,
        pairs,
        limits=settings.limits,
        progress=lease,
        checkpoint=checkpoints,
        chunk=chunk,
    )
    lease("storing", 0, 1)
    refs = _saved(found.arrays, artifacts)
    checkpoints.forget()
    circuits = tuple(each.model_copy(update={"artifacts": refs}) for each in found.circuits)
    return Result(circuits, pairs.document, run(found.cpu_seconds))


def check_root(source: ModelSource, settings: Settings) -> None:
    """Refuse a path outside the configured folders.

    Raises:
        ModelError: It is outside.
    """
    if not settings.model_roots or not is_path(source.name):
        return
    path = Path(source.name).resolve()
    if not any(path.is_relative_to(root.resolve()) for root in settings.model_roots):
        roots = ", ".join(map(str, settings.model_roots))
        raise ModelError(
            f"model {source.name!r} lies outside the folders that this service reads models from: "
            f"{roots} (CIRCUITS_MODEL_ROOTS)"
        )


def _planned_chunk(
    spec: MeasuredSpec, placement: Placement, pairs: PairSet, settings: Settings
) -> int | None:
    """Examples at a time: as asked for, or what fits the memory limit where there is one.

    Raises:
        ResourceError: The job is expected not to fit; no weights have been read.
        SpecError: The pairs' own scores, where the job keeps them, are over their limit.
    """
    limit = settings.limits.memory_bytes
    found = spec if isinstance(spec, DiscoverSpec) else None
    kept = found is not None and found.keep_pair_scores
    if limit is None and not kept:
        return placement.chunk
    sizes = sizes_of(read_config(placement.model, spec.model.fingerprint))
    if kept:
        require_room(len(pairs.discovery), sizes.graph.n_edges, settings.limits)
    if limit is None:
        return placement.chunk
    plan = plan_run(
        sizes,
        found.method if found else None,
        exact_top=found.exact_top if found else None,
        keep_pair_scores=kept,
        n_pairs=len(pairs.discovery),
        n_heldout=len(pairs.heldout),
        draws=spec.ablation.draws,
        n_tokens=max(len(pair.clean) for pair in pairs.discovery),
        metric=spec.metric,
        dtype=spec.dtype,
        chunk=placement.chunk,
        limit=limit,
    )
    plan.require(limit)
    return plan.chunk


def _pairs(
    spec: MeasuredSpec, inspected: InspectedModel, settings: Settings, store: GraphStore
) -> PairSet:
    jsonl = None
    if isinstance(spec.data, DatasetData):
        jsonl = read_dataset(store, spec.data.sha256).jsonl
    return build_dataset(
        spec,
        inspected.tokenizer,
        inspected.d_vocab,
        jsonl,
        settings.limits,
        inspected.n_ctx,
    )


def _found_on(circuit: CircuitDocument, store: GraphStore) -> DatasetDocument | None:
    """The pairs of the job that found the circuit, where there was one and they are stored."""
    sha256 = circuit.dataset_sha256
    if circuit.job_id is None or sha256 is None or not has_dataset(store, sha256):
        return None
    return read_dataset(store, sha256)


def _saved(
    arrays: Mapping[str, dict[str, NDArray[Any]]], artifacts: ArtifactStore
) -> dict[str, ArtifactRef]:
    """References to the arrays, saved under names that are their content's.

    So a worker that lost its lease cannot replace what another's result refers to.
    """
    return {name: artifacts.save_by_content(name, each) for name, each in arrays.items()}


@contextmanager
def _stage(clock: dict[str, float], name: str) -> Generator[None]:
    started = time.process_time()
    yield
    clock[name] = time.process_time() - started


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in REPORTED_VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
