"""A job that asks for neurons or features: its circuits, and what they are judged by."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from discovery.dictionaries import Loaded, NeuronBasis, describe_all, load
from discovery.engine.experiment import Experiment
from discovery.engine.splice import Splice
from discovery.evaluation.error_share import named_only
from discovery.evaluation.measured import Measured
from discovery.jobs.cutting import require_unchanged
from discovery.jobs.discover import Discovery, discover
from discovery.methods.acdc import Pruner
from discovery.methods.blocks import within
from discovery.models import LoadedModel
from discovery.progress import NoCheckpoint, no_progress
from discovery.tasks.base import PairSet
from graph_schema.dictionaries import resolve
from graph_schema.documents import (
    AblationSpec,
    CircuitDocument,
    Component,
    ComponentKind,
    Limits,
    Metric,
    ScoreKind,
    Split,
    sha256_hex,
)
from graph_schema.documents.jobs import DiscoverSpec
from graph_schema.errors import DictionaryError, NumericsError
from tests.discovery.cases import loaded_model, pair_set, tiny_llama
from tests.discovery.dictionaries.layouts import standard_sae

METHODS = ("two-leg", "eap", "mask-ig", "exact")


@cache
def model() -> LoadedModel:
    return loaded_model(tiny_llama())


@cache
def data() -> PairSet:
    return pair_set(tiny_llama())


def spec(**changed: Any) -> DiscoverSpec:
    given: dict[str, Any] = {
        "model": {"fingerprint": "0" * 40},
        "data": {"kind": "dataset", "sha256": sha256_hex("made"), "task": "made"},
        "method": {"name": "two-leg"},
        "granularity": "neuron",
        "candidates": {"n": 12, "by": "relp"},
        "selection": {"kind": "edges", "n_edges": 40},
    }
    return DiscoverSpec.model_validate(given | changed)


def run(loaded: tuple[Loaded, ...] = (), progress: Any = no_progress, **changed: Any) -> Discovery:
    return discover(
        spec(**changed),
        model(),
        data(),
        limits=Limits(),
        progress=progress,
        checkpoint=NoCheckpoint(),
        dictionaries=loaded,
    )


def sae(folder: Path, hook: str = "blocks.1.hook_mlp_out") -> tuple[Loaded, ...]:
    """An SAE of the tiny model's width, written and read back."""
    source = resolve(str(standard_sae(folder, 24, 48, hook)))
    return load(describe_all([source], tiny_llama().shape))


def kinds(circuit: CircuitDocument) -> set[ComponentKind]:
    return {Component.parse(name).kind for name in circuit.node_names}


@pytest.mark.parametrize("method", METHODS)
def test_a_circuit_mixes_neurons_heads_and_rest(method: str) -> None:
    stages: list[str] = []

    def progress(stage: str, done: int, total: int) -> None:
        assert done <= total
        stages.append(stage)

    found = run(progress=progress, method={"name": method})
    (circuit,) = found.circuits
    assert circuit.granularity == "neuron"
    assert {ComponentKind.NEURON, ComponentKind.HEAD} <= kinds(circuit)
    neurons = {n for n in circuit.node_names if Component.parse(n).kind is ComponentKind.NEURON}
    named = {Component.parse(name) for name in neurons}
    assert all(part.index is not None and part.index < 32 for part in named)
    figures = {node.name: node for node in circuit.nodes}
    assert neurons <= set(figures)
    assert all(figures[name].activation is not None for name in neurons)
    expected = ScoreKind.MASK if method == "mask-ig" else ScoreKind.ESTIMATE
    if method == "exact":
        expected = ScoreKind.EXACT
    assert {edge.score_kind for edge in circuit.edges} == {expected}
    assert "12 of 64 units are nodes of their own" in " ".join(circuit.notes)
    assert set(dict.fromkeys(stages)) >= {"baseline", "units", "scores", "evaluation"}
    assert len(found.arrays["scores"]["names"]) == circuit.n_edges_scored


def test_every_candidate_kept_is_the_model_and_none_is_nothing() -> None:
    (circuit,) = run(
        method={"name": "exact"}, selection={"kind": "edges", "n_edges": 10**6}
    ).circuits
    assert circuit.evaluation is not None
    assert circuit.evaluation.faithfulness.value == pytest.approx(1, abs=1e-5)
    share = circuit.evaluation.error_share
    assert share is not None
    assert share.split is Split.HELDOUT


