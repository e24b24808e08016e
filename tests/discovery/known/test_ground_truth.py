"""Compiled cases read as their files say: outputs, truths, edges, published metric values."""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from discovery.engine.experiment import Experiment
from discovery.engine.forward import graph_of
from discovery.engine.pair_values import values
from discovery.known.ground_truth import load_case
from discovery.models.compiled import CompiledAdapter
from graph_schema.documents import Ablation, AblationSpec, Edge, Metric
from graph_schema.errors import DatasetError, ModelError, SpecError
from tests.discovery.known.folders import ELSEWHERE, HERE, KEPT

CASES = [*HERE, *ELSEWHERE]
every_case = pytest.mark.parametrize("folder", CASES, ids=lambda case: case.name)


@every_case
def test_edges_and_metric_are_those_of_the_files(folder: Path) -> None:
    case = load_case(folder)
    graph = graph_of(case.adapter)
    edges = json.loads((folder / "edges.json").read_text())
    assert set(graph.names()) == {Edge.parse(name).name for name in edges["all_edges"]}
    assert len(case.pairs) == 200
    assert {"static_interpbench", "resample_minimal", "zero_minimal"} <= set(case.truths)
    reference = json.loads((folder / "eap_reference.json").read_text())
    experiment = Experiment(
        case.adapter, Metric.LINEAR, AblationSpec(kind=Ablation.CORRUPT), case.pairs
    )
    full, empty = values(experiment, case.pairs, [graph.upstream, graph.none()])
    assert -full.loss.mean() == pytest.approx(reference["metric_clean"], abs=1e-4)
    assert -empty.loss.mean() == pytest.approx(reference["metric_corrupt"], abs=1e-4)


@pytest.mark.parametrize("causal", [True, False])
def test_padding_changes_no_output(causal: bool) -> None:
    folder = next(
        case
        for case in CASES
        if json.loads((case / "case.json").read_text())["config"]["causal"] is causal
    )
    adapter = load_case(folder).adapter
    assert adapter.bidirectional is not causal
    tokens = torch.tensor([load_case(folder).pairs[0].clean])

    def logits(batch_tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        batch = adapter.batch(batch_tokens, mask)
        x = adapter.embed(batch)
        for layer in range(adapter.shape.n_layers):
            q, k, v = (adapter.project(batch, layer, channel, x) for channel in ("q", "k", "v"))
            x = x + adapter.attn_sum(layer, adapter.mix(batch, layer, q, k, v))
            x = x + adapter.mlp(layer, x)
        return adapter.logits(x)

    alone = logits(tokens, torch.ones_like(tokens))
    side = torch.zeros(1, 2, dtype=torch.long)
    padded = logits(torch.cat([side, tokens], 1), torch.cat([side, torch.ones_like(tokens)], 1))
    torch.testing.assert_close(padded[:, 2:], alone)


def _copy(folder: Path, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    target = tmp_path / folder.name
    target.mkdir()
    shutil.copyfile(folder / "weights.npz", target / "weights.npz")
    return target, json.loads((folder / "case.json").read_text())


def test_a_case_with_the_certain_keys_alone_is_read(tmp_path: Path) -> None:
    target, case = _copy(KEPT / "ib03_frac_prevs", tmp_path)
    kept = {key: case[key] for key in ("config", "vocab", "output", "pairs")}
    (target / "case.json").write_text(json.dumps(kept))
    (target / "edges.json").write_text(
        json.dumps({"weights_nonzero_other": ["embed->a0.h0.q"], "notes": ["a", "b"], "n": 3})
    )
    found = load_case(target)
    assert found.truths == {"weights_nonzero_other": {"embed->a0.h0<q>"}}
    assert found.reference == {}


def test_a_bad_case_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"case\.json"):
        load_case(tmp_path)
    target, case = _copy(KEPT / "ib03_frac_prevs", tmp_path)
    pairs = [{**case["pairs"][0], "clean": [0, 1]}]
    (target / "case.json").write_text(json.dumps({**case, "pairs": pairs}))
    with pytest.raises(DatasetError, match="pair-0: clean has 2 tokens"):
        load_case(target)
    pairs = [{**case["pairs"][0], "clean": [0, 1, 1, 1, 99]}]
    (target / "case.json").write_text(json.dumps({**case, "pairs": pairs}))
    with pytest.raises(DatasetError, match="pair-0 has a token outside the vocabulary of 6"):
        load_case(target)
    (target / "case.json").write_text(json.dumps({**case, "pairs": []}))
    with pytest.raises(DatasetError, match="no pairs"):
        load_case(target)
    (target / "case.json").write_text(json.dumps(case))
    with np.load(target / "weights.npz") as file:
        whole = dict(file)
    for name in ("W_U", "L1.W_in"):
        np.savez(target / "weights.npz", **{**whole, name: whole[name][1:]})
        with pytest.raises(ModelError, match=rf"'{name}' has shape \(12, 1\); expected"):
            load_case(target)
    np.savez(target / "weights.npz", **whole)
    case["config"]["act"] = "swish"
    (target / "case.json").write_text(json.dumps(case))
    with pytest.raises(ModelError, match="'swish'; expected one of relu, gelu"):
        load_case(target)


def _with(**changes: object) -> Callable[[bytes], bytes]:
    return lambda data: json.dumps({**json.loads(data), **changes}).encode()


def _first_token(token: object) -> Callable[[bytes], bytes]:
    def tear(data: bytes) -> bytes:
        case = json.loads(data)
        case["pairs"][0]["clean"][0] = token
        return json.dumps(case).encode()

    return tear


def _npz(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as parts:
        parts.writestr("W_E.npy", data)
    return file.getvalue()


TORN: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "cut in its directory": ("weights.npz", lambda data: data[:-40]),
    "one bit off": ("weights.npz", lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:]),
    "empty": ("weights.npz", lambda _: b""),
    "a header that ends early": (
        "weights.npz",
        lambda _: _npz(b"\x93NUMPY\x01\x00\x0b\x00{'descr': ("),
    ),
    "no JSON": ("case.json", lambda data: data[:100]),
    "a list": ("case.json", lambda data: b"[" + data + b"]"),
    "lists without end": ("case.json", lambda _: b"[" * 100_000),
    "no configuration": ("case.json", _with(config=None)),
    "layers in words": ("case.json", _with(config={"n_layers": "2"})),
    "causal in words": ("case.json", _with(config={"n_layers": 2, "causal": "false"})),
    "a token that is no number": ("case.json", _first_token({})),
    "half a token": ("case.json", _first_token(1.5)),
    "a word that is none": ("case.json", _first_token("zzz")),
    "no edge's name": ("edges.json", lambda _: b'{"resample_minimal": [{}]}'),
    "an edge that is none": ("edges.json", lambda _: b'{"resample_minimal": ["a"]}'),
    "a number for a row": (
        "eap_reference.json",
        lambda _: b'{"columns": ["eap"], "scores": {"embed->logits": 1.0}}',
    ),
    "a row too short": (
        "eap_reference.json",
        lambda _: b'{"columns": ["eap", "exact"], "scores": {"embed->logits": [1.0]}}',
    ),
}


