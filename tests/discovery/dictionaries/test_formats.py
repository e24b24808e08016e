"""Each format, written in its layout and read back: it computes what the format's formula says."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from discovery.dictionaries.building import build, stored_tensors
from discovery.dictionaries.linear import LinearDictionary
from discovery.dictionaries.pickled import pickled_shapes
from graph_schema.dictionaries import Described, describe, document_of, resolve
from tests.discovery.dictionaries import layouts
from tests.discovery.dictionaries.layouts import Case, CrossLayer, D, normal

CASES: dict[str, Callable[[Path], Case]] = {
    "gemma-scope-2 mlp": partial(layouts.gemma_scope_2, kind="mlp_out"),
    "gemma-scope-2 attention": partial(layouts.gemma_scope_2, kind="attn_out"),
    "gemma-scope-2 transcoder": partial(layouts.gemma_scope_2, kind="transcoder"),
    "gemma-scope-1 mlp": layouts.gemma_scope_1,
    "gemma-scope-1 attention": partial(layouts.gemma_scope_1, kind="att"),
    "gemma-scope-1 residual": partial(layouts.gemma_scope_1, kind="res", lower=True),
    "gemma-scope-1 transcoder": partial(layouts.gemma_scope_1, kind="transcoders"),
    **{
        f"saelens {name}": partial(layouts.saelens, architecture=name)
        for name in (
            "standard",
            "jumprelu",
            "gated",
            "transcoder",
            "skip_transcoder",
            "jumprelu_transcoder",
            "jumprelu_skip_transcoder",
        )
    },
    "saelens topk": partial(layouts.saelens, architecture="topk", k=4),
    "saelens topk by norm": partial(
        layouts.saelens, architecture="topk", k=4, rescale_acts_by_decoder_norm=True
    ),
    "saelens bias left": partial(layouts.saelens, apply_b_dec_to_input=False),
    "saelens layer norm": partial(layouts.saelens, normalize_activations="layer_norm"),
    "saelens constant norm": partial(
        layouts.saelens, normalize_activations="constant_norm_rescale"
    ),
    "saelens 5": layouts.saelens_before_6,
    "saelens 5 topk": partial(layouts.saelens_before_6, k=4),
    "saelens 5 bias left": partial(layouts.saelens_before_6, apply_b_dec_to_input=False),
    "saelens 5 scaled": partial(layouts.saelens_before_6, finetuning_scaling_factor=True),
    "saelens 5 flag": partial(layouts.saelens_before_6, normalize_activations=False),
    "circuit-tracer": layouts.circuit_tracer,
    "circuit-tracer jumprelu": partial(layouts.circuit_tracer, threshold=True),
    "circuit-tracer skip": partial(layouts.circuit_tracer, skip=True),
    "circuit-tracer topk": partial(layouts.circuit_tracer, k=4),
    "sparsify": layouts.sparsify,
    "sparsify groupmax": partial(layouts.sparsify, activation="groupmax"),
    "sparsify transcoder": partial(layouts.sparsify, transcode=True),
    "sparsify skip": partial(layouts.sparsify, transcode=True, skip=True),
    **{
        f"dictionary_learning {name}": partial(layouts.dictionary_learning, name=name)
        for name in (
            "AutoEncoder",
            "AutoEncoderNew",
            "GatedAutoEncoder",
            "JumpReluAutoEncoder",
            "AutoEncoderTopK",
            "BatchTopKSAE",
            "MatryoshkaBatchTopKSAE",
        )
    },
    "qwen-scope": layouts.qwen_scope,
}
COMPETING = {"saelens topk", "saelens topk by norm", "saelens 5 topk", "circuit-tracer topk"} | {
    "sparsify",
    "sparsify groupmax",
    "sparsify transcoder",
    "sparsify skip",
    "dictionary_learning AutoEncoderTopK",
    "qwen-scope",
}
every_format = pytest.mark.parametrize("name", CASES)


def _described(case: Case | CrossLayer) -> tuple[Described, ...]:
    return describe(resolve(str(case.folder), case.path), pickled=pickled_shapes)


def _built(found: Described, dtype: torch.dtype = torch.float32) -> LinearDictionary:
    return build(found, stored_tensors(found, dtype), document_of(found))


def _inputs(seed: int = 1) -> Tensor:
    return normal(40, D, seed=seed) * 3


@every_format
def test_activations_and_writes_are_the_formats_own(name: str, tmp_path: Path) -> None:
    case = CASES[name](tmp_path)
    found = _built(_described(case)[-1])
    x = _inputs()
    wanted = case.activations(x)
    assert 0 < float((wanted != 0).float().mean()) < 1, "the case must tell units apart"
    torch.testing.assert_close(found.activations(x), wanted, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        found.decode(found.encode(x), x), case.output(x), atol=1e-5, rtol=1e-5
    )
    summed = found.encode(x) @ found.directions() + found.constant(x)
    torch.testing.assert_close(summed, case.output(x), atol=1e-5, rtol=1e-5)


@every_format
def test_a_site_is_what_the_files_say(name: str, tmp_path: Path) -> None:
    case = CASES[name](tmp_path)
    site = _described(case)[-1].site
    assert (site.component, site.reads.value, site.writes.value) == (
        case.component,
        case.reads,
        case.writes,
    )
    assert site.layer == 1


@every_format
def test_some_units_are_as_all_of_them(name: str, tmp_path: Path) -> None:
    found, x, some = _built(_described(CASES[name](tmp_path))[-1]), _inputs(), torch.tensor([9, 2])
    for of in (found.pre_activations, found.activations, found.encode):
        torch.testing.assert_close(of(x, some), of(x)[..., some])
        torch.testing.assert_close(of(x, slice(3, 7)), of(x)[..., 3:7])
    torch.testing.assert_close(found.directions(some), found.directions()[some])
    assert found.competes == (name in COMPETING)


@every_format
def test_the_identity_is_the_tensors_and_the_way_of_reading(name: str, tmp_path: Path) -> None:
    one, other = CASES[name](tmp_path / "a"), CASES[name](tmp_path / "b")
    first, second = (document_of(_described(case)[-1]) for case in (one, other))
    assert first.dictionary_id == second.dictionary_id, "wherever it lies"
    released = first.model_copy(update={"release": "org/name"})
    assert released.dictionary_id == first.dictionary_id
    read = first.reading.model_copy(update={"subtracts_bias": not first.reading.subtracts_bias})
    assert first.model_copy(update={"reading": read}).dictionary_id != first.dictionary_id


@pytest.mark.parametrize("make", [layouts.circuit_tracer_clt, layouts.gemma_scope_2_clt])
def test_a_cross_layer_transcoder_writes_to_its_own_and_later_layers(
    make: Callable[..., CrossLayer], tmp_path: Path
) -> None:
    case = make(tmp_path, n_layers=3)
    found = [_built(each) for each in _described(case)]
    assert [each.document.site.component for each in found] == ["m0", "m1", "m2"]
    assert [each.document.site.written for each in found] == [(0, 1, 2), (1, 2), (2,)]
    xs = [_inputs(seed) for seed in range(3)]
    for each, x in zip(found, xs, strict=True):
        torch.testing.assert_close(each.activations(x), case.activations(each.layer, x))
    for layer in range(3):
        written = [
            each.decode(each.encode(x), x, layer)
            for each, x in zip(found, xs, strict=True)
            if layer in each.decoders
        ]
        torch.testing.assert_close(
            torch.stack(written).sum(0), case.output(layer, xs), atol=1e-5, rtol=1e-5
        )


def test_sets_of_a_hookpoint_or_a_layer_each_are_read_whole_or_one_by_one(tmp_path: Path) -> None:
    tracer = layouts.circuit_tracer(tmp_path / "tracer")
    assert [each.site.layer for each in _described(tracer)] == [0, 1]
    alone = describe(resolve(str(tracer.folder), "layer_1.safetensors"))
    assert [each.site.layer for each in alone] == [1]
    layouts.sparsify(tmp_path / "sparsify")
    whole = describe(resolve(str(tmp_path / "sparsify")))
    assert [each.source.path for each in whole] == ["layers.1.mlp"]


def test_half_precision_is_read_and_is_the_same_dictionary_as_its_wide_copy(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    case = layouts.gemma_scope_2(tmp_path / "a")
    narrow = _described(case)[0]
    file = narrow.files[0]
    half = {name: tensor.to(torch.bfloat16) for name, tensor in load_file(file).items()}
    layouts.save(file, half)
    narrow = _described(case)[0]
    wide = layouts.gemma_scope_2(tmp_path / "b")
    layouts.save(
        _described(wide)[0].files[0], {name: tensor.float() for name, tensor in half.items()}
    )
    one, other = _built(narrow, torch.bfloat16), _built(_described(wide)[0])
    assert one.document == other.document
    assert one.encoder.dtype == torch.bfloat16
    x = _inputs()
    assert one.encode(x).dtype == torch.float32
    torch.testing.assert_close(one.encode(x), other.encode(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["saelens standard", "sparsify", "qwen-scope", "circuit-tracer"])
def test_matrices_stored_the_other_way_round_are_turned_by_their_shapes(
    name: str, tmp_path: Path
) -> None:
    case = CASES[name](tmp_path)
    found = _described(case)[-1]
    file = found.files[0]
    if file.suffix == ".pt":
        stored = torch.load(file, weights_only=True)
        torch.save({n: t.T.contiguous() if t.ndim == 2 else t for n, t in stored.items()}, file)
    else:
        from safetensors.torch import load_file

        stored = load_file(file)
        layouts.save(file, {n: t.T if t.ndim == 2 else t for n, t in stored.items()})
    x = _inputs()
    turned = _built(_described(case)[-1])
    torch.testing.assert_close(turned.activations(x), case.activations(x), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        turned.decode(turned.encode(x), x), case.output(x), atol=1e-5, rtol=1e-5
    )
