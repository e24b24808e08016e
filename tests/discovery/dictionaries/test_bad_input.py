"""What is refused: other models, hostile files, numbers that are none, two to one site."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from discovery.dictionaries import describe_all, load
from discovery.dictionaries.pickled import pickled_tensors
from discovery.models import Shape
from graph_schema.dictionaries import describe, resolve
from graph_schema.documents import DictionarySource
from graph_schema.errors import DictionaryError, NonFiniteWeightsError
from tests.discovery.dictionaries import layouts
from tests.discovery.dictionaries.layouts import UNITS, D

MODEL = Shape(n_layers=2, n_heads=2, n_kv_heads=2, d_model=D, d_head=5, d_mlp=11, d_vocab=9)


def _source(case: layouts.Case) -> DictionarySource:
    return resolve(str(case.folder), case.path, hook=case.hook)


def _refused(source: DictionarySource, match: str, model: Shape = MODEL) -> None:
    with pytest.raises(DictionaryError, match=match):
        describe_all([source], model, "'the/model'")


# Another model, width or hook.


def test_another_width_names_the_places_that_have_it(tmp_path: Path) -> None:
    source = _source(layouts.gemma_scope_2(tmp_path, "mlp_out", d=10))
    _refused(source, r"reads 10 numbers at mlp_added, where 'the/model' has 6.*so wide are attn_z")


def test_a_width_that_no_place_has_is_of_another_model(tmp_path: Path) -> None:
    source = _source(layouts.gemma_scope_2(tmp_path, "mlp_out", d=13))
    _refused(source, r"it says that it is of 'gemma-v3-270m'.*of another model")


def test_a_layer_beyond_the_model_names_its_layers(tmp_path: Path) -> None:
    _refused(_source(layouts.gemma_scope_2(tmp_path, layer=7)), "layer 7.*layers 0 to 1")


def test_a_head_beyond_the_model_names_its_heads(tmp_path: Path) -> None:
    case = layouts.saelens_before_6(
        tmp_path, hook_point="blocks.1.attn.hook_z", hook_point_head_index=4
    )
    _refused(_source(case), "head 4.*heads 0 to 1", replace(MODEL, d_head=D))


def test_a_cross_layer_transcoder_of_fewer_layers_is_of_another_model(tmp_path: Path) -> None:
    case = layouts.circuit_tracer_clt(tmp_path, n_layers=2)
    _refused(resolve(str(case.folder)), "layers up to 1.*0 to 3", replace(MODEL, n_layers=4))


def test_a_hook_that_nothing_is_read_at_names_the_near_ones(tmp_path: Path) -> None:
    case = layouts.saelens(tmp_path, metadata={"hook_name": "blocks.1.hook_mlp_outt"})
    _refused(_source(case), r"hook 'blocks.1.hook_mlp_outt'.*near it are blocks.N.hook_mlp_out")


def test_the_residual_stream_is_not_spliced_but_can_be_read(tmp_path: Path) -> None:
    source = _source(layouts.gemma_scope_1(tmp_path, "res"))
    _refused(source, "resid_post of layer 1.*mlp_out, attn_out")
    (found,) = describe_all([source], MODEL, splice=False)
    assert found.site.component is None


def test_a_folder_that_is_not_there_names_the_near_ones(tmp_path: Path) -> None:
    case = layouts.gemma_scope_2(tmp_path)
    with pytest.raises(DictionaryError, match=r"near it are 'layer_1_width_16k_l0_big'"):
        resolve(str(case.folder), "mlp_out/layer_1_width_65k_l0_big")


def test_a_folder_of_several_dictionaries_names_them(tmp_path: Path) -> None:
    layouts.gemma_scope_2(tmp_path, "mlp_out")
    layouts.gemma_scope_2(tmp_path, "attn_out")
    _refused(resolve(str(tmp_path)), "name one of them: attn_out/layer_1.*, mlp_out/layer_1")


def test_files_that_say_no_place_ask_for_the_hook(tmp_path: Path) -> None:
    case = layouts.gemma_scope_1(tmp_path)
    moved = tmp_path / "mine"
    case.folder.rename(moved)
    _refused(resolve(str(moved), case.path), "give its hook")
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
    sources = [_source(first), resolve(str(other.folder), other.path)]
    for given in (sources, sources[::-1]):
        with pytest.raises(DictionaryError, match="two dictionaries are of m1"):
            describe_all(given, MODEL)


def test_a_head_and_its_layers_attention_are_one_site(tmp_path: Path) -> None:
    layer = layouts.saelens(tmp_path / "a", metadata={"hook_name": "blocks.1.hook_attn_out"})
    about = {"hook_name": "blocks.1.attn.hook_z", "hook_head_index": 1}
    head = layouts.saelens(tmp_path / "b", metadata=about)
    with pytest.raises(DictionaryError, match="two dictionaries are of a1"):
        describe_all([_source(layer), _source(head)], replace(MODEL, d_head=D))


def test_dictionaries_of_different_sites_stand_side_by_side(tmp_path: Path) -> None:
    one = layouts.saelens(tmp_path / "a", metadata={"hook_name": "blocks.0.hook_mlp_out"})
    other = layouts.saelens(tmp_path / "b")
    found = describe_all([_source(one), _source(other)], MODEL)
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
        load(describe_all([_source(case)], MODEL))


def test_a_tensor_that_is_missing_or_too_many_is_refused(tmp_path: Path) -> None:
    case = layouts.saelens(tmp_path)
    file = tmp_path / "sae_weights.safetensors"
    stored = load_file(file)
    layouts.save(file, {name: t for name, t in stored.items() if name != "b_enc"})
    _refused(_source(case), "no tensor 'b_enc'")
    layouts.save(file, {**stored, "W_other": stored["W_enc"].clone()})
    _refused(_source(case), "'W_other' that is not read")


def test_shapes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    case = layouts.saelens(tmp_path)
    file = tmp_path / "sae_weights.safetensors"
    stored = load_file(file)
    layouts.save(file, {**stored, "W_enc": stored["W_enc"][:, 1:]})
    _refused(_source(case), r"'W_enc' has shape \(6, 14\); expected \[in 6.*unit 15")


@pytest.mark.parametrize("said", [7, 0, -1, True, "15", 10**12])
def test_sizes_that_are_none_are_refused(said: Any, tmp_path: Path) -> None:
    _refused(_source(layouts.saelens(tmp_path, d_sae=said)), "d_sae is|has shape")


def test_more_units_than_there_are_cannot_be_kept(tmp_path: Path) -> None:
    case = layouts.saelens(tmp_path, "topk", k=UNITS + 1)
    _refused(_source(case), "keeps 16 units of 15")


@pytest.mark.parametrize(
    "name", ["abstopk", "matching_pursuit", "temporal", "batchtopk", "matryoshka_batchtopk", ""]
)
def test_architectures_that_are_not_read_are_refused_by_name(name: str, tmp_path: Path) -> None:
    _refused(_source(layouts.saelens(tmp_path, name)), f"architecture '{name}' is not read")


def test_groups_must_divide_the_units(tmp_path: Path) -> None:
    case = layouts.sparsify(tmp_path, "groupmax")
    file = tmp_path / "layers.1.mlp" / "cfg.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "k": 4}))
    with pytest.raises(DictionaryError, match="4 groups of one size"):
        load(describe_all([_source(case)], MODEL))


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
    _refused(resolve(str(case.folder)), "is read whole", replace(MODEL, n_layers=3))


# Hostile files.


def _header(said: Any, body: bytes = b"", size: int | None = None) -> bytes:
    header = said if isinstance(said, bytes) else json.dumps(said).encode()
    return struct.pack("<Q", len(header) if size is None else size) + header + body


def _tensor(shape: list[Any], start: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (_header({}, size=2**60), "header says that it has"),
        (_header(b"{" * 100_000), "cannot be read"),
        (_header([1, 2]), "expected an object"),
        (_header({"W_enc": _tensor([10**6, 10**6], 0, 4)}, b"1234"), "says that it has 4 bytes"),
        (_header({"W_enc": _tensor([1], 0, 4)}), "tensors end at"),
        (_header({"W_enc": _tensor([1], 0, 4)}, b"1" * 8), "tensors end at"),
        (_header({"W_enc": _tensor([-1], 0, 4)}, b"1234"), "sizes"),
        (_header({"W_enc": _tensor([1.5], 0, 4)}, b"1234"), "sizes"),
        (_header({"W_enc": _tensor([True], 0, 4)}, b"1234"), "sizes"),
        (
            _header({"a": _tensor([1], 0, 4), "b": _tensor([1], 0, 4)}, b"1234"),
            "does not begin where",
        ),
        (_header({"W_enc": _tensor([1], 0, 4, "PICKLE")}, b"1234"), "of type 'PICKLE'"),
        (_header({"W_enc": _tensor([1], 0, 4, "I32")}, b"1234"), "floating point"),
        (
            _header(b'{"a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}, "a": {}}'),
            "twice",
        ),
        (b"", "cannot be read|header"),
        (b"short", "header|cannot be read"),
    ],
)
def test_a_harmful_safetensors_header_is_refused(data: bytes, match: str, tmp_path: Path) -> None:
    case = layouts.saelens(tmp_path)
    (tmp_path / "sae_weights.safetensors").write_bytes(data)
    _refused(_source(case), match)


def _npz(file: Path, **entries: bytes) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in entries.items():
            packed.writestr(f"{name}.npy", data)


def _npy(array: Any) -> bytes:
    data = io.BytesIO()
    np.save(data, array, allow_pickle=True)
    return data.getvalue()


def test_arrays_that_pack_too_well_are_not_unpacked(tmp_path: Path) -> None:
    case = layouts.gemma_scope_1(tmp_path)
    file = case.folder / case.path / "params.npz"
    _npz(file, W_enc=_npy(np.zeros((2000, 2000), np.float32)))
    assert file.stat().st_size < 100_000
    _refused(_source(case), "no weights pack so well")


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    case = layouts.gemma_scope_1(tmp_path)
    file = case.folder / case.path / "params.npz"
    _npz(file, W_enc=_npy(np.array([{}, Harm()], dtype=object)))
    _refused(_source(case), "objects are not unpickled")
    assert not Harm.done()


def test_an_array_that_says_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    case = layouts.gemma_scope_1(tmp_path)
    file = case.folder / case.path / "params.npz"
    data = _npy(np.zeros(9, np.float32))
    lying = data.replace(b"'shape': (9,), }    ", b"'shape': (99999,), }")
    assert lying != data
    _npz(file, W_enc=lying)
    _refused(_source(case), "torn")


class Harm:
    """A pickle that writes a file when it is read."""

    MARK = "CIRCUITS_TEST_HARM"

    def __reduce__(self) -> Any:
        return os.putenv, (self.MARK, "1")

    @classmethod
    def done(cls) -> bool:
        return cls.MARK in os.environ


def _touching(file: Path) -> Any:
    class Touch:
        def __reduce__(self) -> Any:
            return open, (str(file), "w")

    return Touch()


@pytest.mark.parametrize("plain", [False, True])
def test_a_pickle_that_runs_code_is_refused_and_does_not_run(plain: bool, tmp_path: Path) -> None:
    case, mark = layouts.dictionary_learning(tmp_path), tmp_path / "ran"
    file = tmp_path / "trainer_0" / "ae.pt"
    harm = {"encoder.weight": _touching(mark)}
    if plain:
        file.write_bytes(pickle.dumps(harm))
    else:
        torch.save(harm, file)
    _refused(_source(case), "can run code")
    assert not mark.exists()


@pytest.mark.parametrize("name", ["sae.pkl", "sae.bin", "sae.ckpt", "sae.pth"])
def test_other_pickles_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pickle.dumps({"W_enc": 1}))
    _refused(resolve(str(tmp_path), name), "can run code")


def test_a_tensor_that_says_more_than_its_file_holds_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ae.pt"
    torch.save({"W": torch.ones(1).expand(100_000, 100_000)}, file)
    with pytest.raises(DictionaryError, match="the file holds fewer numbers"):
        pickled_tensors(file)


@pytest.mark.parametrize("value", [[1, 2], torch.ones(3), "text"])
def test_a_pickle_of_other_things_is_refused(value: Any, tmp_path: Path) -> None:
    file = tmp_path / "ae.pt"
    torch.save(value, file)
    with pytest.raises(DictionaryError, match="expected tensors by name"):
        pickled_tensors(file)
    torch.save({"W": value if not isinstance(value, torch.Tensor) else [value]}, file)
    with pytest.raises(DictionaryError, match="expected tensors by name"):
        pickled_tensors(file)


def test_configurations_are_bounded_and_without_aliases(tmp_path: Path) -> None:
    case = layouts.circuit_tracer(tmp_path)
    config = tmp_path / "config.yaml"
    config.write_text("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n")
    _refused(_source(case), "alias")
    config.write_text("a: !!python/object/apply:os.system ['true']\n")
    _refused(_source(case), "cannot be read")
    config.write_text("#" * (5 * 2**20))
    _refused(_source(case), "expected at most")


@pytest.mark.parametrize("path", ["../x.safetensors", "/etc/passwd", "a/../../x.safetensors"])
def test_a_configuration_that_names_files_elsewhere_is_refused(path: str, tmp_path: Path) -> None:
    case = layouts.circuit_tracer(tmp_path / "in")
    layouts.write_yaml(
        tmp_path / "in" / "config.yaml",
        {
            "model_kind": "transcoder_set",
            "transcoders": [path],
            "feature_input_hook": "mlp.hook_in",
        },
    )
    _refused(_source(case), "outside its folder")


@pytest.mark.parametrize("path", ["../b", "/etc", "a/../../b", "a\\b"])
def test_a_path_that_leaves_its_source_is_refused(path: str, tmp_path: Path) -> None:
    for name in (str(tmp_path), "org/name"):
        with pytest.raises(DictionaryError, match="leaves dictionary"):
            resolve(name, path)


@pytest.mark.parametrize("name", ["nothing", "a/b/c", "org/..", "", "C:\\x"])
def test_a_name_that_is_neither_path_nor_hub_id_is_refused(name: str) -> None:
    with pytest.raises(DictionaryError, match="neither a hub id"):
        resolve(name)


def test_a_folder_of_no_format_names_the_formats(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("nothing")
    _refused(resolve(str(tmp_path)), "gemma-scope-2, gemma-scope-1, saelens")
    with pytest.raises(DictionaryError, match="format 'zip' is none"):
        describe(resolve(str(tmp_path), format="zip"))
