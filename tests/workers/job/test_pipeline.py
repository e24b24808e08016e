"""A job's work in one process: checks in order, one model kept, files named by their content."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import GPT2LMHeadModel

from graph_schema.array_files import encode
from graph_schema.artifacts import ArtifactStore
from graph_schema.documents import (
    Ablation,
    AblationSpec,
    Acdc,
    CircuitDocument,
    DatasetData,
    Eap,
    Limits,
    ModelId,
    TopEdges,
)
from graph_schema.documents.jobs import DiscoverSpec, EvaluateSpec, JobRecord, JobState
from graph_schema.errors import SpecError, StoreUnavailable
from graph_schema.models.fingerprint import fingerprint
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import read_circuit
from graph_schema.store.records.evaluations import read_evaluations
from graph_schema.store.records.models import stored_model
from tests.workers.tiny import Tiny, make_tiny, worker_settings
from workers.job.checkpoints import Checkpoints
from workers.job.lease import Lease
from workers.job.model_cache import ModelCache
from workers.job.results import Result
from workers.kinds import Product
from workers.kinds.perform import run_job
from workers.running.lifecycle import Performer
from workers.settings import Settings


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return make_tiny(tmp_path_factory.mktemp("tiny"), n_layers=1, n_pairs=16)


class Process:
    """What a worker's child keeps, in this process."""

    def __init__(self, store: GraphStore, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self.models = ModelCache()
        self.artifacts = ArtifactStore(settings.artifacts_url)
        self.performer = Performer(settings, store.address, "here", lambda _: None)
        self.results: list[Any] = []
        self.stages: list[str] = []

    def work(self, record: JobRecord, run_id: str, lease: Lease) -> Product:
        result = run_job(
            record,
            run_id,
            lease,
            settings=self.settings,
            store=self.store,
            artifacts=self.artifacts,
            models=self.models,
        )
        self.results.append(result)
        return result

    def do(self, spec: DiscoverSpec | EvaluateSpec, tiny: Tiny, **submission: Any) -> JobRecord:
        jobs.submit(self.store, spec, tiny.placement, **submission)
        assert self.performer.perform(
            spec.job_id, self.work, lambda stage, *_: self.stages.append(stage)
        )
        return jobs.get(self.store, spec.job_id)


@pytest.fixture
def make(embedded_store: GraphStore, tmp_path: Path) -> Generator[Callable[..., Process]]:
    made: list[Process] = []

    def with_settings(**changes: Any) -> Process:
        settings = worker_settings(tmp_path, embedded_store.address)
        process = Process(embedded_store, settings.model_copy(update=changes))
        made.append(process)
        return process

    yield with_settings
    for process in made:
        process.performer.close()


def test_a_circuit_is_stored_with_its_data_its_scores_and_its_run(
    make: Callable[..., Process], tiny: Tiny
) -> None:
    process = make()
    record = process.do(tiny.spec(process.store), tiny)
    assert (record.state, record.error) == (JobState.SUCCEEDED, None)
    (circuit_id,) = record.circuit_ids
    circuit = read_circuit(process.store, circuit_id)
    assert circuit.n_edges <= 20
    scores = process.artifacts.load(circuit.artifacts["scores"])
    assert len(scores["names"]) == circuit.n_edges_scored
    (run,) = process.store.rows(
        "MATCH (r:Run)-[:PRODUCED]->(:Circuit)-[:DISCOVERED_ON]->(d:Dataset) "
        "RETURN r.attempt AS attempt, d.sha256 AS sha256"
    )
    assert run == {"attempt": 1, "sha256": circuit.dataset_sha256}
    assert list(dict.fromkeys(process.stages)) == [
        "data",
        "model",
        "baseline",
        "scores",
        "evaluation",
        "storing",
    ]


def test_a_forced_attempt_gives_the_same_circuit_and_the_same_files(
    make: Callable[..., Process], tiny: Tiny
) -> None:
    process = make()
    spec = tiny.spec(process.store)
    first = process.do(spec, tiny)
    again = process.do(spec, tiny, force=True)
    assert again.circuit_ids == first.circuit_ids
    one, two = process.results
    assert one.circuits == two.circuits
    assert process.store.rows("MATCH (c:Circuit) RETURN count(c) AS n") == [{"n": 1}]
    assert process.store.rows("MATCH (r:Run) RETURN count(r) AS n") == [{"n": 2}]


def test_an_evaluation_is_kept_once_beside_its_circuit_however_often_it_is_made(
    make: Callable[..., Process], tiny: Tiny
) -> None:
    limits = Limits(memory_bytes=2**32)
    process = make(limits=limits)
    found = tiny.spec(process.store)
    (circuit_id,) = process.do(found, tiny).circuit_ids
    spec = EvaluateSpec(
        circuit_id=circuit_id,
        model=found.model,
        data=found.data,
        ablation=AblationSpec(kind=Ablation.ZERO),
        seed=1,
    )
    for force in (False, True):
        record = process.do(spec, tiny, force=force)
        assert (record.state, record.kind) == (JobState.SUCCEEDED, "evaluate")
        assert record.circuit_ids == (circuit_id,)
    one, two = process.results[1:]
    assert one.evaluation == two.evaluation
    (kept,) = read_evaluations(process.store, circuit_id)
    assert kept == one.evaluation
    assert kept.evaluation_id == spec.job_id
    # Another seed splits the pairs anew: what the circuit was found on is not held out.
    assert "held-out pairs left out: the circuit was found on" in kept.notes[0]
    assert (
        len(process.artifacts.load(kept.artifacts["pairs"])["circuit"])
        == kept.evaluation.losses[0].n
    )
    counted = process.store.rows(
        "MATCH (r:Run)-[:MEASURED]->(:Evaluation)-[:JUDGES]->(c:Circuit)<-[:PRODUCED]-(p:Run) "
        "RETURN count(DISTINCT r) AS measured, count(DISTINCT p) AS produced"
    )
    assert counted == [{"measured": 2, "produced": 1}]
    assert read_circuit(process.store, circuit_id).ablation == AblationSpec()

    gone = process.do(spec.model_copy(update={"circuit_id": "0" * 64}), tiny)
    assert gone.error is not None
    assert gone.error.type == "NotFoundError"


def test_the_model_stays_loaded_for_the_next_job(make: Callable[..., Process], tiny: Tiny) -> None:
    process = make()
    process.do(tiny.spec(process.store, seed=1), tiny)
    kept = process.models._model
    process.do(tiny.spec(process.store, seed=2), tiny)
    assert kept is not None
    assert process.models._model is kept


def test_data_are_checked_before_weights_are_read(make: Callable[..., Process], tiny: Tiny) -> None:
    process = make()
    jsonl = tiny.jsonl
    for prompt in (b'"clean": [', b'"corrupt": ['):
        jsonl = jsonl.replace(prompt, prompt + b"4711, ", 1)
    bad = Tiny(tiny.folder, jsonl)
    record = process.do(bad.spec(process.store), bad)
    assert record.error is not None
    assert record.error.type == "DatasetError"
    assert "line 1" in record.error.message
    assert "4711" in record.error.message
    assert process.models._model is None


def test_another_model_under_the_same_path_is_refused(
    make: Callable[..., Process], tiny: Tiny
) -> None:
    process = make()
    spec = tiny.spec(process.store)
    other = spec.model_copy(
        update={"model": spec.model.model_copy(update={"fingerprint": "ab" * 32})}
    )
    record = process.do(other, tiny)
    assert record.error is not None
    assert record.error.type == "ModelUnavailable"
    assert "fingerprint" in record.error.message


def test_a_model_outside_the_roots_is_refused(
    make: Callable[..., Process], tiny: Tiny, tmp_path: Path
) -> None:
    process = make(model_roots=(tmp_path / "models",))
    record = process.do(tiny.spec(process.store), tiny)
    assert record.error is not None
    assert str(tmp_path / "models") in record.error.message


def test_a_dataset_that_is_not_stored_is_said_so(make: Callable[..., Process], tiny: Tiny) -> None:
    process = make()
    spec = tiny.spec(process.store)
    record = process.do(
        spec.model_copy(update={"data": DatasetData(sha256="0" * 64, task="made")}), tiny
    )
    assert record.error is not None
    assert record.error.type == "NotFoundError"


def test_a_checkpoint_is_the_lease_holders_and_comes_back_as_it_was(
    make: Callable[..., Process], tiny: Tiny
) -> None:
    process = make()
    spec = tiny.spec(process.store, seed=8)
    jobs.submit(process.store, spec, tiny.placement)
    seen: list[object] = []

    def away(_: ArtifactStore) -> None:
        raise StoreUnavailable("the graph is away, and is asked whose the artifacts are")

    def work(record: JobRecord, run_id: str, lease: Lease) -> Result:
        checkpoints = Checkpoints(process.artifacts, lease)
        seen.append(checkpoints.load("exact"))
        checkpoints.save("exact", {"done": np.arange(3)})
        again = Checkpoints(process.artifacts, lease).load("exact")
        assert again is not None
        seen.append(again["done"].tolist())
        Checkpoints(ArtifactStore("memory://away", away), lease).save(
            "exact", {"done": np.zeros(1)}
        )
        seen.append("goes on")
        jobs.release_owner(process.store, "here", max_attempts=9)
        checkpoints.save("exact", {"done": np.arange(4)})
        raise AssertionError("saved without the lease")

    assert process.performer.perform(spec.job_id, work)
    assert seen == [None, [0, 1, 2], "goes on"]
    assert jobs.get(process.store, spec.job_id).state is JobState.QUEUED


@pytest.mark.parametrize("kind", ["discover", "evaluate"])
def test_a_place_that_cannot_be_written_is_seen_before_the_long_part(
    make: Callable[..., Process], tiny: Tiny, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "file").touch()
    before = make()
    spec: DiscoverSpec | EvaluateSpec = tiny.spec(before.store, seed=11)
    if kind == "evaluate":
        (circuit_id,) = before.do(spec, tiny).circuit_ids
        spec = _judged(tiny, read_circuit(before.store, circuit_id), tiny.spec(before.store))
    process = make(artifacts=str(tmp_path / "file" / "artifacts"), put_off_seconds=0)
    for tried in range(1, process.settings.max_attempts):
        record = process.do(spec, tiny)
        assert (record.state, record.put_off) == (JobState.QUEUED, tried), "it may come back"
    error = process.do(spec, tiny).error
    assert error is not None
    assert "CIRCUITS_ARTIFACTS" in error.message
    assert set(process.stages) == {"data"}


KILLED = """
import os, signal, sys
from functools import partial
from graph_schema.artifacts import ArtifactStore
from workers.job.in_one_go import InOneGo
from workers.job.model_cache import ModelCache
from workers.kinds.perform import run_job
from workers.running.lifecycle import Performer
from workers.settings import read_settings

class Killed(InOneGo):
    def __init__(self, found):
        self.circuit_ids = found.circuit_ids
    def write(self, tx):
        os.kill(os.getpid(), signal.SIGKILL)

settings = read_settings()
performer = Performer(settings, settings.store_address(), "killed", list)
artifacts = ArtifactStore(settings.artifacts_url)
work = partial(
    run_job, settings=settings, store=performer.store, artifacts=artifacts, models=ModelCache()
)
performer.perform(sys.argv[1], lambda *job: Killed(work(*job)))
"""
"""Does a job up to the transaction of its result."""


def _taken(process: Process, spec: DiscoverSpec) -> None:
    """The reconciler takes the worker for dead just before it commits."""

    def work(record: JobRecord, run_id: str, lease: Lease) -> Product:
        found = process.work(record, run_id, lease)
        jobs.release_owner(process.store, "here", max_attempts=9)
        return found

    assert process.performer.perform(spec.job_id, work)


def _killed(process: Process, spec: DiscoverSpec) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, spec.job_id], env=process.settings.environment()
    )
    assert killed.returncode == -signal.SIGKILL
    jobs.release_owner(process.store, "killed", max_attempts=9)


