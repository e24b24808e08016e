"""Files that mean harm are refused by their headers, and nothing of them runs."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from discovery.dictionaries.pickled import pickled_tensors
from graph_schema.dictionaries import describe, resolve
from graph_schema.errors import DictionaryError
from tests.discovery.dictionaries import layouts
from tests.discovery.dictionaries.refusing import refused, source_of


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
    refused(source_of(case), match)


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
    refused(source_of(case), "no weights pack so well")


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    case = layouts.gemma_scope_1(tmp_path)
    file = case.folder / case.path / "params.npz"
    _npz(file, W_enc=_npy(np.array([{}, Harm()], dtype=object)))
    refused(source_of(case), "objects are not unpickled")
    assert not Harm.done()


def test_an_array_that_says_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    case = layouts.gemma_scope_1(tmp_path)
    file = case.folder / case.path / "params.npz"
    data = _npy(np.zeros(9, np.float32))
    lying = data.replace(b"'shape': (9,), }    ", b"'shape': (99999,), }")
    assert lying != data
    _npz(file, W_enc=lying)
    refused(source_of(case), "torn")


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
    refused(source_of(case), "can run code")
    assert not mark.exists()


@pytest.mark.parametrize("name", ["sae.pkl", "sae.bin", "sae.ckpt", "sae.pth"])
def test_other_pickles_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pickle.dumps({"W_enc": 1}))
    refused(resolve(str(tmp_path), name), "can run code")


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
    refused(source_of(case), "alias")
    config.write_text("a: !!python/object/apply:os.system ['true']\n")
    refused(source_of(case), "not YAML.*tags are not read")
    config.write_text("#" * (5 * 2**20))
    refused(source_of(case), "expected at most")


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
    refused(source_of(case), "outside its folder")


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
    refused(resolve(str(tmp_path)), "gemma-scope-2, gemma-scope-1, saelens")
    with pytest.raises(DictionaryError, match="format 'zip' is none"):
        describe(resolve(str(tmp_path), format="zip"))
