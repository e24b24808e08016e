"""A whole job in this process: pairs and a model in, a circuit with its evidence out."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from discovery.engine.experiment import Experiment
from discovery.evaluation.stability import GroupScores
from discovery.jobs.discover import Discovery, discover
from discovery.methods.eap import eap
from discovery.models import LoadedModel
from discovery.progress import NoCheckpoint, no_progress
from discovery.tasks.base import PairSet
from graph_schema.documents import (
    AblationSpec,
    CircuitDocument,
    Limits,
    Metric,
    ScoreKind,
    sha256_hex,
)
from graph_schema.documents.jobs import DiscoverSpec
from graph_schema.errors import JobCancelled, SpecError, TaskNotPerformedError
from tests.discovery.cases import judged, loaded_model, pair_set, tiny_gpt2


@cache
def model() -> LoadedModel:
    return loaded_model(tiny_gpt2())


@cache
def data() -> PairSet:
    return pair_set(tiny_gpt2(), ("made by hand",))


def spec(**changed: Any) -> DiscoverSpec:
    given: dict[str, Any] = {
        "model": {"fingerprint": "0" * 40},
        "data": {"kind": "dataset", "sha256": sha256_hex("made"), "task": "made"},
        "method": {"name": "eap"},
        "selection": {"kind": "edges", "n_edges": 30},
    }
    return DiscoverSpec.model_validate(given | changed)


def run(pairs: PairSet | None = None, progress: Any = no_progress, **changed: Any) -> Discovery:
    return discover(
        spec(**changed),
        model(),
        pairs or data(),
        limits=Limits(),
        progress=progress,
        checkpoint=NoCheckpoint(),
    )


@pytest.mark.parametrize(
    "method", [{"name": "eap"}, {"name": "eap-ig", "steps": 3}, {"name": "exact"}]
)
def test_a_job_gives_a_circuit_with_its_evidence(method: dict[str, Any]) -> None:
    found = run(method=method)
    (circuit,) = found.circuits
    assert CircuitDocument.model_validate_json(circuit.model_dump_json()) == circuit
    assert 0 < circuit.n_edges <= 30
    assert circuit.n_edges_scored == 75
    assert circuit.job_id == spec(method=method).job_id
    wanted = ScoreKind.EXACT if method["name"] == "exact" else ScoreKind.ESTIMATE
    assert {edge.score_kind for edge in circuit.edges} == {wanted}
    evaluation = judged(circuit)
    assert evaluation.faithfulness.n == evaluation.heldout_faithfulness.n == 10
    assert evaluation.cmd.value is not None
    assert circuit.notes[0] == "made by hand"
    scores = found.arrays["scores"]
    assert scores["scores"].dtype == np.float32
    named = dict(zip(scores["names"].tolist(), scores["scores"].tolist(), strict=True))
    assert all(named[edge.name] == edge.score for edge in circuit.edges)
    pairs = found.arrays["pairs"]
    assert pairs["full"].shape == pairs["circuit"].shape == pairs["empty"].shape == (20,)
    assert (pairs["full"] > 0).all()
    assert set(found.cpu_seconds) == {"baseline", "scores", "evaluation"}


def test_a_resampling_job_stores_the_prompts_it_drew() -> None:
    """With everything ablated a pair is what the model does on them."""
    found = run(ablation={"kind": "resample", "draws": 3})
    drawn, pairs = found.arrays["drawn"], [*data().discovery, *data().heldout]
    assert drawn["id"].tolist() == [pair.id for pair in pairs]
    assert drawn["split"].tolist() == ["discovery"] * 10 + ["heldout"] * 10
    assert drawn["source"].shape == (20, 3)
    network: Any = tiny_gpt2().model
    for pair, sources, empty in zip(
        pairs, drawn["source"].tolist(), found.arrays["pairs"]["empty"], strict=True
    ):
        prompts = torch.tensor([data().discovery[source].clean for source in sources])
        with torch.no_grad():
            logits = network(prompts).logits[:, pair.positions[0]]
        good, bad = pair.answers[0][0], pair.wrong_answers[0][0]
        wanted = float((logits[:, good] - logits[:, bad]).mean())
        assert empty == pytest.approx(wanted, abs=1e-4)
    assert "drawn" not in run().arrays


def test_the_same_job_gives_the_same_circuit() -> None:
    (one,), (other,) = run().circuits, run().circuits
    assert one == other
    json.loads(one.canonical_json())


def test_progress_goes_through_the_stages_to_their_ends() -> None:
    seen: list[tuple[str, int, int]] = []
    run(progress=lambda *now: seen.append(now))
    assert list(dict.fromkeys(stage for stage, _, _ in seen)) == [
        "baseline",
        "scores",
        "evaluation",
    ]
    assert all(0 <= done <= total for _, done, total in seen)


@pytest.mark.parametrize("stage", ["baseline", "scores", "evaluation"])
def test_cancellation_passes_through(stage: str) -> None:
    def cancel(now: str, done: int, total: int) -> None:
        if now == stage:
            raise JobCancelled("asked to")

    with pytest.raises(JobCancelled):
        run(progress=cancel)


def test_few_held_out_pairs_give_no_figure_and_a_reason() -> None:
    (circuit,) = run(replace(data(), heldout=data().heldout[:7])).circuits
    held = judged(circuit).heldout_faithfulness
    assert held.value is None
    assert held.reason == "no held-out figure: 7 held-out pairs, at least 8 needed"
    assert judged(circuit).cmd.split == "discovery"
    assert held.reason in circuit.notes


def test_a_task_that_is_not_done_costs_no_scores() -> None:
    swapped = tuple(
        replace(pair, answers=pair.wrong_answers, wrong_answers=pair.answers)
        for pair in data().discovery
    )
    stages: list[str] = []
    with pytest.raises(TaskNotPerformedError):
        run(replace(data(), discovery=swapped), progress=lambda *now: stages.append(now[0]))
    assert set(stages) == {"baseline"}


def test_a_threshold_that_keeps_nothing_is_said() -> None:
    (circuit,) = run(selection={"kind": "threshold", "threshold": 1e6}).circuits
    assert circuit.n_edges == 0
    assert judged(circuit).faithfulness.value == 0
    assert any("keeps nothing" in note for note in circuit.notes)


def test_a_circuit_larger_than_the_limit_is_refused() -> None:
    with pytest.raises(SpecError, match="more than the limit of 5"):
        discover(
            spec(),
            model(),
            data(),
            limits=Limits(circuit_edges=5),
            progress=no_progress,
            checkpoint=NoCheckpoint(),
        )


ACDC = {"name": "acdc"}


def test_acdc_gives_the_rise_at_each_test_and_no_ranking() -> None:
    found = run(method=ACDC, selection={"kind": "threshold", "threshold": 0.05})
    (circuit,) = found.circuits
    assert 0 < circuit.n_edges < 75
    assert {edge.score_kind for edge in circuit.edges} == {ScoreKind.ACDC_DELTA}
    assert all(edge.score is not None and edge.score >= 0.05 for edge in circuit.edges)
    assert judged(circuit).cmd.value is None
    assert judged(circuit).cmd.reason == "this method gives no ranking of edges"
    assert judged(circuit).faithfulness.value is not None
    acdc = found.arrays["acdc"]
    assert acdc["kept"].sum() == circuit.n_edges
    assert set(acdc["names"][acdc["kept"][0]]) == {edge.name for edge in circuit.edges}


def test_a_sweep_of_thresholds_gives_a_circuit_each() -> None:
    taus = [0.02, 0.1, 1e6]
    found = run(method=ACDC, selection={"kind": "thresholds", "thresholds": taus})
    chosen = [each.selection for each in found.circuits]
    assert [each.value for each in chosen if each is not None] == taus
    assert len({circuit.circuit_id for circuit in found.circuits}) == 3
    (alone,) = run(method=ACDC, selection={"kind": "threshold", "threshold": 0.1}).circuits
    together = found.circuits[1].edges
    assert [edge.name for edge in together] == [edge.name for edge in alone.edges]
    # Which tests are made side by side is another thing, so roundings are.
    assert [edge.score for edge in together] == pytest.approx(
        [edge.score for edge in alone.edges], abs=1e-5
    )
    assert any("keeps nothing" in note for note in found.circuits[2].notes)
    scores = dict(zip(*(found.arrays["scores"][key] for key in ("names", "scores")), strict=True))
    assert {edge.name for edge in alone.edges} == {
        name for name, score in scores.items() if score >= np.float32(0.1)
    }
    assert found.arrays["pairs"]["circuit"].shape == (3, 20)


def test_several_thresholds_cut_one_ranking_of_scores() -> None:
    found = run(selection={"kind": "thresholds", "thresholds": [0.01, 0.03]})
    many, few = (circuit.n_edges for circuit in found.circuits)
    assert many > few > 0


def test_acdc_reaches_a_number_of_edges_and_says_its_threshold() -> None:
    (circuit,) = run(method=ACDC, selection={"kind": "edges", "n_edges": 8}).circuits
    assert abs(circuit.n_edges - 8) <= 2
    assert any(f"keeps {circuit.n_edges} edges" in note for note in circuit.notes)


def test_acdc_decides_proposed_candidates_alone() -> None:
    method = ACDC | {"candidates": 20, "proposed_by": {"name": "eap"}}
    stages: list[str] = []
    found = run(
        progress=lambda *now: stages.append(now[0]),
        method=method,
        selection={"kind": "threshold", "threshold": 0.02},
    )
    (circuit,) = found.circuits
    assert circuit.n_edges_scored == 20 == len(found.arrays["scores"]["names"])
    assert {edge.name for edge in circuit.edges} <= set(found.arrays["scores"]["names"])
    assert any("20 edges proposed by eap" in note for note in circuit.notes)
    assert "candidates" in stages


@pytest.mark.slow
def test_the_best_edges_are_tested_exactly_and_the_ranking_stays() -> None:
    taus = [0.01, 0.03]
    selection = {"kind": "thresholds", "thresholds": taus}
    estimated = run(method={"name": "eap"}, selection=selection)
    found = run(method={"name": "eap"}, selection=selection, exact_top=5)
    exact = run(method={"name": "exact"}, selection=selection).arrays["scores"]
    oracle = dict(zip(exact["names"].tolist(), exact["scores"].tolist(), strict=True))
    for circuit, before in zip(found.circuits, estimated.circuits, strict=True):
        estimates = {e.name: e.score for e in before.edges if e.score is not None}
        assert {edge.name for edge in circuit.edges} == set(estimates)
        tested = [edge for edge in circuit.edges if edge.score_kind is ScoreKind.EXACT]
        best = sorted(estimates, key=lambda name: -abs(estimates[name]))[:5]
        assert {edge.name for edge in tested} == set(best)
        for edge in tested:
            assert edge.score == pytest.approx(oracle[edge.name], abs=1e-5)
        for edge in set(circuit.edges) - set(tested):
            assert (edge.score, edge.score_kind) == (estimates[edge.name], ScoreKind.ESTIMATE)
        assert any("5 best of" in note for note in circuit.notes)
        assert circuit.evaluation == before.evaluation
    both = found.arrays["exact_top"]
    first = {edge.name: edge.score for edge in estimated.circuits[0].edges}
    rows = zip(*(both[key].tolist() for key in ("names", "scores", "estimates")), strict=True)
    for name, score, estimate in rows:
        assert (score, estimate) == (pytest.approx(oracle[name], abs=1e-5), first[name])


def test_an_empty_circuit_has_no_edges_to_test() -> None:
    found = run(selection={"kind": "threshold", "threshold": 1e6}, exact_top=5)
    assert found.circuits[0].n_edges == 0
    assert "exact_top" not in found.arrays


@pytest.mark.slow
def test_scores_of_single_pairs_give_stability_without_another_run() -> None:
    stages: list[str] = []
    found = run(
        progress=lambda *now: stages.append(now[0]),
        keep_pair_scores=True,
        method={"name": "exact"},
        evaluation="full",
    )
    kept = found.arrays["pair_scores"]
    assert kept["scores"].shape == (len(data().discovery), 75)
    assert kept["ids"].tolist() == [pair.id for pair in data().discovery]
    np.testing.assert_allclose(kept["scores"].mean(0), found.arrays["scores"]["scores"], atol=1e-6)
    (circuit,) = found.circuits
    assert "stability" not in stages
    assert circuit.evaluation is not None
    assert circuit.evaluation.stability is not None
    assert circuit.evaluation.stability.frequency is not None


def test_groups_of_kept_pair_scores_are_those_that_a_run_a_group_gives() -> None:
    pairs = data().discovery
    experiment = Experiment(tiny_gpt2(), Metric.LOGIT_DIFF, AblationSpec(), pairs)
    per_pair = np.zeros((len(pairs), 75), dtype=np.float32)
    eap(experiment, pairs, per_pair=per_pair)
    once = GroupScores.of_pairs(pairs, per_pair)
    anew = GroupScores.of(pairs, lambda group: eap(experiment, group))
    np.testing.assert_allclose(once.scores, anew.scores, atol=1e-6)
    assert once.sizes.tolist() == anew.sizes.tolist()


def test_more_pair_scores_than_the_limit_are_refused_with_the_number() -> None:
    stages: list[str] = []
    with pytest.raises(SpecError, match=r"10 pairs x 75 edges = 0\.00286 MiB, the limit is 0\.00"):
        discover(
            spec(keep_pair_scores=True),
            model(),
            data(),
            limits=Limits(pair_score_bytes=1000),
            progress=lambda *now: stages.append(now[0]),
            checkpoint=NoCheckpoint(),
        )
    assert stages == []


def test_kv_groups_that_the_model_has_not_are_said() -> None:
    (circuit,) = run(receivers="kv_group").circuits
    (plain,) = run().circuits
    assert any("no query heads share keys and values" in note for note in circuit.notes)
    assert circuit.edges == plain.edges


def test_a_job_gives_alternatives_that_share_few_edges_and_the_first_stays_as_it_was() -> None:
    found = run(alternatives=3).circuits
    assert [edge.name for edge in found[0].edges] == [edge.name for edge in run().circuits[0].edges]
    assert len({circuit.circuit_id for circuit in found}) == len(found) > 1
    names = [{edge.name for edge in circuit.edges} for circuit in found]
    assert len(names[0] & names[1]) / len(names[0] | names[1]) < 0.9
    values = [judged(circuit).faithfulness.value or 0.0 for circuit in found]
    assert min(values) >= values[0] - 0.1 - 1e-6
    with pytest.raises(ValueError, match="alternatives"):
        spec(alternatives=2, method={"name": "acdc"})
    assert spec(alternatives=1).job_id == spec().job_id


def test_full_judges_every_alternative_beside_its_own_selection() -> None:
    found = run(evaluation="full", alternatives=3, selection={"kind": "edges", "n_edges": 12})
    assert len(found.circuits) > 1
    evaluations = [circuit.evaluation for circuit in found.circuits]
    specificities = [each.specificity for each in evaluations if each is not None]
    assert len(specificities) == len(found.circuits)
    assert len({each.n_edges for each in specificities if each is not None}) == 1
