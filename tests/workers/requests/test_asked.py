"""What is handed over in Python is of the kind that is asked for, or refused by its name."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph_schema.documents import Limits
from graph_schema.errors import CircuitServiceError, SpecError
from graph_schema.motifs import catalogue
from tests.workers.requests.test_discover import build, folder, pair, write
from workers.requests.discover import DiscoverRequest
from workers.requests.roles import RolesRequest, build_roles
from workers.requests.sweep import asked_sweep
from workers.requests.sweep_jobs import build_sweep
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
                request = kind(**asked)
                if kind is DiscoverRequest:
                    build(folder, **asked)
                elif kind is RolesRequest:
                    build_roles(request, limits, cache)
                else:
                    build_universality(request, motif, limits, cache)
            except CircuitServiceError as error:
                longest = max(longest, len(str(error)))
    assert 0 < longest < 3_000


def _away(*_: object, **__: object) -> None:
    raise ConnectionError(os.strerror(113))