@pytest.mark.parametrize("fault", TORN)
def test_a_torn_file_is_named(fault: str, tmp_path: Path) -> None:
    name, tear = TORN[fault]
    folder = tmp_path / "case"
    shutil.copytree(KEPT / "ib03_frac_prevs", folder, copy_function=shutil.copyfile)
    file = folder / name
    file.write_bytes(tear(file.read_bytes()))
    with pytest.raises(SpecError, match=rf"/{re.escape(name)}'"):
        load_case(folder)


def test_a_link_to_nothing_is_not_a_file_that_is_missing(tmp_path: Path) -> None:
    target, case = _copy(KEPT / "ib03_frac_prevs", tmp_path)
    (target / "case.json").write_text(json.dumps(case))
    assert load_case(target).truths == {}
    (target / "edges.json").symlink_to(tmp_path / "moved away")
    with pytest.raises(ModelError, match=r"/edges\.json' cannot be read"):
        load_case(target)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("W_U", lambda value: value[None], r"'W_U' has shape \(1, .*expected 2 axes"),
        ("L0.W_Q", lambda value: value[0], r"'L0.W_Q' has shape .*expected 3 axes"),
        ("L0.b_O", lambda value: value[:1], r"'L0.b_O' has shape \(1,\); expected"),
        ("L0.b_Q", lambda value: value[:1, :1], r"'L0.b_Q' has shape \(1, 1\); expected"),
        ("L1.W_in", lambda value: value * np.nan, "'L1.W_in' holds other than finite"),
        ("W_E", lambda value: value * 1j, "'W_E' holds other than finite"),
        ("L0.W_Q", lambda value: value[:0], r"shape \(0, 13, 6\); expected at least one head"),
    ],
)
def test_a_weight_that_would_be_broadcast_or_spread_is_named(
    name: str, change: Callable[[Any], Any], message: str
) -> None:
    case = json.loads((KEPT / "ib03_frac_prevs" / "case.json").read_text())
    with np.load(KEPT / "ib03_frac_prevs" / "weights.npz") as file:
        weights = {**file, name: change(file[name])}
    with pytest.raises(ModelError, match=message):
        CompiledAdapter(weights, case["config"])


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i8", "g", "u2", "?"])
def test_numbers_come_as_any_machine_wrote_them(dtype: str) -> None:
    case = json.loads((KEPT / "ib03_frac_prevs" / "case.json").read_text())
    with np.load(KEPT / "ib03_frac_prevs" / "weights.npz") as file:
        weights = {name: np.abs(np.round(file[name])) for name in file.files}
    adapter = CompiledAdapter({**weights, "W_E": weights["W_E"].astype(dtype)}, case["config"])
    tokens = torch.arange(5)[None]
    found = adapter.embed_parts(adapter.batch(tokens, None))["embed"][0]
    np.testing.assert_array_equal(found.numpy(), weights["W_E"].astype(dtype)[:5])


def test_a_pair_without_tokens_is_named(tmp_path: Path) -> None:
    target, case = _copy(KEPT / "ib03_frac_prevs", tmp_path)
    nothing = {key: [] for key in ("clean", "corrupt", "clean_out", "corrupt_out")}
    (target / "case.json").write_text(json.dumps({**case, "pairs": [*case["pairs"], nothing]}))
    with pytest.raises(DatasetError, match="pair-200 has 0 tokens"):
        load_case(target)
