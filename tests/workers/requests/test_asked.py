"""What is handed over in Python is of the kind that is asked for, or refused by its name."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import fields
from itertools import count
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
import torch

from graph_schema.documents import Limits
from graph_schema.errors import CircuitServiceError, SpecError
from graph_schema.motifs import catalogue
from tests.workers.requests.test_discover import build, folder, pair, write
from workers.requests.discover import DiscoverRequest
from workers.requests.labels import author_or_user, one_row
from workers.requests.remarks import checked_note, checked_tag
from workers.requests.roles import RolesRequest, build_roles
from workers.requests.sweep import asked_sweep
from workers.requests.sweep_jobs import build_sweep
from workers.requests.trace import TraceRequest, build_trace
from workers.requests.training import TrainingRequest, build_training
from workers.requests.universality import UniversalityRequest, build_universality

__all__ = ["folder"]

ODD = (
    *(None, 3, -1, 10**5000, 1.5, float("nan"), True, "", "x", "x" * 100_000, "\udcff", "a\0b"),
    *(b"b", [], [1], ["x", 3, None], {}, {"a": 1}, {1: 2}, {"a": object()}, ("x",), object()),
    *(Path("/x"), set[str](), range(3), np.int64(3), np.array([1, 2]), len),
)


def test_paths_and_numbers_of_numpy_are_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder.parent / "pairs.jsonl", [pair(n) for n in range(8)])
    monkeypatch.chdir(folder.parent)
    said = build(folder, dataset="pairs.jsonl", n_edges=7, seed=3)
    for model in (folder, Path("model")):
        given: dict[str, Any] = {"model": model, "dataset": Path("pairs.jsonl")}
        assert build(folder, **given, n_edges=np.int64(7), seed=np.uint8(3)) == said
    asked = asked_sweep({"models": Path("model"), "tasks": [Path("pairs.jsonl")], "edges": 7})
    (job,) = build_sweep(asked, Limits(), folder.parent / "cache").jobs
    assert job.submission.placement.model == said.placement.model


@pytest.mark.parametrize(
    "steps",
    [
        *(range(0, 300, 100), {0: "a", 100: "b", 200: "c"}.keys(), {200, 0, 100}),
        *(deque([0, 100, 200]), (n for n in (0, 100, 200)), np.arange(0, 300, 100)),
        *(pd.Series([0, 100, 200]), pd.Index([0, 100, 200]), [0.0, 100.0, np.float32(200)]),
    ],
    ids=["range", "keys", "set", "deque", "generator", "array", "series", "index", "floats"],
)
def test_what_can_be_gone_through_is_a_list(steps: Any) -> None:
    measuring = UniversalityRequest(motif="induction", models=())
    asked = TrainingRequest(model="m", measuring=measuring, steps=steps)
    assert sorted(asked.steps or ()) == [0, 100, 200]
    assert TraceRequest(model="m", prompt=asked.steps or ()).prompt == asked.steps


def test_numbers_and_lists_are_taken_as_those_of_python() -> None:
    whole = DiscoverRequest(model="m", n_edges=cast(Any, 500.0), memory=cast(Any, np.float64(16)))
    assert (whole.n_edges, whole.memory) == (500, 16)
    measuring = UniversalityRequest(motif="induction", models=cast(Any, {"b", "a"}))
    assert measuring.models == ["a", "b"], "in one order"
    tensor = torch.tensor(7)
    assert DiscoverRequest(model="m", n_edges=cast(Any, tensor)).n_edges == 7
    sae: Any = [{"component": "m0", "name": Path("sae")}]
    traced = TraceRequest(model="m", prompt=cast(Any, range(3)), dictionaries=sae)
    assert traced.prompt == [0, 1, 2]
    assert traced.dictionaries == [{"component": "m0", "name": "./sae"}]
    with pytest.raises(SpecError, match="more than"):
        TraceRequest(model="m", prompt=cast(Any, count()))
    with pytest.raises(SpecError, match=r"n_edges is 7\.5; expected int"):
        DiscoverRequest(model="m", n_edges=cast(Any, 7.5))


def test_a_sweep_takes_them_too() -> None:
    given: dict[str, Any] = {
        "models": np.array(["a", "b"]),
        "tasks": [{"dataset": Path("p.jsonl")}],
        "edges": [np.int64(7)],
        "seeds": range(3),
        "pairs": np.int64(8),
    }
    asked = asked_sweep(given).request
    assert [each.model for each in asked.models] == ["a", "b"]
    assert (asked.tasks[0].dataset, asked.edges, asked.seeds) == ("./p.jsonl", (7,), (0, 1, 2))
    other = {"models": {"model": Path("m")}, "edges": np.int64(7), "seeds": np.arange(3)}
    asked = asked_sweep({**given, **other}).request
    assert (asked.models[0].model, asked.edges, asked.seeds) == ("./m", (7,), (0, 1, 2))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"n_edges": "7"}, "n_edges is '7'; expected int | None"),
        ({"pairs": 2.5}, "pairs is 2.5; expected int | None"),
        ({"seed": True}, "seed is True; expected int"),
        ({"task": ["ioi"]}, r"task is \['ioi'\]; expected str | None"),
        ({"ablation": None}, "ablation is None; expected str"),
        ({"threshold": object()}, "threshold is <object object .*; expected float"),
    ],
)
def test_what_is_of_another_kind_is_refused_by_name(
    folder: Path, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(SpecError, match=said):
        build(folder, **asked)


@pytest.mark.parametrize("kind", [DiscoverRequest, RolesRequest, UniversalityRequest])
def test_whatever_is_asked_ends_in_a_request_or_an_error_of_ours(
    folder: Path, kind: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.hf_hub_download", _away)
    motif, limits, cache = catalogue()["induction"], Limits(), folder.parent / "cache"
    own: dict[str, Any] = {"task": "induction"}
    if kind is UniversalityRequest:
        own |= {"motif": "induction", "models": [str(folder)]}
    longest = 0
    for field in fields(kind):
        for value in ODD:
            asked = {**own, field.name: value}
            if kind is not UniversalityRequest:
                asked.setdefault("model", str(folder))
            try:
                request: Any = kind(**asked)
                if kind is DiscoverRequest:
                    build(folder, **asked)
                elif kind is RolesRequest:
                    build_roles(request, limits, cache)
                else:
                    build_universality(request, motif, limits, cache)
            except CircuitServiceError as error:
                longest = max(longest, len(str(error)))
    assert 0 < longest < 3_000


def test_traces_and_trainings_asked_for_oddly_end_in_a_request_or_an_error_of_ours(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.hf_hub_download", _away)
    motif, limits, cache = catalogue()["induction"], Limits(), folder.parent / "cache"
    measuring = UniversalityRequest(motif="induction", models=(), task="induction")
    longest = 0
    for kind, own in (
        (TraceRequest, {"prompt": "a b"}),
        (TrainingRequest, {"measuring": measuring}),
    ):
        for name in {field.name for field in fields(kind)} - {"measuring"}:
            for value in ODD:
                given: dict[str, Any] = {"model": str(folder), **own, name: value}
                try:
                    request = kind(**given)
                    if isinstance(request, TraceRequest):
                        build_trace(request, limits, cache)
                    else:
                        build_training(request, motif, limits, cache)
                except CircuitServiceError as error:
                    longest = max(longest, len(str(error)))
    assert 0 < longest < 3_000


def test_a_note_a_tag_and_a_label_are_text() -> None:
    for value in ODD:
        if isinstance(value, str):
            continue
        said: Any = value
        with pytest.raises(SpecError, match=r"the note is .*; expected text"):
            checked_note(said)
        with pytest.raises(SpecError, match=r"a tag is .*; expected text"):
            checked_tag(said)
        with pytest.raises(SpecError, match=r"the node is .*; expected text"):
            one_row(said, "x", None)
        with pytest.raises(SpecError, match=r"the label is .*; expected text"):
            one_row("m0", said, None)
        if value is not None:
            with pytest.raises(SpecError, match=r"the author is .*; expected text"):
                author_or_user(said)
        if value is not None and value is not True:
            with pytest.raises(SpecError, match=r"score .*; expected (a number|0 to 1)"):
                one_row("m0", "x", said)


def _away(*_: object, **__: object) -> None:
    raise ConnectionError(os.strerror(113))
