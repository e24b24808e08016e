"""What is tried again when it is asked for again: a failure whose cause may be gone."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from graph_schema.artifacts import ArtifactStore
from graph_schema.documents import Limits
from graph_schema.documents.jobs import ErrorDocument, JobState
from graph_schema.errors import CircuitServiceError, ModelUnavailable, NonFiniteError, SpecError
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from tests.graph_schema.test_errors import CLASSES
from tests.workers.tiny import make_tiny, worker_settings
from workers.client import CircuitClient, Job
from workers.client.service import Service
from workers.client.stored import evaluation_asked
from workers.job.model_cache import ModelCache
from workers.kinds.perform import run_job
from workers.requests.discover import DiscoverRequest, build_submission
from workers.requests.evaluate import EvaluateRequest
from workers.running.inline import run_here
from workers.running.lifecycle import Performer
from workers.settings import Settings


@dataclass
class Asked:
    """A client and a request that a tiny model meets."""

    client: CircuitClient
    request: DiscoverRequest
    folder: Path

    def at(self, name: str) -> DiscoverRequest:
        """The same request for a copy of the model."""
        copy = self.folder / name
        if not copy.exists():
            shutil.copytree(self.request.model, copy)
        return replace(self.request, model=str(copy))

    def fail(self, request: DiscoverRequest, error: CircuitServiceError) -> str:
        """Have a worker's attempt at it end so."""
        client = self.client
        job = client.service.submit(
            build_submission(request, Limits(), client.settings.cache_dir), force=True, send=False
        )
        store = client.service.store
        held = jobs.claim(store, job.job_id, "token", owner="it", lease=60.0, max_attempts=9)
        assert held is not None
        document = ErrorDocument(type=type(error).__name__, message=str(error))
        jobs.fail(store, job.job_id, "token", document)
        return job.job_id

    def submit(self, request: DiscoverRequest) -> Job:
        """Ask for it, and have it done by nobody."""
        submission = build_submission(request, Limits(), self.client.settings.cache_dir)
        record = self.client.service.submit(submission, force=False, send=False)
        return Job(self.client, record, submission, send=False)


@pytest.fixture
def asked(embedded_store: GraphStore, tmp_path: Path) -> Generator[Asked]:
    tiny = make_tiny(tmp_path / "model", n_layers=1, n_pairs=16)
    (tmp_path / "pairs.jsonl").write_bytes(tiny.jsonl)
    request = DiscoverRequest(
        model=str(tiny.folder), dataset=tmp_path / "pairs.jsonl", method="eap", n_edges=10
    )
    with CircuitClient(settings=worker_settings(tmp_path / "home", embedded_store.address)) as made:
        yield Asked(made, request, tmp_path)


def _with(client: CircuitClient, **limits: float) -> CircuitClient:
    changed = client.settings.model_copy(update={"limits": Limits.model_validate(limits)})
    return CircuitClient(settings=Settings.model_validate(changed.model_dump()))


def do_as_a_worker(asked: Asked, job: Job) -> CircuitServiceError | None:
    """Do a job that is waiting, as a worker would, and say how it ended."""
    service = asked.client.service
    performer = Performer(asked.client.settings, service.address, "worker", lambda ids: None)
    work = partial(
        run_job,
        settings=asked.client.settings,
        store=performer.store,
        artifacts=ArtifactStore(asked.client.settings.artifacts_url),
        models=ModelCache(),
    )
    performer.perform(job.job_id, work)
    performer.close()
    return job.refresh().error


@pytest.mark.parametrize("cls", CLASSES.values())
def test_a_failure_is_tried_again_unless_it_lasts(
    asked: Asked, cls: type[CircuitServiceError]
) -> None:
    failed = asked.fail(asked.request, cls("why"))
    job = asked.submit(asked.request)
    assert job.job_id == failed
    assert job.state is (JobState.FAILED if cls.lasting else JobState.QUEUED)


def test_a_model_that_was_away_is_looked_for_again(asked: Asked) -> None:
    gone = asked.at("gone")
    job = asked.submit(gone)
    (asked.folder / "gone").rename(asked.folder / "away")
    failed = do_as_a_worker(asked, job)
    assert isinstance(failed, ModelUnavailable)
    assert "gone" in str(failed)
    (asked.folder / "away").rename(asked.folder / "gone")
    assert run_here(asked.client, gone).state is JobState.SUCCEEDED


def test_the_same_model_elsewhere_is_not_answered_with_the_first_place(asked: Asked) -> None:
    gone = asked.at("gone")
    job = asked.submit(gone)
    shutil.rmtree(asked.folder / "gone")
    assert do_as_a_worker(asked, job) is not None
    other = run_here(asked.client, asked.request)
    assert other.job_id == job.job_id
    assert (other.state, other.error) == (JobState.SUCCEEDED, None)


