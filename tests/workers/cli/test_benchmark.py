"""`circuits benchmark`: what it prints, and what it says of bad requests."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from discovery.known import recovery
from tests.discovery.known.folders import KEPT as CASES
from tests.discovery.tasks.tokenizers import byte_level
from tests.workers.cli.conftest import Circuits
from workers.cli.exits import ExitCode

KEYS = {
    *("case", "method", "ablation", "auroc", "kept", "precision", "recall"),
    *("max_logit_change", "cpu_seconds"),
}


def test_json_has_an_object_for_each_case_and_method(circuits: Circuits) -> None:
    ran = circuits(
        *("benchmark", "ground-truth", CASES, "--method", "exact", "--method", "acdc"),
        *("--ablation", "corrupt", "--json"),
    )
    assert ran.code == ExitCode.DONE, ran.err
    rows = ran.json()
    assert [(row["case"], row["method"], row["ablation"]) for row in rows] == [
        (case, method, "corrupt")
        for case in ("ib03_frac_prevs", "ib07_hist")
        for method in ("exact", "acdc")
    ]
    for row in rows:
        assert set(row) == KEYS
        assert row["auroc"]["resample_minimal"] == row["recall"]["resample_minimal"] == 1
        assert row["max_logit_change"] < 1e-4
        assert row["cpu_seconds"] > 0


def test_between_features_a_case_is_a_file_of_edges(circuits: Circuits) -> None:
    words = ("benchmark", "ground-truth", CASES.parent, "--level", "feature")
    ran = circuits(*words, "--method", "exact", "--method", "two-leg", "--json")
    assert ran.code == ExitCode.DONE, ran.err
    rows = ran.json()
    assert [(row["case"], row["method"], row["ablation"]) for row in rows] == [
        (case, method, "corrupt")
        for case in ("ib03_frac_prevs", "ib07_hist")
        for method in ("exact", "two-leg")
    ]
    for row in rows:
        more = {"level", "candidates", "max_d_logit_error", "outside_rule"}
        assert set(row) == KEYS | more
        assert row["auroc"]["resample_minimal"] == 1
    assert rows[0]["max_d_logit_error"] < 1e-4
    assert rows[0]["outside_rule"] == 0
    for wrong, says in (("features", "unknown level"), ("component", "unknown method")):
        ran = circuits(*words[:3], "--level", wrong, "--method", "two-leg")
        assert ran.code == ExitCode.REQUEST
        assert says in ran.err


def test_the_table_has_a_line_for_each_truth(circuits: Circuits) -> None:
    ran = circuits(
        "benchmark", "ground-truth", CASES / "ib07_hist", "--method", "eap", "--ablation", "zero"
    )
    assert ran.code == ExitCode.DONE, ran.err
    heading, _, *lines = ran.out.splitlines()
    assert heading.split()[:5] == ["case", "method", "ablation", "truth", "AUROC"]
    assert [line.split()[:4] for line in lines] == [
        ["ib07_hist", "eap", "zero", truth]
        for truth in (
            *("static_interpbench", "weights_nonzero", "weights_nonzero_without_one_bos"),
            *("zero_necessary", "zero_minimal"),
        )
    ]


def test_a_bad_case_is_named_and_the_others_go_on(circuits: Circuits, tmp_path: Path) -> None:
    shutil.copytree(CASES / "ib07_hist", tmp_path / "good")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "case.json").write_text("{")
    ran = circuits("benchmark", "ground-truth", tmp_path, "--method", "eap", "--json")
    assert ran.code == ExitCode.REQUEST
    assert [row["case"] for row in ran.json()] == ["good"]
    assert "error: bad: compiled case file" in ran.err


def test_what_is_done_is_kept_whatever_stops_the_rest(
    circuits: Circuits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = recovery.read_case
    stops = {"b bug": ZeroDivisionError("by zero"), "c key": KeyboardInterrupt()}

    def read_or_stop(folder: Path) -> recovery.Case:
        if folder.name in stops:
            raise stops[folder.name]
        return read(folder)

    monkeypatch.setattr(recovery, "read_case", read_or_stop)
    for name in ("a good", *stops, "d never read"):
        shutil.copytree(CASES / "ib07_hist", tmp_path / name)
    ask = ("benchmark", "ground-truth", tmp_path, "--method", "eap", "--json")
    ran = circuits(*ask)
    assert [row["case"] for row in ran.json()] == ["a good"]
    assert ran.code == ExitCode.INTERRUPTED
    assert "interrupted at c key" in ran.err
    del stops["c key"]
    ran = circuits(*ask)
    assert [row["case"] for row in ran.json()] == ["a good", "c key", "d never read"]
    assert ran.code == ExitCode.BUG


def test_a_bad_request_is_told_in_one_line(circuits: Circuits, tmp_path: Path) -> None:
    for words, message in (
        ((tmp_path / "nowhere",), "nowhere' is not a folder"),
        ((tmp_path,), "no compiled case in"),
        ((CASES, "--method", "eapig"), "unknown method 'eapig'; did you mean 'eap-ig'?"),
        ((CASES, "--ablation", "zeros"), "unknown ablation 'zeros'; did you mean 'zero'?"),
        ((CASES, "--ablation", "mean"), "ablation 'mean' has no truth in compiled cases"),
    ):
        ran = circuits("benchmark", "ground-truth", *words)
        assert ran.code == ExitCode.REQUEST
        assert ran.out == ""
        assert message in ran.err
        assert len(ran.err.splitlines()) == 1


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Two files; the second one's model is in no format of ours."""
    folder = tmp_path / "published"
    folder.mkdir()
    ioi = {
        "model": "gpt2",
        "heads_by_class": {"name mover": ["a1.h1"], "induction": ["a0.h0"]},
        "edges_acdc": ["embed->a0.h0.v", "a0.h0->a1.h1.q", "a1.h1->logits", "m0->m1"],
    }
    (folder / "ioi_gpt2_small.json").write_text(json.dumps(ioi))
    (folder / "docstring_attn_only_4l.json").write_text(json.dumps({"nodes": ["a0.h0"]}))
    (folder / "other.json").write_text("{}")
    return folder