@pytest.mark.parametrize("ended", [_taken, pytest.param(_killed, marks=pytest.mark.slow)])
def test_an_attempt_that_ends_between_its_last_number_and_its_commit_is_resumed(
    make: Callable[..., Process], tiny: Tiny, ended: Callable[[Process, DiscoverSpec], None]
) -> None:
    process = make()
    asked = {
        "method": Acdc(candidates=22, proposed_by=Eap()),
        "selection": TopEdges(n_edges=10),
    }
    spec = tiny.spec(process.store, seed=10).model_copy(update=asked)
    jobs.submit(process.store, spec, tiny.placement)
    ended(process, spec)
    assert jobs.get(process.store, spec.job_id).state is JobState.QUEUED
    folder = Path(process.artifacts.url) / "checkpoints" / spec.job_id
    assert folder.is_dir(), "nothing was kept"
    assert list(folder.iterdir()), "what was computed is lost"
    process.stages.clear()
    resumed = process.do(spec, tiny)
    assert (resumed.state, resumed.attempts) == (JobState.SUCCEEDED, 2)
    assert "candidates" not in process.stages, "computed again"
    assert not list(folder.iterdir()), "kept though the result is stored"
    assert process.do(spec, tiny, force=True).circuit_ids == resumed.circuit_ids
    assert "candidates" in process.stages


