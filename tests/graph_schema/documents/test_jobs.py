from __future__ import annotations

import pytest
from pydantic import ValidationError

from graph_schema.documents import (
    Acdc,
    DatasetData,
    Eap,
    EapIg,
    Exact,
    IoiTask,
    Metric,
    ModelId,
    TaskData,
    Thresholds,
    TopEdges,
    circuit_id,
)
from graph_schema.documents.base import sha256_hex
from graph_schema.documents.jobs import DiscoverSpec, EvaluateSpec, JobState, read_spec


def spec(**changes: object) -> DiscoverSpec:
    fields: dict[str, object] = {
        "model": ModelId(fingerprint="a" * 40),
        "data": TaskData(task=IoiTask(version=1)),  # the newest when the ids below were pinned
        "method": Eap(),
        "selection": TopEdges(n_edges=5),
    }
    return DiscoverSpec.model_validate({**fields, **changes})


def test_equal_specs_have_one_job_id_and_different_ones_have_two() -> None:
    assert spec().job_id == spec().job_id
    assert spec(seed=1).job_id != spec().job_id
    assert spec(method=EapIg(steps=6)).job_id != spec(method=EapIg()).job_id


def test_a_spec_survives_its_json_with_its_id() -> None:
    made = spec(data=DatasetData(sha256="b" * 64, task="mine"), method=EapIg(steps=7))
    read = DiscoverSpec.model_validate_json(made.canonical_json())
    assert read == made
    assert read.job_id == made.job_id


def test_the_job_id_is_pinned() -> None:
    """A changed id orphans every stored job: change `schema_version` with it."""
    assert spec().job_id.startswith("6205535a0f97fde8")


def test_a_newer_version_of_a_task_is_another_job() -> None:
    newest = spec(data=TaskData(task=IoiTask()))
    assert newest.job_id != spec().job_id
    assert newest.job_id.startswith("cbc41f3acaa33569")


def test_fields_that_came_later_change_the_id_only_where_they_are_used() -> None:
    plain = spec(method=EapIg())
    assert plain.job_id.startswith("b3c2355aee8d4eed")  # as before they came
    same = spec(
        method=EapIg(over="inputs"), receivers="query_head", exact_top=None, keep_pair_scores=False
    )
    assert same.job_id == plain.job_id
    used = [
        spec(method=EapIg(over="activations")),
        spec(method=EapIg(), receivers="kv_group"),
        spec(method=EapIg(), exact_top=10),
        spec(method=EapIg(), keep_pair_scores=True),
    ]
    assert len({each.job_id for each in (plain, *used)}) == 5
    for each in used:
        assert DiscoverSpec.model_validate_json(each.canonical_json()) == each


def test_a_method_whose_numbers_changed_has_another_version_and_id() -> None:
    newest = EapIg(over="activations")
    older = EapIg.model_validate({"name": "eap-ig", "version": 1, "over": "activations"})
    assert (EapIg().version, newest.version, older.version) == (1, 2, 1)
    assert spec(method=newest).job_id != spec(method=older).job_id
    with pytest.raises(ValidationError, match="over inputs has version 1, not 2"):
        EapIg(version=2)


def test_extras_that_do_not_fit_the_method_are_refused() -> None:
    with pytest.raises(ValidationError, match="method 'exact' measures each edge exactly already"):
        spec(method=Exact(), exact_top=3)
    with pytest.raises(ValidationError, match="acdc takes the mean over pairs"):
        spec(method=Acdc(), keep_pair_scores=True)
    with pytest.raises(ValidationError, match=r"k = 1 \.\.\. m: leave `endpoint`"):
        EapIg(over="activations", endpoint="clean")


def test_eap_with_kl_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValidationError, match=r"gradient at the clean run is zero.*eap-ig"):
        spec(metric=Metric.KL)
    assert spec(metric=Metric.KL, method=EapIg()).metric is Metric.KL


def test_acdc_takes_a_sweep_of_thresholds_and_proposed_candidates() -> None:
    swept = spec(method=Acdc(), selection=Thresholds(thresholds=(1e-3, 1e-2)))
    assert DiscoverSpec.model_validate_json(swept.canonical_json()) == swept
    assert spec(method=Acdc(candidates=100, proposed_by=Eap())).method.name == "acdc"


def test_acdc_requests_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(ValidationError, match="needs `candidates`"):
        Acdc(proposed_by=Eap())
    with pytest.raises(ValidationError, match=r"proposed by 'eap' under metric 'kl'"):
        spec(metric=Metric.KL, method=Acdc(candidates=9, proposed_by=Eap()))
    with pytest.raises(ValidationError, match="not by a ranking"):
        spec(method=Acdc(), selection=TopEdges(n_edges=5, by="signed"))
    with pytest.raises(ValidationError, match="ascending"):
        Thresholds(thresholds=(0.2, 0.1))


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        spec(n_edgs=5)


def test_circuit_id_does_not_depend_on_the_order_of_edges() -> None:
    assert circuit_id("j", 5, ["a", "b"]) == circuit_id("j", 5, ["b", "a"])
    assert circuit_id("j", 5, ["a", "b"]) != circuit_id("j", 6, ["a", "b"])
    assert circuit_id("j", 5, ["a"]) != circuit_id("k", 5, ["a"])
    # Six digits where they tell the value, as ids always were; else all of them.
    assert circuit_id("j", 0.01, ["a"]) == sha256_hex("j\n0.01\na")
    assert circuit_id("j", 0.01234567, ["a"]) != circuit_id("j", 0.01234568, ["a"])


def test_only_queued_and_running_are_live() -> None:
    assert [state for state in JobState if not state.ended] == [JobState.QUEUED, JobState.RUNNING]


def test_a_spec_is_read_by_its_kind_and_the_id_of_an_evaluation_is_pinned() -> None:
    found = spec()
    judged = EvaluateSpec(circuit_id="c" * 64, model=found.model, data=found.data)
    assert read_spec(found.canonical_json()) == found
    assert read_spec(judged.canonical_json()) == judged
    assert judged.job_id.startswith("3e60746dd482e3d1")
    assert judged.model_copy(update={"circuit_id": "d" * 64}).job_id != judged.job_id
