"""`zoo:FAMILY/NUMBER` stands for the folder of a model that is trained here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from discovery.models.zoo import ensure_model
from graph_schema.documents import Limits
from graph_schema.errors import ModelError, ModelUnavailable
from graph_schema.motifs import catalogue
from tests.workers.cli.conftest import Circuits, circuits
from workers.cli.exits import ExitCode
from workers.requests.discover import DiscoverRequest, build_submission
from workers.requests.roles import RolesRequest, build_roles
from workers.requests.universality import UniversalityRequest, build_universality, fingerprints
from workers.requests.zoo_names import place_of

__all__ = ["circuits"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    for family in ("markov", "one-layer"):
        ensure_model(folder, family, 1, n_checkpoints=0, steps=2)
    return folder


def test_every_request_finds_the_folder(cache: Path) -> None:
    lies: dict[str, Any] = {"task": "induction"}
    found = [
        build_submission(
            DiscoverRequest(model="zoo:one-layer/1", n_edges=9, **lies), Limits(), cache
        ),
        build_roles(RolesRequest(model="zoo:one-layer/1", **lies), Limits(), cache),
        *build_universality(
            UniversalityRequest(motif="induction", models=["zoo:one-layer/1"], **lies),
            catalogue()["induction"],
            Limits(),
            cache,
        ).before,
    ]
    places = {Path(each.placement.model.name).name.split("-0-")[0] for each in found}
    assert all(place.startswith("one-layer-1-") for place in places)
    told = fingerprints(["zoo:one-layer/1", "zoo:markov/1"], cache)
    assert list(told) == ["zoo:one-layer/1", "zoo:markov/1"], "as they were given"
    assert place_of("org/name", cache) == "org/name"


def test_of_two_trainings_the_latest_counts(cache: Path, tmp_path: Path) -> None:
    first = ensure_model(tmp_path, "markov", 1, n_checkpoints=0, steps=2)
    second = ensure_model(tmp_path, "markov", 1, n_checkpoints=0, steps=3)
    assert place_of("zoo:markov/1", tmp_path) == str(second)
    late = (second / "training.json").stat().st_mtime + 9
    os.utime(first / "training.json", (late, late))
    assert place_of("zoo:markov/1", tmp_path) == str(first)


@pytest.mark.parametrize(
    "name", ["zoo:llama", "zoo:../x/1", "zoo:llama/-1", "zoo:", "zoo:llama/1/2"]
)
def test_what_is_no_name_is_refused(name: str, cache: Path) -> None:
    with pytest.raises(ModelError, match="FAMILY/NUMBER"):
        place_of(name, cache)


def test_a_model_that_is_not_trained_says_how_to_train_it(cache: Path, circuits: Circuits) -> None:
    with pytest.raises(ModelUnavailable, match=r"circuits zoo train llama/1$"):
        place_of("zoo:llama/1", cache)
    ran = circuits("submit", "--model", "zoo:llama/1", "--task", "induction", "--edges", 9)
    assert ran.code == ExitCode.UNAVAILABLE
    assert "circuits zoo train llama/1" in ran.err
