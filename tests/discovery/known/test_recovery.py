"""Methods find the circuits that programs were compiled to, in cases seen and unseen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from discovery.engine.experiment import Experiment
from discovery.engine.forward import graph_of, run
from discovery.known.ground_truth import load_case
from discovery.known.recovery import ROUNDING, auroc, case_folders, judge, read_cases
from discovery.methods.exact import exact
from discovery.models.compiled import CompiledAdapter
from discovery.tasks.base import TokenPair
from graph_schema.documents import Ablation, AblationSpec, Metric
from graph_schema.errors import SpecError
from tests.discovery.known.folders import KEPT, every_case

PUBLISHED = {"exact": ("exact", "exact"), "eap": ("EAP",) * 2}
PUBLISHED["eap-ig"] = ("EAP-IG-inputs(20)", "EAP-IG")


@every_case
@pytest.mark.parametrize(
    ("method", "ablation"),
    [("exact", Ablation.CORRUPT), ("exact", Ablation.ZERO), ("acdc", Ablation.CORRUPT)],
)
def test_the_minimal_circuit_ranks_first_and_the_program_survives_in_what_is_kept(
    folder: Path, method: str, ablation: Ablation
) -> None:
    (case,) = read_cases(folder)
    found = judge(case, method, ablation)
    minimal = "resample_minimal" if ablation is Ablation.CORRUPT else "zero_minimal"
    assert found.auroc[minimal] == 1
    assert (found.precision[minimal], found.recall[minimal]) == (1, 1)
    assert found.kept == len(case.truths[minimal])
    assert found.max_logit_change < 1e-4


@every_case
@pytest.mark.parametrize("method", sorted(PUBLISHED))
def test_auroc_is_that_of_the_published_scores(folder: Path, method: str) -> None:
    (case,) = read_cases(folder)
    found = judge(case, method, Ablation.CORRUPT)
    column, _ = PUBLISHED[method]
    scores = case.reference[column]
    # They are rounded to 1e-6 and carry float32 noise: EAP's of lib_count_less_freq2 alone are all
    # noise but one.
    strengths = np.array([abs(s) if abs(s) > 1e-4 else 0 for s in scores.values()])
    for truth, value in found.auroc.items():
        inside = np.array([edge in case.truths[truth] for edge in scores])
        assert value == pytest.approx(auroc(strengths, inside), abs=1e-6)


@pytest.mark.parametrize("method", sorted(PUBLISHED))
def test_auroc_is_the_published_one(method: str) -> None:
    for case in read_cases(KEPT):
        found = judge(case, method, Ablation.CORRUPT)
        published = json.loads((KEPT / case.name / "eap_reference.json").read_text())["auroc"]
        for truth, by_method in published.items():
            assert found.auroc[truth] == pytest.approx(by_method[PUBLISHED[method][1]], abs=1e-4)


def test_each_ablation_has_its_truths() -> None:
    (case,) = read_cases(KEPT / "ib03_frac_prevs")
    both = {"static_interpbench", "weights_nonzero", "weights_nonzero_without_one_bos"}
    for ablation, prefix in ((Ablation.CORRUPT, "resample"), (Ablation.ZERO, "zero")):
        own = {f"{prefix}_minimal", f"{prefix}_necessary"}
        found = judge(case, "eap", ablation)
        assert set(found.auroc) == set(found.precision) == set(found.recall) == both | own


def test_auroc_counts_a_tie_as_half_and_is_none_for_an_empty_class() -> None:
    strengths = np.array([3.0, 1.0, 1.0, 0.0])
    assert auroc(strengths, np.array([True, False, False, False])) == 1
    assert auroc(strengths, np.array([False, True, False, False])) == pytest.approx(0.5)
    assert auroc(strengths, np.array([False, False, False, True])) == 0
    assert auroc(np.ones(4), np.array([True, False, True, False])) == 0.5
    assert auroc(strengths, np.zeros(4, dtype=np.bool_)) is None
    assert auroc(strengths, np.ones(4, dtype=np.bool_)) is None


@torch.no_grad()
def computed(adapter: CompiledAdapter, prompt: list[int]) -> torch.Tensor:
    """[position, output]: what the model puts out for a prompt."""
    batch = adapter.batch(torch.tensor([prompt]), None)
    return adapter.logits(run(adapter, graph_of(adapter), batch, adapter.dtype).resid)[0]


@pytest.fixture
def unseen(tmp_path: Path) -> Path:
    """Random weights with GELU, biases, causal attention, three heads and prompts of 3 to 6 tokens.

    Only the keys that are certain, and as truths every edge but those of the last head, which
    writes nothing; under corrupt values positions are the same, so `pos_embed` changes nothing.
    """
    n_layers, n_heads, d_model, d_head, d_mlp, d_vocab, n_ctx = 2, 3, 10, 4, 8, 7, 6
    rng = np.random.default_rng(3)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.5, shape).astype(np.float32)

    weights = {"W_E": normal(d_vocab, d_model), "W_pos": normal(n_ctx, d_model)}
    weights["W_U"] = normal(d_model, 1)
    for layer in range(n_layers):
        for name in ("Q", "K", "V"):
            weights[f"L{layer}.W_{name}"] = normal(n_heads, d_model, d_head)
            weights[f"L{layer}.b_{name}"] = normal(n_heads, d_head)
        weights[f"L{layer}.W_O"] = normal(n_heads, d_head, d_model)
        weights[f"L{layer}.W_in"], weights[f"L{layer}.b_in"] = normal(d_model, d_mlp), normal(d_mlp)
        weights[f"L{layer}.W_out"] = normal(d_mlp, d_model)
    weights["L1.W_O"][2] = 0
    pairs = []
    for number in range(12):
        length = 3 + number % 4
        clean, corrupt = rng.integers(0, d_vocab, (2, length)).tolist()
        pairs.append({"clean": clean, "corrupt": corrupt})
    config = {"n_layers": n_layers, "n_heads": n_heads, "act": "gelu", "causal": True}
    case = {
        "config": config,
        "vocab": {str(i): i for i in range(d_vocab)},
        "output": {"categorical": False},
        "pairs": pairs,
    }
    adapter = CompiledAdapter(weights, config)
    for pair in pairs:
        for side in ("clean", "corrupt"):
            pair[f"{side}_out"] = computed(adapter, pair[side])[1:, 0].tolist()
    folder = tmp_path / "unseen"
    folder.mkdir()
    arrays: dict[str, Any] = weights
    np.savez(folder / "weights.npz", **arrays)
    (folder / "case.json").write_text(json.dumps(case))
    names = graph_of(load_case(folder).adapter).names()
    truth = [name for name in names if not name.startswith("a1.h2->") and "->a1.h2<" not in name]
    moved = [name for name in truth if not name.startswith("pos_embed")]
    truths = {"zero_minimal": truth, "resample_minimal": moved, "other": 1}
    (folder / "edges.json").write_text(json.dumps(truths))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("method", ["exact", "eap", "eap-ig", "acdc"])
@pytest.mark.parametrize("ablation", [Ablation.CORRUPT, Ablation.ZERO])
def test_an_unseen_case_with_the_certain_keys_alone_is_judged(
    unseen: Path, method: str, ablation: Ablation
) -> None:
    (case,) = read_cases(unseen)
    found = judge(case, method, ablation)
    truth = "resample_minimal" if ablation is Ablation.CORRUPT else "zero_minimal"
    assert found.precision == {truth: 1}
    if method == "acdc":
        return  # the loss is signed: edges that lower it go, whatever they do
    assert found.auroc == {truth: 1}
    assert found.recall == {truth: 1}
    assert found.kept == len(case.truths[truth])
    assert found.max_logit_change < 1e-9


@pytest.fixture
def degenerate(unseen: Path) -> Path:
    """One layer, no biases, looks both ways; a pair without any output, words for token ids."""
    case = json.loads((unseen / "case.json").read_text())
    with np.load(unseen / "weights.npz") as file:
        kept = {name: file[name] for name in file if name[:3] != "L1." and ".b_" not in name}
    kept["W_U"] = np.concatenate([kept["W_U"], -kept["W_U"]], axis=1)
    np.savez(unseen / "weights.npz", **kept)
    case["config"] = {"n_layers": 1, "act": "gelu", "causal": False}
    case["output"] = {"categorical": True, "values": [False, True]}
    adapter = CompiledAdapter(kept, case["config"])
    for pair in case["pairs"]:
        for side in ("clean", "corrupt"):
            pair[f"{side}_out"] = computed(adapter, pair[side]).argmax(-1).bool().tolist()
        pair["clean"] = [str(token) for token in pair["clean"]]
    case["pairs"][-1]["clean_out"] = [None] * len(case["pairs"][-1]["clean"])
    (unseen / "case.json").write_text(json.dumps(case))
    truths = {"resample_minimal": [], "zero_minimal": ["embed->logits"], "weights_nonzero": []}
    (unseen / "edges.json").write_text(json.dumps(truths))
    return unseen


@pytest.mark.parametrize("method", ["exact", "eap", "eap-ig", "acdc"])
def test_a_degenerate_case_is_judged(degenerate: Path, method: str) -> None:
    (case,) = read_cases(degenerate)
    found = judge(case, method, Ablation.CORRUPT)
    assert found.auroc == {"resample_minimal": None, "weights_nonzero": None}
    assert found.recall == {"resample_minimal": None, "weights_nonzero": None}
    assert found.kept > 0
    assert found.precision == {"resample_minimal": 0, "weights_nonzero": 0}


def test_a_pair_without_an_output_counts_as_nothing_in_the_mean(degenerate: Path) -> None:
    (case,) = read_cases(degenerate)

    def scores(pairs: tuple[TokenPair, ...]) -> np.ndarray:
        return exact(Experiment(case.adapter, Metric.LINEAR, AblationSpec(), pairs), pairs)

    n = len(case.pairs)
    found = scores(case.pairs)
    # An edge that does nothing scores the rounding of two float64 losses: 1e-16 of them, by any
    # processor's order of summing.
    noise = 1e-12 * np.abs(found).max()
    np.testing.assert_allclose(found, scores(case.pairs[:-1]) * (n - 1) / n, rtol=1e-5, atol=noise)
    (nothing,) = [judge(replace(case, pairs=case.pairs[-1:]), "acdc", Ablation.CORRUPT)]
    assert (nothing.kept, nothing.max_logit_change) == (0, 0)


def test_padding_changes_no_judgement(unseen: Path) -> None:
    """Prompts of different lengths share a batch; alone, pair by pair, they score the same."""
    (case,) = read_cases(unseen)

    def scores(pairs: tuple[TokenPair, ...]) -> np.ndarray:
        spec = AblationSpec(kind=Ablation.CORRUPT)
        return exact(Experiment(case.adapter, Metric.LINEAR, spec, pairs), pairs)

    alone = np.mean([scores((pair,)) for pair in case.pairs[:4]], axis=0)
    noise = ROUNDING * np.abs(alone).max()  # of scores of single pairs, which are float32
    np.testing.assert_allclose(scores(case.pairs[:4]), alone, rtol=1e-6, atol=noise)


def test_a_folder_without_cases_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="nowhere"):
        case_folders(tmp_path / "nowhere")
    with pytest.raises(SpecError, match=r"no compiled case in .*expected folders with case\.json"):
        case_folders(tmp_path)


def test_cases_are_found_through_links_and_each_once(tmp_path: Path) -> None:
    """A folder of links to chosen cases is a common one; one that leads back to itself happens."""
    for name in ("b", "a"):
        (tmp_path / "all" / name).mkdir(parents=True)
        (tmp_path / "all" / name / "case.json").touch()
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    (chosen / "mine").symlink_to(tmp_path / "all" / "b")
    (chosen / "again").symlink_to(chosen)
    assert case_folders(chosen) == [chosen / "mine"]
    assert case_folders(tmp_path / "all") == [tmp_path / "all" / name for name in ("a", "b")]
    (chosen / "rest").symlink_to(tmp_path / "all")
    assert case_folders(chosen) == [chosen / "mine", chosen / "rest" / "a"]


def test_an_unknown_method_is_named() -> None:
    (case,) = read_cases(KEPT / "ib03_frac_prevs")
    with pytest.raises(SpecError, match="'eapp' is unknown; expected one of exact"):
        judge(case, "eapp", Ablation.CORRUPT)