def test_the_error_share_is_what_the_circuit_loses_without_rest() -> None:
    (circuit,) = run().circuits
    assert circuit.evaluation is not None
    share = circuit.evaluation.error_share
    assert share is not None
    units: dict[str, set[int]] = {"m0": set(), "m1": set()}
    names = run().arrays["scores"]["names"].tolist()
    for name in names:
        part = Component.parse(str(name).partition("->")[0])
        if part.kind is ComponentKind.NEURON:
            units[part.host].add(part.index or 0)
    splices = [
        Splice(NeuronBasis(tiny_llama(), layer), tuple(sorted(units[f"m{layer}"])))
        for layer in range(2)
    ]
    experiment = Experiment(
        tiny_llama(), Metric.LOGIT_DIFF, AblationSpec(), data().discovery, splices=splices
    )
    heldout = Measured(experiment, Split.HELDOUT, data().heldout, seed=0)
    kept = experiment.graph.kept(edge.name for edge in circuit.edges)
    without = experiment.graph.kept(
        edge.name for edge in circuit.edges if not edge.sender.endswith(".rest")
    )
    assert (named_only(experiment.graph, kept) == without).all()
    heldout.measure([kept, without])
    expected = 1 - heldout.faithfulness(without) / heldout.faithfulness(kept)
    assert share.value == pytest.approx(expected, abs=1e-5)


def test_a_dictionary_cuts_its_component_alone(tmp_path: Path) -> None:
    loaded = sae(tmp_path)
    documents = [each.document.model_dump() for each in loaded]
    (circuit,) = run(loaded, granularity="dictionary", dictionaries=documents).circuits
    assert {Component.parse(name).host for name in circuit.node_names} >= {"m0", "m1"}
    assert {"m0"} == {name for name in circuit.node_names if name.startswith("m0")}
    assert ComponentKind.FEATURE in kinds(circuit)
    assert circuit.dictionaries == tuple(each.document for each in loaded)
    (check,) = circuit.dictionary_checks
    assert check.warning is not None  # random weights explain nothing
    assert check.warning in circuit.notes
    with pytest.raises(DictionaryError, match="submit it again"):
        run(
            sae(tmp_path / "other", "blocks.0.hook_mlp_out"),
            granularity="dictionary",
            dictionaries=documents,
        )


def test_acdc_decides_components_first_and_stays_inside_them() -> None:
    tau = 0.05
    selection = {"kind": "threshold", "threshold": tau}
    (circuit,) = run(method={"name": "acdc"}, selection=selection).circuits
    whole = Experiment(tiny_llama(), Metric.LOGIT_DIFF, AblationSpec(), data().discovery)
    blocks = Pruner(whole, data().discovery, whole.graph.upstream).run(tau).kept
    kept_blocks = set(whole.graph.names(blocks))
    for edge in circuit.edges:
        sender, receiver = Component.parse(edge.sender).host, Component.parse(edge.receiver).host
        suffix = "" if edge.channel.value == "r" else f"<{edge.channel.value}>"
        assert f"{sender}->{receiver}{suffix}" in kept_blocks
    assert any("edges between whole components first" in note for note in circuit.notes)
    assert circuit.n_edges_scored < 2000


def test_within_keeps_all_parts_of_what_is_kept() -> None:
    whole = Experiment(tiny_llama(), Metric.LOGIT_DIFF, AblationSpec(), data().discovery).graph
    assert (within(whole, whole.upstream, whole) == whole.upstream).all()
    kept = whole.kept(["input->m0", "a0.h1->a1.h2<k>"])
    assert (within(whole, kept, whole) == kept).all()


def test_candidates_with_proposals_skip_the_blocks() -> None:
    (circuit,) = run(
        method={"name": "acdc", "candidates": 30, "proposed_by": {"name": "mask-ig", "steps": 4}},
        selection={"kind": "threshold", "threshold": 0.01},
    ).circuits
    assert circuit.n_edges_scored == 30
    assert any("30 edges proposed by mask-ig" in note for note in circuit.notes)


def test_alternatives_and_exact_top_work_on_features() -> None:
    found = run(alternatives=2, exact_top=5)
    kinds = [edge.score_kind for edge in found.circuits[0].edges]
    assert kinds.count(ScoreKind.EXACT) == 5
    assert np.isfinite(found.arrays["exact_top"]["scores"]).all()


def test_a_spliced_model_that_is_another_one_is_refused() -> None:
    require_unchanged(1.0, 1.0001, "float32")
    with pytest.raises(NumericsError, match="parts must sum"):
        require_unchanged(1.0, 1.1, "float32")


def test_acdc_of_components_takes_as_many_examples_at_a_time_as_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    chunks = Experiment.chunks

    def noted(self: Experiment, pairs: Any, chunk: int) -> Any:
        asked.append(chunk)
        return chunks(self, pairs, chunk)

    monkeypatch.setattr(Experiment, "chunks", noted)
    discover(
        spec(method={"name": "acdc"}, selection={"kind": "threshold", "threshold": 0.5}),
        model(),
        data(),
        limits=Limits(),
        progress=no_progress,
        checkpoint=NoCheckpoint(),
        chunk=3,
    )
    assert set(asked) == {3}
