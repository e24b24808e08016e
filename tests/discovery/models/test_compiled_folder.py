"""Compiled programs as models: what is read, what is refused unread, what is computed."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from discovery.engine.self_check import check_adapter
from discovery.jobs.sizes import read_config, sizes_of
from discovery.models import CompiledAdapter, LoadedModel, inspect_model, load_model, weight_bytes
from discovery.models.inspecting import context_length
from graph_schema.documents import Limits, ModelSource
from graph_schema.errors import (
    LimitError,
    ModelError,
    ModelUnavailable,
    NonFiniteWeightsError,
    NumericsError,
    ResourceError,
)
from graph_schema.models.compiled import files
from graph_schema.models.config import read_model
from graph_schema.models.fingerprint import fingerprint, resolve_source
from tests.compiled import Twin

KEPT = Path(__file__).parents[1] / "known" / "compiled"


def loaded(folder: Path, **options: Any) -> LoadedModel:
    return load_model(resolve_source(str(folder)), fingerprint=None, **options)


def repacked(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The folder with other arrays."""
    with np.load(folder / "weights.npz") as stored:
        arrays = dict(stored)
    change(arrays)
    np.savez_compressed(folder / "weights.npz", **arrays)
    return folder


@pytest.mark.parametrize("kind", ["key", "pointer"])
def test_a_folder_is_a_model_of_family_compiled(kind: Any, tmp_path: Path) -> None:
    folder = Twin(kind, n_heads=3, first=2).write(tmp_path / "twin")
    source = resolve_source(str(folder))
    model = loaded(folder)
    document = model.document
    assert (document.family, document.weights, document.name) == ("compiled", "npz", "twin")
    assert document.fingerprint == fingerprint(source)
    assert (document.n_layers, document.n_heads, document.d_vocab) == (2, 3, 14)
    assert document.n_edges == model.adapter.n_edges
    # What the client knows without torch is what the worker finds.
    known = read_model(source, document.fingerprint)
    assert known == document.model_copy(update={"weights_sha256": None})
    inspected = inspect_model(source)
    assert (inspected.d_vocab, inspected.n_ctx, inspected.tokenizer) == (14, 26, None)
    assert context_length(inspected.config) == 26
    weights = model.adapter._weights.values()  # pyright: ignore
    assert weight_bytes(inspected.config, "float32") == 4 * sum(each.numel() for each in weights)
    sizes = sizes_of(read_config(source))
    assert sizes.graph.n_edges == document.n_edges
    prompt = tuple(t % 5 for t in range(14))
    check_adapter(model.adapter, [prompt, prompt[:6]])
    rows = model.adapter.own_logits(prompt, 4)
    assert rows is not None
    assert rows.argmax(-1).tolist() == [(t + 1) % 5 for t in prompt[-4:]]


def test_programs_kept_here_pass_their_check_in_every_dtype() -> None:
    for folder in sorted(KEPT.iterdir()):
        case = json.loads((folder / "case.json").read_text())
        prompts = [tuple(pair["clean"]) for pair in case["pairs"][:5]]
        for dtype in ("float64", "float32", "bfloat16"):
            check_adapter(loaded(folder, dtype=dtype).adapter, prompts)


def test_an_adapter_that_computes_something_else_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = loaded(Twin().write(tmp_path / "twin")).adapter
    right = CompiledAdapter.qkv_weights

    def wrong(self: CompiledAdapter, layer: int, channel: Any) -> Any:
        cut = right(self, layer, channel)
        return type(cut)(cut.weight * 0.1, cut.bias) if channel == "k" else cut

    monkeypatch.setattr(CompiledAdapter, "qkv_weights", wrong)
    with pytest.raises(NumericsError, match="does not compute what its model computes"):
        check_adapter(adapter, [tuple(t % 5 for t in range(14))])