def test_a_checkpoint_that_is_not_as_it_was_saved_is_left_aside(
    make: Callable[..., Process], tiny: Tiny
) -> None:
    """A flipped bit would else be another circuit; a full disk, the job's end."""
    process = make()
    spec = tiny.spec(process.store, seed=9)
    jobs.submit(process.store, spec, tiny.placement)
    texts = {"names": np.array(["input->m0"]), "methods": np.array(["acdc"])}
    arrays = {"rises": np.arange(3.0), **texts, "layout": np.asarray(1)}

    def work(record: JobRecord, run_id: str, lease: Lease) -> Result:
        checkpoints = Checkpoints(process.artifacts, lease)
        checkpoints.save("acdc", arrays)
        file = Path(process.artifacts.url) / "checkpoints" / record.job_id / "acdc.safetensors"
        whole = file.read_bytes()
        assert checkpoints.load("acdc") is not None
        shutil.copy(file, file.with_name("exact.safetensors"))
        assert checkpoints.load("exact") is None, "another's"
        for spoilt in (
            b"",
            whole[:-8],
            whole.replace(np.float64(2.0).tobytes(), np.float64(2.5).tobytes()),
            encode(arrays),
            whole.replace(b'\\"seal', b'\\"else'),  # text that no array holds
        ):
            assert spoilt != whole
            file.write_bytes(spoilt)
            assert checkpoints.load("acdc") is None
        file.unlink()
        file.mkdir()
        assert checkpoints.load("acdc") is None
        checkpoints.save("acdc", arrays)  # cannot be written
        checkpoints.forget()  # nor removed
        raise SpecError("all was seen")

    assert process.performer.perform(spec.job_id, work)
    record = jobs.get(process.store, spec.job_id)
    assert record.error is not None
    assert record.error.message == "all was seen"


