"""From a sweep to its jobs: one discover job for each model, task, method, size and seed.

Specs are content, so the jobs of a sweep are found again by asking for it again; its own id is the
hash of theirs. All that can be checked without a model is checked of every combination first.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from graph_schema.documents import DatasetDocument, Limits, ModelId, ModelSource
from graph_schema.documents.base import sha256_hex
from graph_schema.documents.jobs import DiscoverSpec
from graph_schema.errors import SpecError
from graph_schema.models.fingerprint import fingerprint, is_path
from graph_schema.printable import whole_number
from graph_schema.yaml_text import YamlPath
from workers.requests.checking import METHODS, named
from workers.requests.discover import DiscoverRequest, drafted, placed
from workers.requests.pairs import NOWHERE, Measured, measured, source_of
from workers.requests.shards import sharded
from workers.requests.submission import Submission
from workers.requests.sweep import AskedModel, AskedSweep, AskedTask, Mistakes
from workers.requests.zoo_names import place_of

MOST_JOBS = 10_000


@dataclass(frozen=True)
class SweepJob:
    """One job of a sweep, in the words it was asked for in.

    `size` is a number of edges or a threshold, whichever the sweep says.
    """

    model: str
    task: str
    method: str
    size: int | float
    seed: int
    submission: Submission

    @property
    def job_id(self) -> str:
        return self.submission.spec.job_id


@dataclass(frozen=True)
class SweepSubmission:
    """A checked sweep: its jobs in the order to submit them; each once, however often it is said.

    `sweep_id` is the SHA-256 of its jobs' ids, whatever their order and its name.
    """

    name: str
    by: str
    jobs: tuple[SweepJob, ...]

    @property
    def sweep_id(self) -> str:
        return sha256_hex("\n".join(sorted(job.job_id for job in self.jobs)))


@dataclass(frozen=True)
class _Draft:
    """A job without its model."""

    words: tuple[str, str, int | float, int]
    request: DiscoverRequest
    spec: DiscoverSpec
    dataset: DatasetDocument | None


def build_sweep(asked: AskedSweep, limits: Limits, cache_dir: Path) -> SweepSubmission:
    """The jobs of a sweep.

    Raises:
        SpecError: Something is wrong with it; the message says all that is, and where.
        ModelError: A model cannot be found, and nothing else is wrong.
    """
    request = asked.request
    mistakes = asked.mistakes()
    if (request.edges is None) == (request.thresholds is None):
        given = "neither was" if request.edges is None else "both were"
        mistakes.note(f"give exactly one of edges and thresholds; {given} given")
    _check_size(asked, mistakes)
    for place, method in enumerate(request.methods):
        with mistakes.of(("methods", place)):
            named("method", METHODS, method.name, method.params)
    data: list[Measured] = []
    for place, task in enumerate(request.tasks):
        with _noted(asked, limits, mistakes, ("tasks", place)):
            first = _request(asked, task, {})
            data.append(measured(first, first.metric, limits))
    mistakes.tell()
    drafts = _drafts(asked, data, limits, mistakes)
    models: list[tuple[AskedModel, ModelSource, ModelId]] = []
    for place, model in enumerate(request.models):
        with mistakes.of(("models", place)):
            where = place_of(_from(asked.base, model.model), cache_dir)
            source = source_of(where, model.revision)
            models.append((model, source, ModelId(fingerprint=fingerprint(source, cache_dir))))
    mistakes.tell()
    jobs: dict[str, SweepJob] = {}
    for (model, source, model_id), draft in product(models, drafts):
        spec = draft.spec.model_copy(update={"model": model_id})
        submission = Submission(spec, placed(draft.request, source), draft.dataset)
        job = SweepJob(model.words, *draft.words, sharded(submission))
        jobs.setdefault(job.job_id, job)
    by = "edges" if request.edges is not None else "threshold"
    return SweepSubmission(request.name or "sweep", by, tuple(jobs.values()))


def _check_size(asked: AskedSweep, mistakes: Mistakes) -> None:
    request = asked.request
    n_jobs = len(request.seeds) * len(request.edges or request.thresholds or (0,))
    for axis in (request.models, request.tasks, request.methods):
        n_jobs *= len(axis)
    n_jobs *= 1 if request.shards in (None, 1) else 1 + request.shards
    shards = "" if request.shards in (None, 1) else ", shards counted"
    if n_jobs > MOST_JOBS:
        mistakes.note(
            f"it has {whole_number(n_jobs, ',')} jobs{shards}; the limit is {MOST_JOBS:,}: ask for "
            "a part of it"
        )
        mistakes.tell()  # the rest would take long


def _drafts(
    asked: AskedSweep, data: list[Measured], limits: Limits, mistakes: Mistakes
) -> list[_Draft]:
    """Every job but for its model, each held to the spec that it will be."""
    request = asked.request
    axis, by = ("edges", "n_edges") if request.edges is not None else ("thresholds", "threshold")
    sizes = request.edges or request.thresholds or ()
    found: list[_Draft] = []
    combined = product(enumerate(request.tasks), enumerate(request.methods), enumerate(sizes))
    for (i, task), (j, method), (k, size) in combined:
        places: tuple[YamlPath, ...] = ("methods", j), ("tasks", i), (axis, k)
        with _noted(asked, limits, mistakes, *places):
            of: dict[str, Any] = {"method": method.name, "method_params": method.params, by: size}
            one = _request(asked, task, of)
            spec, dataset = drafted(one, limits, on=data[i])
            placed(one, NOWHERE)
            words = task.words, method.words, size
            for seed in request.seeds:
                seeded = spec.model_copy(update={"seed": seed})
                found.append(_Draft((*words, seed), one, seeded, dataset))
    return found


@contextmanager
def _noted(
    asked: AskedSweep, limits: Limits, mistakes: Mistakes, *places: YamlPath
) -> Generator[None]:
    """Note what is raised as wrong with these values, or with the key that is wrong by itself."""
    try:
        yield
    except SpecError as error:
        own = _key_of(str(error), asked.request.options, limits)
        mistakes.note(str(error), *([own] if own else places), kind=type(error))


def _key_of(message: str, options: dict[str, Any], limits: Limits) -> YamlPath | None:
    """The key of all jobs that has this said of it, whatever the others are."""
    plain: dict[str, Any] = {"model": "", "task": "induction", "n_edges": 10}
    for key, value in options.items():
        try:
            request = DiscoverRequest(**{**plain, key: value})
            drafted(request, limits)
            placed(request, NOWHERE)
        except SpecError as error:
            if str(error) == message:
                return (key,)
    return None


def _request(asked: AskedSweep, task: AskedTask, of: dict[str, Any]) -> DiscoverRequest:
    """One of its jobs without its model; what is said of a task goes before what is of all."""
    options = asked.request.options
    if task.dataset is not None:
        options.pop("pairs", None)  # they are of built-in tasks
    if task.pairs is not None:
        options["pairs"] = task.pairs
    given: dict[str, Any] = {
        "task": task.name,
        "task_params": task.params or None,
        "label": task.label,
        "dataset": task.dataset and _from(asked.base, task.dataset, always=True),
        "heldout": task.heldout and _from(asked.base, task.heldout, always=True),
    }
    return DiscoverRequest(model="", **{**options, **given, **of})


def _from(base: Path, name: str, *, always: bool = False) -> str:
    """A path of the sweep's own folder; what is none (a hub id, `zoo:llama/1`) as it is."""
    if not (always or is_path(name)) or name.startswith(("/", "~")):
        return name
    return str(base / name)
