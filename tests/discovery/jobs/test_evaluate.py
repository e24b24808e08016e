"""A stored circuit judged again: as its own job judged it, and as MIB's scorer would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch

from discovery.engine.experiment import Experiment
from discovery.evaluation.curve import SHARES
from discovery.jobs.evaluate import NO_METHOD, Judgement, judge
from discovery.models import LoadedModel
from discovery.progress import no_progress
from discovery.tasks.base import PairSet
from graph_schema.datasets.file import dataset_document
from graph_schema.documents import (
    AblationSpec,
    Channel,
    CircuitDocument,
    DatasetDocument,
    Edge,
    Limits,
    Metric,
    Split,
)
from graph_schema.documents.jobs import EvaluateSpec
from graph_schema.errors import ModelError, SpecError, TaskNotPerformedError
from tests.discovery.jobs import test_discover as whole_job
from tests.discovery.textbook import logits


@cache
def _found() -> tuple[CircuitDocument, dict[str, float]]:
    found = whole_job.run()
    scores = found.arrays["scores"]
    named = dict(zip(scores["names"].tolist(), scores["scores"].tolist(), strict=True))
    return found.circuits[0], named


def _judged(
    circuit: CircuitDocument,
    scores: Mapping[str, float],
    pairs: Any = None,
    stored: bool = True,
    model: LoadedModel | None = None,
    **changed: Any,
) -> Judgement:
    job = whole_job.spec()
    spec = EvaluateSpec.model_validate(
        {"model": job.model, "data": job.data, "circuit_id": circuit.circuit_id} | changed
    )
    return judge(
        spec,
        circuit,
        scores,
        model or whole_job.model(),
        pairs or whole_job.data(),
        limits=Limits(),
        progress=no_progress,
        found_on=_stored(whole_job.data()) if stored else None,
    )


def _stored(pairs: PairSet) -> DatasetDocument:
    lines = [pair.document(Split.DISCOVERY) for pair in pairs.discovery]
    return dataset_document([*lines, *(p.document(Split.HELDOUT) for p in pairs.heldout)], "made")


def test_a_circuit_on_its_own_pairs_is_judged_as_its_job_judged_it() -> None:
    circuit, scores = _found()
    found = _judged(circuit, scores)
    assert found.evaluation.evaluation == circuit.evaluation
    assert found.evaluation.circuit_id == circuit.circuit_id
    assert found.evaluation.notes == circuit.notes[:1]
    assert found.arrays["pairs"]["circuit"].shape == (20,)


def test_no_held_out_figure_stands_on_a_pair_that_the_circuit_was_found_on() -> None:
    circuit, scores = _found()
    own = whole_job.data()
    other = replace(
        own, discovery=own.heldout[:8], heldout=(*own.discovery, *own.heldout[8:]), notes=()
    )
    found = _judged(circuit, scores, other).evaluation
    note, reason = found.notes
    assert note == (
        "10 of 12 held-out pairs left out: the circuit was found on their prompts, clean or corrupt"
    )
    assert reason == "no held-out figure: 2 held-out pairs, at least 8 needed"
    assert found.evaluation.heldout_faithfulness.value is None
    assert found.evaluation.heldout_faithfulness.reason == reason
    unknown = _judged(circuit, scores, stored=False).evaluation
    assert "not stored: held-out pairs may be among them" in unknown.notes[1]
    imported = _judged(circuit.model_copy(update={"job_id": None}), scores, other).evaluation
    assert imported.notes == ()
    assert imported.evaluation.heldout_faithfulness.n == 12


def test_a_reversed_pair_was_seen_too() -> None:
    circuit, scores = _found()
    own = whole_job.data()
    reversals = tuple(
        replace(
            pair,
            clean=pair.corrupt,
            corrupt=pair.clean,
            answers=pair.wrong_answers,
            wrong_answers=pair.answers,
        )
        for pair in own.discovery[:3]
    )
    other = replace(own, heldout=(*reversals, *own.heldout), notes=())
    found = _judged(circuit, scores, other).evaluation
    assert found.notes[0].startswith(f"3 of {3 + len(own.heldout)} held-out pairs left out")
    assert found.evaluation.heldout_faithfulness.n == len(own.heldout)


def _elsewhere(weights: str | None, **shape: Any) -> LoadedModel:
    """The job's model under another fingerprint, said to have these weights."""
    model = whole_job.model()
    document = model.document.model_copy(
        update={"fingerprint": "e" * 64, "name": "copy", "weights_sha256": weights} | shape
    )
    return replace(model, document=document)


def _known(circuit: CircuitDocument, weights: str | None) -> CircuitDocument:
    model = circuit.model.model_copy(update={"weights_sha256": weights})
    return circuit.model_copy(update={"model": model})


def test_a_circuit_is_judged_in_another_fingerprint_of_its_models_weights() -> None:
    found, scores = _found()
    circuit = _known(found, "1" * 64)
    judged = _judged(circuit, scores, model=_elsewhere("1" * 64)).evaluation
    assert judged.evaluation == circuit.evaluation
    assert f"judged in model 'copy' ({'e' * 12})" in judged.notes[0]
    assert "the weights of the circuit's own" in judged.notes[0]


