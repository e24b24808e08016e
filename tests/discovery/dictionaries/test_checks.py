"""What a dictionary explains, and whether the right reading is named where it explains little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from discovery.dictionaries import Loaded, Rows, check, describe_all, load, rows_at
from discovery.dictionaries.checks import explained_variance
from discovery.models import DecoderAdapter
from graph_schema.dictionaries import resolve
from graph_schema.documents import Activation, DictionaryCheck
from graph_schema.errors import DictionaryError
from tests.discovery.dictionaries import layouts
from tests.discovery.models.families import D_VOCAB, tiny


def _adapter() -> DecoderAdapter:
    return tiny("gpt2")


def _rows(loaded: tuple[Loaded, ...], n: int = 512) -> Rows:
    adapter = _adapter()
    generator = torch.Generator().manual_seed(4)
    tokens = torch.randint(D_VOCAB, (40, 15), generator=generator)
    sites = [each.document.site for each in loaded]
    return rows_at(adapter, adapter.batch(tokens), sites, n)


def _check(folder: Path, path: str = "", n: int = 512) -> DictionaryCheck:
    loaded = load(describe_all([resolve(str(folder), path)], _adapter().shape))
    return check(loaded, _rows(loaded, n))[0]


def _both_signs(d: int) -> dict[str, Tensor]:
    """A standard SAE that misses nothing: every coordinate, upwards and downwards."""
    eye = torch.eye(d)
    turned = torch.linalg.qr(layouts.normal(d, d, seed=1))[0]
    both = torch.cat([eye, -eye]) @ turned
    return {
        "W_enc": both.T,
        "W_dec": both,
        "b_enc": torch.zeros(2 * d),
        "b_dec": torch.zeros(d),
    }


def _saelens(folder: Path, w: dict[str, Tensor], **more: Any) -> None:
    d, units = w["W_enc"].shape
    layouts.saelens(folder, d_in=d, d_sae=units, **more)
    layouts.save(folder / "sae_weights.safetensors", w)


def _square(d: int) -> dict[str, Tensor]:
    """Units that are all active: the map is linear, and only right the right way round."""
    encoder = layouts.normal(d, d, seed=2) + torch.eye(d)
    decoder = torch.linalg.inv(encoder)
    bias = torch.full((d,), 1e3)
    return {"W_enc": encoder, "W_dec": decoder, "b_enc": bias, "b_dec": -bias @ decoder}


def _never(folder: Path) -> float:
    """The share of units that no row turns on, by their encoder's formula."""
    loaded = load(describe_all([resolve(str(folder))], _adapter().shape))
    x, w = _rows(loaded).read(loaded[0].document.site), loaded[0].tensors
    pre = x @ w["encoder"] + w["encoder_bias"]
    return float((pre <= 0).all(0).double().mean())


def test_explained_variance_is_of_the_mean() -> None:
    x = torch.tensor([[1.0, 0.0], [3.0, 0.0]])
    assert explained_variance(x, x) == 1.0
    assert explained_variance(x, x.mean(0).expand(2, 2)) == 0.0
    assert explained_variance(x, torch.tensor([[1.0, 0.0], [2.0, 0.0]])) == 0.5
    assert explained_variance(x[:1], x[:1]) == 1.0


def test_a_dictionary_that_misses_nothing(tmp_path: Path) -> None:
    d = _adapter().shape.d_model
    _saelens(tmp_path, _both_signs(d))
    found = _check(tmp_path)
    assert found.explained_variance == pytest.approx(1, abs=1e-6)
    assert found.l0 == pytest.approx(d, abs=1e-6), "each coordinate is up or down"
    assert found.dead_share == _never(tmp_path)
    assert found.n_tokens == 512
    assert found.warning is None
    assert found.better is None


def test_units_that_never_fire_are_counted(tmp_path: Path) -> None:
    d = _adapter().shape.d_model
    w = _both_signs(d)
    w["b_enc"][:2] = -1e6
    _saelens(tmp_path, w)
    found = _check(tmp_path)
    assert found.dead_share == _never(tmp_path)
    assert found.dead_share >= 2 / (2 * d)
    assert 0.5 < found.explained_variance < 1


def test_the_first_position_and_padding_are_left_out(tmp_path: Path) -> None:
    _saelens(tmp_path, _both_signs(24))
    loaded = load(describe_all([resolve(str(tmp_path))], _adapter().shape))
    adapter = _adapter()
    tokens = torch.randint(D_VOCAB, (3, 5), generator=torch.Generator().manual_seed(4))
    mask = torch.ones_like(tokens)
    mask[0, :3] = 0
    rows = rows_at(adapter, adapter.batch(tokens, mask), [loaded[0].document.site])
    assert len(rows.read(loaded[0].document.site)) == 1 + 4 + 4
    with pytest.raises(DictionaryError, match="longer prompts"):
        rows_at(adapter, adapter.batch(tokens[:, :1]), [loaded[0].document.site])