def test_a_job_that_waits_goes_on_where_whoever_asked_last_has_its_model(asked: Asked) -> None:
    """Both asked for one job; whoever asked first named the folder that is gone."""
    gone = asked.at("gone")
    first = asked.submit(gone)
    shutil.rmtree(asked.folder / "gone")
    second = asked.submit(asked.request)
    assert second.record.placement != first.record.placement
    assert str(asked.folder / "model") in second.record.placement
    here = run_here(asked.client, asked.request)
    assert (here.job_id, here.state) == (first.job_id, JobState.SUCCEEDED)


def test_waiting_for_a_job_that_failed_at_anothers_place_submits_it_here(asked: Asked) -> None:
    first = asked.submit(asked.at("gone"))
    shutil.rmtree(asked.folder / "gone")
    store = asked.client.service.store
    assert jobs.claim(store, first.job_id, "token", owner="it", lease=60.0, max_attempts=9)
    second = asked.submit(asked.request)
    assert second.record.placement == first.record.placement, "it runs already"
    away = ErrorDocument(type=ModelUnavailable.__name__, message="there is no such folder")
    jobs.fail(store, first.job_id, "token", away)
    with pytest.raises(TimeoutError):
        second.wait(0.5, progress=False)
    assert second.state is JobState.QUEUED
    assert str(asked.folder / "model") in second.record.placement
    # Its own failure is told, and not tried for ever.
    asked.fail(asked.request, ModelUnavailable("it is away"))
    assert isinstance(second.wait(5.0, progress=False).error, ModelUnavailable)


def test_a_limit_that_was_raised_is_tried_again(asked: Asked) -> None:
    with _with(asked.client, memory_bytes=1000) as strict:
        error = run_here(strict, asked.request).error
        assert error is not None
        assert "limits.memory_bytes" in str(error)
    assert run_here(asked.client, asked.request).state is JobState.SUCCEEDED


def test_a_prompt_over_a_limit_that_was_raised_is_tried_again(asked: Asked) -> None:
    """The worker's limit; the client's own would have refused it first."""
    job = asked.submit(asked.request)
    with _with(asked.client, prompt_tokens=3) as strict:
        error = do_as_a_worker(replace(asked, client=strict), job)
    assert error is not None
    assert "the prompt has 8 tokens; the limit is 3" in str(error)
    assert run_here(asked.client, asked.request).state is JobState.SUCCEEDED


def test_what_the_request_is_to_blame_for_is_not_done_again(asked: Asked) -> None:
    wrong = replace(asked.request, dataset=asked.folder / "bad.jsonl")
    line = '{"clean": [1, 2], "corrupt": [1, 3], "answers": [4711], "wrong_answers": [5]}\n'
    (asked.folder / "bad.jsonl").write_text(line * 8)
    first = run_here(asked.client, wrong)
    assert first.error is not None
    assert "4711" in str(first.error)
    again = run_here(asked.client, wrong)
    assert again.record == first.record


def test_broken_numbers_are_tried_again_on_another_device(asked: Asked) -> None:
    asked.fail(asked.request, NonFiniteError("an activation is NaN"))
    assert asked.submit(asked.request).state is JobState.FAILED
    assert asked.submit(replace(asked.request, device="cuda")).state is JobState.QUEUED


def test_a_lasting_failure_names_no_path(asked: Asked) -> None:
    """It answers whoever submits the same, and they have the model elsewhere."""
    job = asked.submit(asked.at("mine"))
    performer = Performer(
        asked.client.settings, asked.client.service.address, "worker", lambda ids: None
    )

    def refuse(*_: object) -> None:
        raise SpecError(f"model {str(asked.folder / 'mine')!r} cannot do this")

    performer.perform(job.job_id, refuse)  # pyright: ignore[reportArgumentType]
    performer.close()
    other = asked.submit(asked.request)
    assert other.state is JobState.FAILED
    fingerprint = other.record.spec.split('"fingerprint":"')[1][:12]
    assert str(other.error) == f"model {fingerprint} cannot do this"


def test_a_circuit_whose_model_moved_says_so_without_its_old_path(asked: Asked) -> None:
    """The path is of whoever found the circuit; a local client sees what its worker would."""
    client = asked.client
    circuit = run_here(client, asked.at("mine")).record.circuit_ids[0]
    moved = (asked.folder / "mine").rename(asked.folder / "moved")
    here = client.service
    settings = client.settings.model_copy(update={"graph": None})
    local = Service(settings, here.address, here.store)
    request = EvaluateRequest(circuit=circuit, seed=3)
    with pytest.raises(ModelUnavailable, match=r"'mine', is not where .*--model") as raised:
        evaluation_asked(local, request)
    assert str(asked.folder) not in str(raised.value)
    again = evaluation_asked(local, replace(request, model=str(moved)))
    assert again.placement.model.name == str(moved)