def test_a_published_circuit_is_compared_where_the_weights_are(
    circuits: Circuits, published: Path, tmp_path: Path
) -> None:
    tokenizer, model = byte_level(), tmp_path / "model"
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=64, n_embd=16, n_layer=2, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(model)
    tokenizer.save_pretrained(model)
    ran = circuits(
        *("benchmark", "published", published, "--model", f"ioi_gpt2_small={model}"),
        *("--pairs", 8, "--json"),
    )
    assert ran.code == ExitCode.DONE, ran.err
    docstring, ioi = ran.json()
    assert docstring["status"] == "not run: weights unavailable"
    assert (ioi["circuit"], ioi["status"], ioi["n_pairs"]) == ("ioi_gpt2_small", "run", 8)
    found = ioi["edges"]["edges_acdc"]
    assert found["n"] == 4
    assert 0 <= found["found"] <= 1
    assert 0 <= found["auroc"] <= 1
    assert 0 <= ioi["components_auroc"] <= 1


def test_a_published_circuit_without_weights_is_said_so(
    circuits: Circuits, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    ran = circuits("benchmark", "published", published)
    assert ran.code == ExitCode.DONE, ran.err
    assert ran.out.splitlines() == [
        "docstring_attn_only_4l: not run: weights unavailable",
        "ioi_gpt2_small: not run: weights unavailable",
    ]


def test_a_folder_without_published_circuits_is_named(circuits: Circuits, tmp_path: Path) -> None:
    ran = circuits("benchmark", "published", tmp_path)
    assert ran.code == ExitCode.REQUEST
    assert "no published circuit in" in ran.err