def test_a_kept_model_is_held_to_what_lies_there_now(
    make: Callable[..., Process], tiny: Tiny, tmp_path: Path
) -> None:
    """Else a tokenizer edited between two jobs would tokenise the second one's data."""
    moved = replace(tiny, folder=Path(shutil.copytree(tiny.folder, tmp_path / "model")))
    process = make()
    first = moved.spec(process.store)
    second = moved.spec(process.store, seed=1)
    assert process.do(first, moved).state is JobState.SUCCEEDED
    (moved.folder / "tokenizer_config.json").write_text("{}")
    record = process.do(second, moved)
    assert record.error is not None
    assert record.error.type == "ModelUnavailable"
    assert "another model lies there now" in record.error.message


def _edited(tiny: Tiny, folder: Path, **changes: Any) -> Tiny:
    """The model with another configuration."""
    moved = replace(tiny, folder=Path(shutil.copytree(tiny.folder, folder)))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    return moved


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "quantised weights (gptq)"),
        (
            {"model_type": "opt", "architectures": ["OPTForCausalLM"]},
            "no adapter for OPTForCausalLM",
        ),
    ],
)
def test_weights_and_families_that_cannot_be_run_fail_the_job(
    make: Callable[..., Process], tiny: Tiny, tmp_path: Path, changes: Any, message: str
) -> None:
    process, bad = make(), _edited(tiny, tmp_path / "bad", **changes)
    record = process.do(bad.spec(process.store), bad)
    assert (record.state, record.attempts) == (JobState.FAILED, 1)
    assert record.error is not None
    assert record.error.type == "ModelError"
    assert message in record.error.message
    assert process.models._model is None