def test_the_weights_hash_is_of_values_however_they_lie(tmp_path: Path) -> None:
    folder = Twin().write(tmp_path / "twin")
    first, prints = loaded(folder).document, fingerprint(ModelSource(name=str(folder)))

    def spell_otherwise(arrays: dict[str, Any]) -> None:
        arrays["L0.b_Q"] = np.zeros((2, arrays["L0.W_Q"].shape[2]))
        arrays["W_E"] = np.asfortranarray(arrays["W_E"].astype(">f4"))

    again = loaded(repacked(folder, spell_otherwise)).document
    assert again.weights_sha256 == first.weights_sha256
    assert again.fingerprint != prints
    assert again.is_same(first)

    def change(arrays: dict[str, Any]) -> None:
        arrays["W_E"][0, 0] += 1

    assert loaded(repacked(folder, change)).document.weights_sha256 != first.weights_sha256


def test_another_model_at_the_place_is_refused_and_memory_is_asked_first(tmp_path: Path) -> None:
    folder = Twin().write(tmp_path / "twin")
    source = resolve_source(str(folder))
    with pytest.raises(ModelUnavailable, match="another model lies there now"):
        load_model(source, fingerprint="0" * 64)
    with pytest.raises(LimitError, match=r"needs 0\.00 GiB for its weights"):
        loaded(folder, limits=Limits(memory_bytes=1000))
    with pytest.raises(ResourceError, match="does not go to device 'cuda:99'"):
        loaded(folder, device="cuda:99")


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], Any], type[Exception], str]] = {
    "nan": (
        lambda a: a["W_U"].__setitem__((0, 0), np.nan),
        NonFiniteWeightsError,
        "'W_U' has 1 values that are NaN or infinite",
    ),
    "shape": (
        lambda a: a.update(W_U=a["W_U"][1:]),
        ModelError,
        r"'W_U' has shape .*; expected \[d_model",
    ),
    "missing": (lambda a: a.pop("L1.W_K"), ModelError, r"weight 'L1\.W_K' is missing"),
    "unknown": (
        lambda a: a.update({"L2.W_K": a["L1.W_K"]}),
        ModelError,
        "config has n_layers 2, which are L0 to L1",
    ),
    "pickled": (
        lambda a: a.update(W_E=np.array([{}, None], dtype=object)),
        ModelError,
        "'W_E' holds other than finite numbers",
    ),
    "text": (
        lambda a: a.update(W_E=np.array([["a"]])),
        ModelError,
        "'W_E' holds other than finite numbers",
    ),
    "empty": (lambda a: a.update(W_E=a["W_E"][:0]), ModelError, r"'W_E' has shape \(0, "),
}


@pytest.mark.parametrize(("change", "error", "words"), CHANGES.values(), ids=CHANGES)
def test_weights_that_are_none_are_refused(
    change: Callable[[dict[str, Any]], None], error: type[Exception], words: str, tmp_path: Path
) -> None:
    folder = repacked(Twin().write(tmp_path / "twin"), change)
    with pytest.raises(error, match=words):
        loaded(folder)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ({"config": {"n_layers": 10**9}}, "config.n_layers is 1000000000"),
        ({"config": {"n_layers": 2, "d_model": 7}}, "d_model 7 by config"),
        ({"config": {"n_layers": 2, "act": "tanh"}}, "activation 'tanh'"),
        ({"config": None}, "config is None"),
        ({"vocab": {"a": 0, "b": 0}}, "vocab has id 0 twice"),
        ({"vocab": {"a": 99}}, "token 'a' has id 99, and W_E 14 rows"),
        ({"output": {"categorical": False}}, "W_U has 14 columns, and the output is numerical"),
        ({"output": 3}, "output is 3"),
    ],
)
def test_what_a_case_says_is_held_to_its_weights(
    case: dict[str, Any], words: str, tmp_path: Path
) -> None:
    folder = Twin().write(tmp_path / "twin", **case)
    with pytest.raises(ModelError, match=words):
        loaded(folder)


