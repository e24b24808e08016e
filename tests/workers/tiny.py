"""A tiny random GPT-2 on disk, token-id pairs that it "does", and workers as real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from graph_schema.datasets.file import dataset_document, read_jsonl
from graph_schema.documents import DatasetData, Eap, ModelId, ModelSource, TopEdges
from graph_schema.documents.jobs import DiscoverSpec, JobRecord, JobState, Placement
from graph_schema.models.fingerprint import fingerprint
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore, StoreAddress
from graph_schema.store.records.datasets import write_dataset
from workers import broker
from workers.settings import Settings

PATIENCE = 300.0
"""Seconds for what must come true: a child that loads torch took 73 on a busy machine."""


@dataclass(frozen=True)
class Tiny:
    """The model's folder and a dataset for it."""

    folder: Path
    jsonl: bytes

    def spec(self, store: GraphStore, seed: int = 0) -> DiscoverSpec:
        """A job on the stored dataset."""
        dataset = dataset_document(read_jsonl(self.jsonl), "made")
        store.write(lambda tx: write_dataset(tx, dataset))
        return DiscoverSpec(
            model=ModelId(fingerprint=fingerprint(self.placement.model, None)),
            data=DatasetData(sha256=dataset.sha256, task=dataset.task),
            method=Eap(),
            selection=TopEdges(n_edges=20),
            seed=seed,
        )

    @property
    def placement(self) -> Placement:
        return Placement(model=ModelSource(name=str(self.folder)))


def make_tiny(folder: Path, n_layers: int = 2, n_pairs: int = 24) -> Tiny:
    """Answers are what the model says on the clean prompt, wrong ones what it says on the other."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=40,
        n_positions=16,
        n_embd=32,
        n_layer=n_layers,
        n_head=4,
        initializer_range=0.4,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPT2LMHeadModel(config).eval()
    model.save_pretrained(folder)
    rows: list[dict[str, list[int]]] = []
    while len(rows) < n_pairs:
        clean, corrupt = torch.randint(40, (2, 8))
        with torch.no_grad():
            said = model(torch.stack([clean, corrupt])).logits[:, -1].argmax(-1).tolist()
        if said[0] != said[1]:
            prompts = {"clean": clean.tolist(), "corrupt": corrupt.tolist()}
            rows.append(prompts | {"answers": said[:1], "wrong_answers": said[1:]})
    return Tiny(folder, "".join(json.dumps(row) + "\n" for row in rows).encode())


def worker_settings(home: Path, address: StoreAddress, broker_url: str | None = None) -> Settings:
    """The usual lease, which no test waits for, quick looks at the jobs, and time to stop.

    A worker that takes `cancel_seconds` and some more to stop ends itself, with an error.
    """
    given = {
        "home": home,
        "broker": broker_url,
        "reconcile_seconds": 0.5,
        "resend_seconds": 1.0,
        "cancel_seconds": 10.0,
    }
    return Settings.model_validate(given).at(address)


def submit(store: GraphStore, settings: Settings, spec: DiscoverSpec, placement: Placement) -> str:
    """Submit as a client does; returns the job's id."""
    submitted = jobs.submit(store, spec, placement)
    if submitted.send:
        app = broker.make_app(settings)
        broker.send(app, submitted.record)
        app.close()
    return spec.job_id


@dataclass
class Place:
    """A graph and a broker, empty."""

    store: GraphStore
    settings: Settings

    def submit(self, tiny: Tiny, seed: int) -> str:
        return submit(self.store, self.settings, tiny.spec(self.store, seed), tiny.placement)


@contextmanager
def worker(settings: Settings) -> Generator[subprocess.Popen[bytes]]:
    """A worker's main process; what is left of it is killed at the end.

    Its jobs can be `held`.

    Raises:
        AssertionError: It ended by itself.
    """
    log = settings.home / f"worker-{time.monotonic_ns()}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.workers.held"],
            env=settings.environment(),
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        sys.stderr.write(log.read_text()[-8000:])
    assert process.returncode <= 0, "the worker ended by itself: see its log above"


def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait for it.

    Raises:
        AssertionError: It does not come true.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not happen within {seconds} s"
        time.sleep(0.1)


def ended(store: GraphStore, job_id: str, seconds: float = PATIENCE) -> JobRecord:
    """The job once it has ended."""
    until(lambda: jobs.get(store, job_id).state.ended, seconds)
    return jobs.get(store, job_id)


def working(store: GraphStore, job_id: str, attempt: int = 1) -> None:
    """Wait until this attempt at the job has reported progress."""

    def is_working() -> bool:
        record = jobs.get(store, job_id)
        assert not record.state.ended, record
        here = record.state is JobState.RUNNING and record.attempts == attempt
        return here and record.progress is not None

    until(is_working)
