"""What kinds of jobs share of their work: data and model in, arrays and provenance out.

The dataset is read and checked before the model's weights are, so that a mistake in the data costs
seconds.
"""

from __future__ import annotations

import platform
import socket
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from graph_schema.artifacts import ArtifactStore
from graph_schema.dictionaries import Described
from graph_schema.documents import (
    ArtifactRef,
    DatasetData,
    DictionaryDocument,
)
from graph_schema.documents.jobs import (
    AUTO,
    JobRecord,
    MeasuredSpec,
    ModelSpec,
    Placement,
    RunRecord,
)
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.datasets import read_dataset
from workers.capacity import offer_of
from workers.settings import Settings

if TYPE_CHECKING:
    from discovery.dictionaries import Loaded
    from discovery.jobs.estimate import RunPlan
    from discovery.jobs.sizes import Sizes
    from discovery.models import LoadedModel
    from discovery.models.inspecting import InspectedModel
    from discovery.tasks import PairSet
    from discovery.tasks.vocabulary import Vocabulary
    from workers.job.lease import Lease
    from workers.job.model_cache import ModelCache
from workers.job.model_roots import check_root

REPORTED_VERSIONS = ("circuit-atlas", "torch", "transformers", "numpy")


@dataclass
class Workbench:
    """One job's surroundings, and the steps that kinds of jobs have in common.

    Args:
        record: The claimed job.
        run_id: This attempt's id.
        lease: Progress, cancellation and the claim.
        models: The model that this process keeps loaded.
    """

    record: JobRecord
    run_id: str
    lease: Lease
    settings: Settings
    store: GraphStore
    artifacts: ArtifactStore
    models: ModelCache
    _clock: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def placement(self) -> Placement:
        """The job's, on a device that is here."""
        placed = Placement.model_validate_json(self.record.placement)
        if placed.device != AUTO:
            return placed
        device = offer_of(self.settings).device(placed.memory_gib)
        return placed.model_copy(update={"device": device.value})

    def inspected(self, spec: MeasuredSpec) -> tuple[InspectedModel, PairSet]:
        """The model's configuration and tokenizer, and the checked pairs; no weights are read.

        Raises:
            ModelError: The model is not where it should be, is another, or lies outside the roots.
            DatasetError: The pairs do not fit it.
        """
        self.lease("data", 0, 1)
        with self.stage("data"):
            inspected = self._inspected(spec)
            return inspected, self._pairs(spec, inspected)

    def looked_at(self, spec: ModelSpec) -> InspectedModel:
        """`inspected`, of a job that has no pairs.

        Raises:
            ModelError: As `inspected`.
        """
        self.lease("data", 0, 1)
        with self.stage("data"):
            return self._inspected(spec)

    def _inspected(self, spec: ModelSpec) -> InspectedModel:
        from discovery.models.inspecting import identify, inspect_model

        source = self.placement.model
        check_root(source, self.settings)
        # A kept model is not read again, so what lies there now is held to the job's here.
        identity = identify(source, spec.model.fingerprint, self.settings.cache_dir)
        return inspect_model(source, fingerprint=identity)

    def vocabulary(self, spec: MeasuredSpec, inspected: InspectedModel) -> Vocabulary:
        """What prompts of a job are made of, beside its pairs."""
        return self.vocabulary_of(inspected, spec.tokenisation.add_bos)

    def vocabulary_of(self, inspected: InspectedModel, add_bos: bool | None) -> Vocabulary:
        """What a model's prompts are made of."""
        from discovery.tasks.vocabulary import Vocabulary

        return Vocabulary(
            inspected.d_vocab,
            inspected.tokenizer,
            add_bos,
            inspected.n_ctx,
            inspected.names,
        )

    def model(self, spec: ModelSpec, inspected: InspectedModel) -> LoadedModel:
        """The spec's model, loaded unless it is the kept one."""
        self.lease("model", 0, 1)
        with self.stage("model"):
            return self.models.get(spec, self.placement, self.settings, inspected)

    def described(
        self, spec: ModelSpec, wanted: Sequence[DictionaryDocument], *, splice: bool = True
    ) -> tuple[Described, ...]:
        """The dictionaries that a job takes, from headers alone, held to the model's sizes.

        Raises:
            DictionaryError: One is not where it should be, does not fit the model, or lies outside
                the roots.
        """
        if not wanted:
            return ()
        from discovery.dictionaries import describe_all

        for source in self.placement.dictionaries:
            check_root(source, self.settings, "dictionary")
        return describe_all(
            self.placement.dictionaries,
            self.sizes(spec),
            self.placement.model.name,
            splice=splice,
        )

    def dictionaries(self, described: tuple[Described, ...], spec: ModelSpec) -> tuple[Loaded, ...]:
        """The dictionaries with their tensors, on the model's device."""
        if not described:
            return ()
        import torch

        from discovery.dictionaries import load

        self.lease("dictionaries", 0, 1)
        with self.stage("dictionaries"):
            return load(described, getattr(torch, spec.dtype), self.placement.device)

    def sizes(self, spec: ModelSpec) -> Sizes:
        """What of the spec's model decides memory and time."""
        from discovery.jobs.sizes import read_config, sizes_of

        return sizes_of(read_config(self.placement.model, spec.model.fingerprint))

    def chunk(self, spec: MeasuredSpec, pairs: PairSet, **plan: Any) -> int | None:
        """Examples at a time: as asked for, or what fits the memory limit where there is one.

        Args:
            spec: The job.
            pairs: Its pairs.
            plan: What `plan_run` must know of the kind: `method`, `exact_top`, `cut`, ….

        Raises:
            ResourceError: The job is expected not to fit; no weights have been read.
        """
        from discovery.jobs.estimate import plan_run

        asked, limit = self.placement.chunk, self.settings.limits.memory_bytes
        if limit is None:
            return asked
        expected: RunPlan = plan_run(
            self.sizes(spec),
            plan.pop("method", None),
            n_pairs=len(pairs.discovery),
            n_heldout=len(pairs.heldout),
            draws=spec.ablation.draws,
            n_tokens=max(len(pair.clean) for pair in pairs.discovery),
            metric=spec.metric,
            dtype=spec.dtype,
            chunk=asked,
            limit=limit,
            **plan,
        )
        expected.require(limit)
        return expected.chunk

    def require_place(self) -> None:
        """See that arrays can be saved, before the long part of a job that will save some.

        Raises:
            ResourceError: They cannot: the job is tried again later, and has cost nothing yet.
        """
        self.artifacts.require_writable()

    def saved(self, arrays: Mapping[str, dict[str, NDArray[Any]]]) -> dict[str, ArtifactRef]:
        """References to the arrays, saved under names that are their content's.

        So a worker that lost its lease cannot replace what another's result refers to.
        """
        self.lease("storing", 0, 1)
        return {name: self.artifacts.save_by_content(name, each) for name, each in arrays.items()}

    def run(self, cpu_seconds: Mapping[str, float]) -> RunRecord:
        """This attempt's provenance."""
        return RunRecord(
            run_id=self.run_id,
            job_id=self.record.job_id,
            attempt=self.record.attempts,
            versions=_versions(),
            cpu_seconds={**self._clock, **cpu_seconds},
            host=socket.gethostname(),
        )

    @contextmanager
    def stage(self, name: str) -> Generator[None]:
        """Count the CPU seconds of what happens inside under this name."""
        started = time.process_time()
        yield
        self._clock[name] = time.process_time() - started

    def _pairs(self, spec: MeasuredSpec, inspected: InspectedModel) -> PairSet:
        from discovery.tasks import build_dataset

        jsonl = None
        if isinstance(spec.data, DatasetData):
            jsonl = read_dataset(self.store, spec.data.sha256).jsonl
        return build_dataset(
            spec,
            inspected.tokenizer,
            inspected.d_vocab,
            jsonl,
            self.settings.limits,
            inspected.n_ctx,
            inspected.names,
        )


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in REPORTED_VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