@pytest.mark.parametrize("key", ["config", "vocab", "output"])
def test_a_missing_key_is_named(key: str, tmp_path: Path) -> None:
    twin = Twin()
    folder = twin.write(tmp_path / "twin")
    case = twin.case()
    del case[key]
    (folder / "case.json").write_text(json.dumps(case))
    with pytest.raises(ModelError, match=f"the case has no '{key}'"):
        loaded(folder)


@pytest.mark.parametrize("text", ["[1]", "{", '"' + "x" * 50, "[" * 100_000, "\xff\xfe"])
def test_a_case_that_is_no_json_object_is_refused(text: str, tmp_path: Path) -> None:
    folder = Twin().write(tmp_path / "twin")
    (folder / "case.json").write_text(text, encoding="latin-1")
    with pytest.raises(ModelError, match=r"case\.json"):
        loaded(folder)


@pytest.mark.parametrize("name", ["case.json", "weights.npz"])
def test_half_a_folder_is_said_to_lack_the_other(name: str, tmp_path: Path) -> None:
    folder = Twin().write(tmp_path / "twin")
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"lacks {name}"):
        fingerprint(ModelSource(name=str(folder)))
    with pytest.raises(ModelError, match=f"lacks {name}"):
        loaded(folder)


def _header(shape: tuple[int, ...]) -> bytes:
    made = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        made, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    return made.getvalue()


def test_a_bomb_is_refused_by_its_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Twin().write(tmp_path / "twin")
    side = 40_000
    with zipfile.ZipFile(folder / "weights.npz", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("W_E.npy", _header((side, side)) + bytes(1000))
    with pytest.raises(ModelError, match="'W_E' is torn: its header says 6,400,000,000 bytes"):
        loaded(folder)
    monkeypatch.setattr(files, "MOST_ARRAY_BYTES", 10**7)
    with zipfile.ZipFile(folder / "weights.npz", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("W_E.npy", _header((20, 10**6)) + bytes(8 * 10**7))
    assert (folder / "weights.npz").stat().st_size < 100_000
    with pytest.raises(ModelError, match="80,000,000 bytes unpacked; expected at most"):
        loaded(folder)


def test_more_heads_than_a_graph_holds_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "wide"
    Twin().write(folder, config={"n_layers": 1})
    n = 20_000
    shapes = {"W_E": (2, 1), "W_pos": (2, 1), "W_U": (1, 14), "L0.W_in": (1, 0)}
    shapes |= {"L0.W_out": (0, 1), **{f"L0.W_{part}": (n, 1, 1) for part in "QKVO"}}
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    np.savez_compressed(folder / "weights.npz", allow_pickle=False, **arrays)
    case = json.loads((folder / "case.json").read_text()) | {"vocab": {"a": 0}}
    (folder / "case.json").write_text(json.dumps(case))
    with pytest.raises(ModelError, match="1 layers of 20,000 heads; expected at most 10,000"):
        loaded(folder)


@pytest.mark.parametrize("cut", [0, 10, 1000, -40])
def test_a_torn_file_is_refused(cut: int, tmp_path: Path) -> None:
    folder = Twin().write(tmp_path / "twin")
    data = (folder / "weights.npz").read_bytes()
    (folder / "weights.npz").write_bytes(data[:cut])
    with pytest.raises(ModelError, match=r"weights\.npz"):
        loaded(folder)
    middle = bytearray(data)
    middle[len(data) // 2 : len(data) // 2 + 64] = bytes(64)
    (folder / "weights.npz").write_bytes(middle)
    with pytest.raises(ModelError, match=r"weights\.npz"):
        loaded(folder)


def test_a_folder_that_transformers_reads_is_no_compiled_one(tmp_path: Path) -> None:
    folder = Twin().write(tmp_path / "twin")
    (folder / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(ModelError, match=r"has no model\.safetensors"):
        loaded(folder)
