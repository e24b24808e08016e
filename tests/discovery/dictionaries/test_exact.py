"""Bases that miss nothing: every family's neurons, and the coordinates of compiled programs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from discovery.dictionaries import CoordinateBasis, Dictionary, NeuronBasis, error, values_at
from discovery.models import CompiledAdapter, ModelAdapter
from graph_schema.documents import DictionaryKind, Place
from graph_schema.errors import DictionaryError
from tests.discovery.models.families import D_VOCAB, FAMILIES, tiny

every_family = pytest.mark.parametrize("family", FAMILIES)


def _batch(adapter: ModelAdapter) -> torch.Tensor:
    n = adapter.shape.d_vocab
    return torch.randint(n, (2, 5), generator=torch.Generator().manual_seed(1))


@every_family
@torch.no_grad()
def test_neurons_miss_nothing_of_what_an_mlp_writes(family: str) -> None:
    adapter = tiny(family, torch.float64)
    for layer in range(adapter.shape.n_layers):
        basis: Dictionary = NeuronBasis(adapter, layer)
        site = basis.document.site
        spots = [(layer, site.reads, None), (layer, site.writes, None)]
        found = values_at(adapter, adapter.batch(_batch(adapter)), spots)
        x, write = found[spots[0]], found[spots[1]]
        assert float(error(basis, x, write).abs().max()) < 1e-10
        summed = basis.encode(x) @ basis.directions() + basis.constant(x)
        torch.testing.assert_close(summed, write, atol=1e-10, rtol=1e-10)
        assert basis.document.width == adapter.shape.d_mlp == len(basis.directions())
        assert site.component == f"m{layer}"
        assert not basis.competes


@every_family
@torch.no_grad()
def test_a_neuron_as_receiver_costs_its_own_rows(family: str) -> None:
    adapter = tiny(family)
    basis, units = NeuronBasis(adapter, 1), torch.tensor([3, 0])
    x = torch.randn(4, adapter.shape.d_model, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(basis.encode(x, units), basis.encode(x)[..., units])
    torch.testing.assert_close(basis.directions(units), basis.directions()[units])


def test_a_neurons_identity_needs_no_tensors() -> None:
    one, other = NeuronBasis(tiny("gpt2"), 0), NeuronBasis(tiny("gpt2"), 1)
    assert one.document.kind is DictionaryKind.NEURONS
    assert one.document.sha256 is None
    assert one.document.dictionary_id != other.document.dictionary_id
    again = NeuronBasis(tiny("gpt2"), 0)
    assert one.document.dictionary_id == again.document.dictionary_id


@pytest.mark.parametrize(
    ("component", "place"),
    [("m0", Place.MLP_OUT), ("a0.h1", Place.HEAD_OUT), ("embed", Place.EMBED)],
)
def test_coordinates_of_a_compiled_program_are_its_features(component: str, place: Place) -> None:
    basis: Dictionary = CoordinateBasis(component, 7)
    site = basis.document.site
    assert (site.component, site.reads, site.writes) == (component, place, place)
    x = torch.randn(3, 7)
    assert torch.equal(basis.encode(x), x)
    assert torch.equal(basis.encode(x, torch.tensor([4])), x[:, [4]])
    assert torch.equal(basis.directions(torch.tensor([4]))[0], torch.eye(7)[4])
    assert float(error(basis, x, x).abs().max()) == 0.0
    assert torch.equal(basis.encode(x) @ basis.directions() + basis.constant(x), x)


def test_what_sends_nothing_has_no_coordinates() -> None:
    for name in ("logits", "m0.f1"):
        with pytest.raises(DictionaryError, match="no coordinates"):
            CoordinateBasis(name, 4)


@torch.no_grad()
def test_coordinates_of_heads_and_mlps_are_what_they_write() -> None:
    rng = np.random.default_rng(0)
    shapes = {
        **dict.fromkeys(("L0.W_Q", "L0.W_K", "L0.W_V"), (2, 6, 3)),
        "L0.W_O": (2, 3, 6),
        "L0.W_in": (6, 9),
        "L0.W_out": (9, 6),
        "W_E": (D_VOCAB, 6),
        "W_pos": (5, 6),
        "W_U": (6, 4),
    }
    weights = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    adapter = CompiledAdapter(weights, {"n_layers": 1}, dtype=torch.float64)
    batch = adapter.batch(_batch(adapter))
    for component in ("m0", "a0.h0", "a0.h1"):
        basis = CoordinateBasis(component, 6, torch.float64)
        site = basis.document.site
        spot = (0, site.reads, site.head)
        x = values_at(adapter, batch, [spot])[spot]
        assert float(error(basis, x, x).abs().max()) == 0.0
