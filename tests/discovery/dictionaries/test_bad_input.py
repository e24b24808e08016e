"""What is refused: other models, hostile files, numbers that are none, two to one site."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from discovery.dictionaries import describe_all, load
from graph_schema.dictionaries import resolve
from graph_schema.errors import DictionaryError, NonFiniteWeightsError
from tests.discovery.dictionaries import layouts
from tests.discovery.dictionaries.layouts import UNITS, D
from tests.discovery.dictionaries.refusing import MODEL, refused, source_of

# Another model, width or hook.


def test_another_width_names_the_places_that_have_it(tmp_path: Path) -> None:
    source = source_of(layouts.gemma_scope_2(tmp_path, "mlp_out", d=10))
    refused(source, r"reads 10 numbers at mlp_added, where 'the/model' has 6.*so wide are attn_z")


def test_a_width_that_no_place_has_is_of_another_model(tmp_path: Path) -> None:
    source = source_of(layouts.gemma_scope_2(tmp_path, "mlp_out", d=13))
    refused(source, r"it says that it is of 'gemma-v3-270m'.*of another model")


def test_a_layer_beyond_the_model_names_its_layers(tmp_path: Path) -> None:
    refused(source_of(layouts.gemma_scope_2(tmp_path, layer=7)), "layer 7.*layers 0 to 1")


def test_a_head_beyond_the_model_names_its_heads(tmp_path: Path) -> None:
    case = layouts.saelens_before_6(
        tmp_path, hook_point="blocks.1.attn.hook_z", hook_point_head_index=4
    )
    refused(source_of(case), "head 4.*heads 0 to 1", replace(MODEL, d_head=D))


def test_a_cross_layer_transcoder_of_fewer_layers_is_of_another_model(tmp_path: Path) -> None:
    case = layouts.circuit_tracer_clt(tmp_path, n_layers=2)
    refused(resolve(str(case.folder)), "layers up to 1.*0 to 3", replace(MODEL, n_layers=4))


def test_a_hook_that_nothing_is_read_at_names_the_near_ones(tmp_path: Path) -> None:
    case = layouts.saelens(tmp_path, metadata={"hook_name": "blocks.1.hook_mlp_outt"})
    refused(source_of(case), r"hook 'blocks.1.hook_mlp_outt'.*near it are blocks.N.hook_mlp_out")


def test_the_residual_stream_is_not_spliced_but_can_be_read(tmp_path: Path) -> None:
    source = source_of(layouts.gemma_scope_1(tmp_path, "res"))
    refused(source, "resid_post of layer 1.*mlp_out, attn_out")
    (found,) = describe_all([source], MODEL, splice=False)
    assert found.site.component is None


def test_a_folder_that_is_not_there_names_the_near_ones(tmp_path: Path) -> None:
    case = layouts.gemma_scope_2(tmp_path)
    with pytest.raises(DictionaryError, match=r"near it are 'layer_1_width_16k_l0_big'"):
        resolve(str(case.folder), "mlp_out/layer_1_width_65k_l0_big")


def test_a_folder_of_several_dictionaries_names_them(tmp_path: Path) -> None:
    layouts.gemma_scope_2(tmp_path, "mlp_out")
    layouts.gemma_scope_2(tmp_path, "attn_out")
    refused(resolve(str(tmp_path)), "name one of them: attn_out/layer_1.*, mlp_out/layer_1")


def test_files_that_say_no_place_ask_for_the_hook(tmp_path: Path) -> None:
    case = layouts.gemma_scope_1(tmp_path)
    moved = tmp_path / "mine"
    case.folder.rename(moved)
    refused(resolve(str(moved), case.path), "give its hook")
    given = resolve(str(moved), case.path, hook="blocks.1.hook_mlp_out")
    assert describe_all([given], MODEL)[0].site.component == "m1"


# Two to one site.


@pytest.mark.parametrize(
    "second",
    [
        layouts.saelens,
        lambda folder: layouts.sparsify(folder, transcode=True),
        lambda folder: layouts.circuit_tracer_clt(folder),
    ],
)
def test_two_dictionaries_of_one_site_are_refused(
    second: Callable[[Path], Any], tmp_path: Path
) -> None:
    first, other = layouts.gemma_scope_2(tmp_path / "a"), second(tmp_path / "b")
    sources = [source_of(first), resolve(str(other.folder), other.path)]
    for given in (sources, sources[::-1]):
        with pytest.raises(DictionaryError, match="two dictionaries are of m1"):
            describe_all(given, MODEL)


def test_a_head_and_its_layers_attention_are_one_site(tmp_path: Path) -> None:
    layer = layouts.saelens(tmp_path / "a", metadata={"hook_name": "blocks.1.hook_attn_out"})
    about = {"hook_name": "blocks.1.attn.hook_z", "hook_head_index": 1}
    head = layouts.saelens(tmp_path / "b", metadata=about)
    with pytest.raises(DictionaryError, match="two dictionaries are of a1"):
        describe_all([source_of(layer), source_of(head)], replace(MODEL, d_head=D))


def test_dictionaries_of_different_sites_stand_side_by_side(tmp_path: Path) -> None:
    one = layouts.saelens(tmp_path / "a", metadata={"hook_name": "blocks.0.hook_mlp_out"})
    other = layouts.saelens(tmp_path / "b")
    found = describe_all([source_of(one), source_of(other)], MODEL)
    assert [each.site.component for each in found] == ["m0", "m1"]


# Numbers that are none, files that are torn.


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["W_enc", "b_dec"])
def test_weights_that_are_no_numbers_are_refused(bad: float, name: str, tmp_path: Path) -> None:
    case = layouts.saelens(tmp_path)
    file = tmp_path / "sae_weights.safetensors"
    stored = load_file(file)
    stored[name].view(-1)[3] = bad
    layouts.save(file, stored)
    with pytest.raises(NonFiniteWeightsError, match=f"'{name}' has 1 values"):
        load(describe_all([source_of(case)], MODEL))


def test_a_tensor_that_is_missing_or_too_many_is_refused(tmp_path: Path) -> None:
    case = layouts.saelens(tmp_path)
    file = tmp_path / "sae_weights.safetensors"
    stored = load_file(file)
    layouts.save(file, {name: t for name, t in stored.items() if name != "b_enc"})
    refused(source_of(case), "no tensor 'b_enc'")
    layouts.save(file, {**stored, "W_other": stored["W_enc"].clone()})
    refused(source_of(case), "'W_other' that is not read")


def test_shapes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    case = layouts.saelens(tmp_path)
    file = tmp_path / "sae_weights.safetensors"
    stored = load_file(file)
    layouts.save(file, {**stored, "W_enc": stored["W_enc"][:, 1:]})
    refused(source_of(case), r"'W_enc' has shape \(6, 14\); expected \[in 6.*unit 15")


@pytest.mark.parametrize("said", [7, 0, -1, True, "15", 10**12])
def test_sizes_that_are_none_are_refused(said: Any, tmp_path: Path) -> None:
    refused(source_of(layouts.saelens(tmp_path, d_sae=said)), "d_sae is|has shape")


def test_more_units_than_there_are_cannot_be_kept(tmp_path: Path) -> None:
    case = layouts.saelens(tmp_path, "topk", k=UNITS + 1)
    refused(source_of(case), "keeps 16 units of 15")


@pytest.mark.parametrize(
    "name", ["abstopk", "matching_pursuit", "temporal", "batchtopk", "matryoshka_batchtopk", ""]
)
def test_architectures_that_are_not_read_are_refused_by_name(name: str, tmp_path: Path) -> None:
    refused(source_of(layouts.saelens(tmp_path, name)), f"architecture '{name}' is not read")


def test_groups_must_divide_the_units(tmp_path: Path) -> None:
    case = layouts.sparsify(tmp_path, "groupmax")
    file = tmp_path / "layers.1.mlp" / "cfg.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "k": 4}))
    with pytest.raises(DictionaryError, match="4 groups of one size"):
        load(describe_all([source_of(case)], MODEL))


def test_a_cross_layer_decoder_that_writes_backwards_is_refused(tmp_path: Path) -> None:
    case = layouts.gemma_scope_2_clt(tmp_path)
    file = tmp_path / case.path / "params_layer_1.safetensors"
    stored = load_file(file)
    stored["w_dec"][:, 0] = 1
    layouts.save(file, stored)
    with pytest.raises(DictionaryError, match="layers before its own"):
        load(describe_all([resolve(str(case.folder), case.path)], MODEL))


@pytest.mark.parametrize("missing", [0, 1])
def test_a_cross_layer_transcoder_is_read_whole(missing: int, tmp_path: Path) -> None:
    case = layouts.circuit_tracer_clt(tmp_path, n_layers=3)
    (tmp_path / f"W_enc_{missing}.safetensors").unlink()
    refused(resolve(str(case.folder)), "is read whole", replace(MODEL, n_layers=3))
