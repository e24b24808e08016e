"""From a motif and models to one job and the jobs that it needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graph_schema.documents import Ablation, Limits, Metric
from graph_schema.documents.jobs import (
    DiscoverSpec,
    EffectsSpec,
    RolesSpec,
    SpecificitySpec,
    UniversalitySpec,
    read_spec,
)
from graph_schema.errors import ModelError, SpecError
from graph_schema.motifs import find_motif
from tests.workers.tiny import make_tiny
from workers.requests.discover import Submission
from workers.requests.universality import UniversalityRequest, build_universality


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    root = tmp_path_factory.mktemp("models")
    return [str(make_tiny(root / str(n), n_layers=n, n_pairs=16).folder) for n in (1, 2)]


def build(folders: list[str], cache: Path, **options: Any) -> Submission:
    fields: dict[str, Any] = {"motif": "induction", "models": folders, "task": "induction"}
    request = UniversalityRequest(**(fields | options))
    return build_universality(request, find_motif(request.motif), Limits(), cache)


def test_each_model_has_circuits_roles_and_effects_and_a_stress_test(
    folders: list[str], tmp_path: Path
) -> None:
    asked = build(folders, tmp_path)
    spec = asked.spec
    assert isinstance(spec, UniversalitySpec)
    assert read_spec(spec.canonical_json()) == spec
    kinds = [each.spec.kind_name() for each in asked.before]
    assert kinds == ["discover", "roles", "effects", "roles", "effects"] * 2
    ids = {each.spec.job_id for each in asked.before}
    assert {need.job_id for need in asked.needs} == ids
    assert {need.on_failure for need in asked.needs} == {"proceed"}
    for discover, roles, effects in zip(*[iter(asked.before[:3])] * 3, strict=True):
        assert isinstance(discover.spec, DiscoverSpec)
        assert discover.spec.alternatives == 3
        assert isinstance(roles.spec, RolesSpec)
        assert isinstance(effects.spec, EffectsSpec)
        (need,) = effects.needs
        assert (need.job_id, need.on_failure) == (roles.spec.job_id, "fail")
    stressed = {each.spec.ablation.kind for each in asked.before[3:5]}  # pyright: ignore[reportAttributeAccessIssue]
    assert stressed == {Ablation.MEAN}


def test_the_same_models_in_another_order_or_twice_are_the_same_job(
    folders: list[str], tmp_path: Path
) -> None:
    one = build(folders, tmp_path).spec.job_id
    assert build([*reversed(folders), folders[0]], tmp_path).spec.job_id == one
    assert build(folders, tmp_path, seed=1).spec.job_id != one
    assert build(folders, tmp_path, circuits=4).spec.job_id != one
    assert build(folders[:1], tmp_path).spec.job_id != one


def test_without_a_stress_test_half_the_measurements_are_asked_for(
    folders: list[str], tmp_path: Path
) -> None:
    asked = build(folders, tmp_path, stress="none")
    assert len(asked.before) == 6
    other = build(folders, tmp_path, ablation="zero")
    assert {m.stress is None for m in asked.spec.models} == {True}  # pyright: ignore[reportAttributeAccessIssue]
    assert other.before[3].spec.ablation.kind is Ablation.CORRUPT  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"models": []}, SpecError, "0 models; expected 1"),
        ({"models": ["./nowhere"]}, ModelError, "no such file"),
        ({"motif": "bi_fan"}, SpecError, "no single role"),
        ({"motif": "previous_token_chain"}, SpecError, "no output role"),
        ({"stress": "corrupt"}, SpecError, "own ablation"),
        ({"stress": "freeze"}, SpecError, "unknown stress 'freeze'"),
        ({"method": "acdc"}, SpecError, "acdc does not give"),
        ({"task": "inductoin"}, SpecError, "did you mean 'induction'"),
        ({"circuits": 0}, SpecError, "circuits is 0"),
        ({"circuits": 11}, SpecError, "circuits is 11"),
        ({"task": None}, SpecError, "exactly one of task"),
        ({"pairs": 2}, SpecError, "pairs is 2"),
    ],
)
def test_a_wrong_request_is_refused_in_one_line(
    folders: list[str], tmp_path: Path, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said) as refused:
        build(folders, tmp_path, **options)
    assert "\n" not in str(refused.value)


def test_other_tasks_bring_their_roles_jobs_and_a_matrix(
    folders: list[str], tmp_path: Path
) -> None:
    plain = build(folders, tmp_path)
    pairs = tmp_path / "mine.jsonl"
    pairs.write_bytes(make_tiny(tmp_path / "m", n_pairs=16).jsonl)
    found = build(folders, tmp_path, also_tasks=("greater_than", str(pairs)))
    assert isinstance(found.spec, UniversalitySpec)
    new = [each for each in found.before if each not in plain.before]
    kinds = [each.spec.kind_name() for each in new]
    assert kinds == ["roles", "roles", "specificity"] * 2
    for model in found.spec.models:
        (matrix,) = [each for each in new if each.spec.job_id == model.specificity]
        assert isinstance(matrix.spec, SpecificitySpec)
        tasks = {each.data.task_name: each for each in matrix.spec.tasks}
        assert set(tasks) == {"induction", "greater_than", "mine"}
        assert tasks["induction"].job_id == model.main.roles
        assert tasks["greater_than"].metric is Metric.PROB_DIFF
        assert {(n.job_id, n.on_failure) for n in matrix.needs} == {
            (each.job_id, "proceed") for each in tasks.values()
        }
        assert model.specificity in {need.job_id for need in found.needs}
    assert [each.dataset is not None for each in new] == [False, True, False] * 2
    with pytest.raises(SpecError, match=r"unknown task 'induktion'; did you mean 'induction'"):
        build(folders, tmp_path, also_tasks=("induktion",))
    with pytest.raises(SpecError, match="2 roles jobs are on the task 'induction'"):
        build(folders, tmp_path, also_tasks=("induction",))