@pytest.mark.parametrize(
    ("own", "there", "shape", "said"),
    [
        ("1", "2", {}, "has other weights than the circuit's own, 'tiny'"),
        (None, "2", {}, "nobody has loaded .* so nobody knows whether its weights are the same"),
        ("1", "1", {"n_heads": 9}, "the same weights .* but reads them otherwise: n_heads is 9"),
    ],
)
def test_other_weights_or_another_shape_are_another_model(
    own: str | None, there: str, shape: dict[str, Any], said: str
) -> None:
    found, scores = _found()
    hashes = [each and each * 64 for each in (own, there)]
    with pytest.raises(ModelError, match=said):
        _judged(_known(found, hashes[0]), scores, model=_elsewhere(hashes[1], **shape))


def test_full_says_what_it_does_not_run() -> None:
    circuit, scores = _found()
    direct = {"sender": "input", "receiver": "logits", "channel": Channel.R}
    one = circuit.model_copy(update={"edges": (circuit.edges[0].model_copy(update=direct),)})
    found = _judged(one, scores, evaluation="full").evaluation.evaluation
    assert found.redundant_share is not None
    assert {test.name for test in found.tests} >= {"equivalence", "minimality"}
    assert found.specificity is not None
    assert found.specificity.reason == NO_METHOD
    assert found.stability is not None
    assert found.stability.reason == NO_METHOD


def test_a_ranking_of_a_part_of_the_edges_has_no_curve() -> None:
    circuit, _ = _found()
    kept = {edge.name: edge.score for edge in circuit.edges if edge.score is not None}
    found = _judged(circuit, kept).evaluation.evaluation
    assert found.cmd.value is found.cpr.value is None
    assert found.cmd.reason == f"no ranking: {len(kept)} of 75 edges have a stored score"
    assert found.curve == ()


def test_what_does_not_fit_is_refused() -> None:
    circuit, scores = _found()
    other = circuit.model.model_copy(update={"fingerprint": "1" * 40})
    with pytest.raises(ModelError, match="judged in its own model"):
        _judged(circuit.model_copy(update={"model": other}), scores)
    beyond = circuit.edges[0].model_copy(update={"sender": "a7.h1"})
    with pytest.raises(SpecError, match=r"'a7\.h1->.*is not in this model"):
        _judged(circuit.model_copy(update={"edges": (beyond,)}), scores)
    pairs = whole_job.data()
    turned = tuple(
        replace(pair, answers=pair.wrong_answers, wrong_answers=pair.answers)
        for pair in pairs.discovery
    )
    with pytest.raises(TaskNotPerformedError):
        _judged(circuit, scores, replace(pairs, discovery=turned))


# MIB's scorer (arXiv:2504.13151, its circuit track), written out plainly: the best edges one share
# after another, dead ends pruned, one forward pass a circuit, trapezoids on linear shares.


def _pruned(names: set[str]) -> set[str]:
    """Edges whose sender hears something (or is the input) and whose receiver is heard."""
    while True:
        edges = [Edge.parse(name) for name in names]
        heard = {"logits", *(edge.sender for edge in edges)}
        hears = {"input", *(edge.receiver for edge in edges)}
        left = {e.name for e in edges if e.sender in hears and e.receiver in heard}
        if left == names:
            return names
        names = left


@pytest.mark.parametrize("ablation", ["corrupt", "mean"])
def test_cmd_and_cpr_are_those_of_mibs_scorer(ablation: str) -> None:
    circuit, scores = _found()
    spec = AblationSpec.model_validate({"kind": ablation})
    figures = _judged(circuit, scores, ablation=spec).evaluation.evaluation
    data = whole_job.data()
    experiment = Experiment(
        whole_job.model().adapter, Metric.LOGIT_DIFF, spec, data.discovery, seed=0
    )
    (examples,) = experiment.chunks(data.heldout, 64)
    bench = experiment.bench(examples)

    def performance(names: set[str]) -> float:
        said = logits(bench, experiment.graph.kept(names))[:, 0]
        answers = torch.tensor([pair.pair.answers[0][0] for pair in examples])
        wrong = torch.tensor([pair.pair.wrong_answers[0][0] for pair in examples])
        rows = torch.arange(len(examples))
        return float((said[rows, answers] - said[rows, wrong]).double().mean())

    whole, nothing = performance(set(scores)), performance(set())

    def areas(order: list[str]) -> tuple[float, float]:
        faithful: list[float] = []
        for share in SHARES:
            kept = _pruned(set(order[: int(share * len(order))]))
            faithful.append((performance(kept) - nothing) / (whole - nothing))
        under = from_one = 0.0
        for i in range(len(SHARES) - 1):
            width = SHARES[i + 1] - SHARES[i]
            under += width * (faithful[i] + faithful[i + 1]) / 2
            from_one += width * (abs(1 - faithful[i]) + abs(1 - faithful[i + 1])) / 2
        return under, from_one

    by_size = sorted(scores, key=lambda name: -abs(scores[name]))
    by_sign = sorted(scores, key=lambda name: -scores[name])
    assert figures.cmd.value == pytest.approx(areas(by_size)[1], abs=1e-4)
    assert figures.cpr.value == pytest.approx(areas(by_sign)[0], abs=1e-4)