@pytest.mark.parametrize("turned", ["encoder", "decoder", "encoder and decoder"])
def test_a_square_dictionary_read_the_wrong_way_round_names_the_right_one(
    turned: str, tmp_path: Path
) -> None:
    d = _adapter().shape.d_model
    w = _square(d)
    _saelens(tmp_path / "right", w, apply_b_dec_to_input=False)
    assert _check(tmp_path / "right").explained_variance > 0.99
    if "encoder" in turned:
        w["W_enc"] = w["W_enc"].T
    if "decoder" in turned:
        w["W_dec"] = w["W_dec"].T
    _saelens(tmp_path / "wrong", w, apply_b_dec_to_input=False)
    (said,) = describe_all([resolve(str(tmp_path / "wrong"))], _adapter().shape)
    assert any("square" in note for note in said.notes)
    found = _check(tmp_path / "wrong")
    assert found.explained_variance < 0.5
    assert found.warning is not None
    assert f"{turned} transposed" in found.warning
    assert found.better is not None
    assert found.better.transposed == tuple(turned.split(" and "))
    assert found.better_explained_variance is not None
    assert found.better_explained_variance > 0.99


def test_another_activation_that_does_better_is_named(tmp_path: Path) -> None:
    w = _both_signs(_adapter().shape.d_model)
    _saelens(tmp_path, w, architecture="topk", k=1)
    found = _check(tmp_path)
    assert found.explained_variance < 0.5
    assert found.better is not None
    assert found.better.activation is Activation.RELU
    assert found.warning is not None
    assert "activation relu" in found.warning


def test_a_bias_that_should_be_taken_off_is_named(tmp_path: Path) -> None:
    w = _both_signs(_adapter().shape.d_model)
    w["b_dec"] = torch.full_like(w["b_dec"], 30.0)
    _saelens(tmp_path, w, apply_b_dec_to_input=False)
    found = _check(tmp_path)
    assert found.better is not None
    assert found.better.subtracts_bias
    assert found.better_explained_variance == pytest.approx(1, abs=1e-3)


def test_where_no_reading_does_better_that_is_said(tmp_path: Path) -> None:
    w = _both_signs(_adapter().shape.d_model)
    w["W_dec"] = torch.zeros_like(w["W_dec"])
    _saelens(tmp_path, w)
    found = _check(tmp_path)
    assert found.warning is not None
    assert "another model or place" in found.warning
    assert found.better is None


def test_a_transcoder_is_judged_by_what_it_should_write(tmp_path: Path) -> None:
    """A skip connection alone, fitted by least squares, explains what a linear map can."""
    adapter, d = _adapter(), _adapter().shape.d_model
    layouts.saelens(tmp_path, "skip_transcoder", d_in=d, d_out=d, d_sae=4)
    w = {
        "W_enc": torch.zeros(d, 4),
        "W_dec": torch.zeros(4, d),
        "b_enc": torch.zeros(4),
        "b_dec": torch.zeros(d),
        "W_skip": torch.zeros(d, d),
    }
    layouts.save(tmp_path / "sae_weights.safetensors", w)
    loaded = load(describe_all([resolve(str(tmp_path))], adapter.shape))
    rows = _rows(loaded)
    x, y = (rows.read(loaded[0].document.site), rows.written(loaded[0].document.site))
    fitted = torch.linalg.lstsq(torch.cat([x, torch.ones(len(x), 1)], 1), y).solution
    w |= {"W_skip": fitted[:-1].T, "b_dec": fitted[-1]}
    layouts.save(tmp_path / "sae_weights.safetensors", w)
    found = _check(tmp_path)
    rebuilt = x @ fitted[:-1] + fitted[-1]
    assert found.explained_variance == pytest.approx(explained_variance(y, rebuilt), abs=1e-4)
    assert found.l0 == 0.0
    assert found.dead_share == 1.0


def test_a_cross_layer_transcoder_is_judged_by_what_all_layers_write(tmp_path: Path) -> None:
    adapter = _adapter()
    d = adapter.shape.d_model
    case = layouts.circuit_tracer_clt(tmp_path, d=d, units=30)
    loaded = load(describe_all([resolve(str(case.folder))], adapter.shape))
    rows = _rows(loaded)
    xs = [rows.read(each.document.site) for each in loaded]
    for layer, found in enumerate(check(loaded, rows)):
        write = rows.written(loaded[layer].document.site)
        wanted = explained_variance(write, case.output(layer, xs))
        assert found.explained_variance == pytest.approx(wanted, rel=1e-4)