def test_a_job_over_the_memory_limit_is_refused_with_the_numbers(
    make: Callable[..., Process], tiny: Tiny
) -> None:
    process = make(limits=Limits(memory_bytes=2**28))
    record = process.do(tiny.spec(process.store), tiny)
    assert record.state is JobState.FAILED, "more room comes by a setting, not by waiting"
    assert record.error is not None
    assert record.error.type == "LimitError"
    assert "the job needs about 0.49 GiB of memory" in record.error.message
    assert "the limit is 0.25 GiB (setting limits.memory_bytes)" in record.error.message
    assert process.models._model is None


def test_pair_scores_over_their_limit_are_refused_before_weights_are_read(
    make: Callable[..., Process], tiny: Tiny
) -> None:
    process = make(limits=Limits(pair_score_bytes=100))
    spec = tiny.spec(process.store).model_copy(update={"keep_pair_scores": True})
    record = process.do(spec, tiny)
    assert record.error is not None
    assert record.error.type == "LimitError"
    assert "limits.pair_score_bytes" in record.error.message
    assert process.models._model is None


@pytest.mark.parametrize(("factor", "dtype"), [(1e22, "float32"), (1e3, "float16")])
def test_an_overflow_names_the_layer_and_half_precision_has_none_of_its_own(
    make: Callable[..., Process], tiny: Tiny, tmp_path: Path, factor: float, dtype: str
) -> None:
    """Weights that the dtype holds, whose MLP writes more than it holds."""
    folder = tmp_path / "large"
    model: Any = GPT2LMHeadModel.from_pretrained(tiny.folder)
    with torch.no_grad():
        model.transformer.h[0].mlp.c_fc.weight.mul_(factor)
        model.transformer.h[0].mlp.c_proj.weight.mul_(factor)
    model.save_pretrained(folder)
    large, process = replace(tiny, folder=folder), make()
    spec = large.spec(process.store)
    record = process.do(spec.model_copy(update={"dtype": dtype}), large)
    if dtype == "float16":
        assert record.error is None or record.error.type == "TaskNotPerformedError"
        return
    assert record.error is not None
    assert record.error.type == "NonFiniteError"
    assert "m0 (in layer 0) writes NaN or infinite values in float32" in record.error.message


def _judged(tiny: Tiny, circuit: CircuitDocument, like: DiscoverSpec) -> EvaluateSpec:
    """The job that judges a circuit in the model that lies in the folder."""
    model = ModelId(fingerprint=fingerprint(tiny.placement.model, None))
    return EvaluateSpec(circuit_id=circuit.circuit_id, model=model, data=like.data, seed=like.seed)


def test_a_circuit_is_judged_in_a_copy_of_its_model_and_in_no_other(
    make: Callable[..., Process], tiny: Tiny, tmp_path: Path
) -> None:
    """The copy has another fingerprint: its configuration is laid out otherwise."""
    process = make()
    spec = tiny.spec(process.store, seed=3)
    (circuit_id,) = process.do(spec, tiny).circuit_ids
    circuit = read_circuit(process.store, circuit_id)
    copy = _edited(tiny, tmp_path / "copy", comment="as the original")
    record = process.do(_judged(copy, circuit, spec), copy)
    assert (record.state, record.error) == (JobState.SUCCEEDED, None)
    (evaluation,) = read_evaluations(process.store, circuit_id)
    assert evaluation.evaluation == circuit.evaluation
    assert any("judged in model 'copy'" in note for note in evaluation.notes)
    there = stored_model(process.store, copy.spec(process.store).model.fingerprint)
    assert there is not None
    assert there.is_same(circuit.model)

    other = replace(tiny, folder=Path(shutil.copytree(tiny.folder, tmp_path / "other")))
    model = GPT2LMHeadModel.from_pretrained(other.folder)
    with torch.no_grad():
        model.transformer.wpe.weight.mul_(2)
    model.save_pretrained(other.folder)
    record = process.do(_judged(other, circuit, spec), other)
    assert record.error is not None
    assert record.error.type == "ModelError"
    assert "has other weights than the circuit's own" in record.error.message
    assert len(read_evaluations(process.store, circuit_id)) == 1
