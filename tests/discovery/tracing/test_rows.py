"""Rows of attribution graphs against a frozen model that autograd differentiates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from discovery.dictionaries import NeuronBasis
from discovery.dictionaries.linear import Gate, LinearDictionary
from discovery.dictionaries.protocol import Dictionary
from discovery.models import DecoderAdapter
from discovery.tracing import Traced, trace
from graph_schema.documents import Channel, Trace
from graph_schema.documents.dictionary import (
    Activation,
    DictionaryDocument,
    DictionaryKind,
    Normalisation,
    Place,
    Reading,
    Site,
)
from graph_schema.errors import ModelError
from tests.discovery.dictionaries_made import made
from tests.discovery.models.families import FAMILIES, tiny
from tests.discovery.tracing.textbook import Plain

TOKENS = (3, 17, 8, 3, 22, 11)


def basis(adapter: DecoderAdapter) -> list[Dictionary]:
    return [NeuronBasis(adapter, layer) for layer in range(adapter.shape.n_layers)]


def compare(
    adapter: DecoderAdapter,
    dictionaries: Sequence[Dictionary],
    *,
    skip: int = 1,
    most: int = 20_000,
    heads: bool = False,
) -> Traced:
    """Every row of the graph is autograd's, and sums to its target's value less its constants."""
    plain = Plain(adapter, TOKENS, dictionaries, skip, heads)
    method = Trace(skip_positions=skip, max_feature_nodes=most, heads=heads)
    found = trace(adapter, TOKENS, dictionaries, method)
    numbers = {name: i for i, name in enumerate(found.names)}
    assert len(numbers) == len(found.names)
    nodes = [name for name, value in zip(found.names, found.values, strict=True) if value == value]
    targets = [
        f"{name}<{channel}>" if channel else name
        for name in nodes
        for channel in ("qkv" if name.startswith("a") else ("",))
    ]
    assert len(targets) > 10
    targets = targets[:: max(1, len(targets) // 80)]
    edges, constants = plain.rows(targets)
    clean = {name: float(value.detach()) for name, value in plain.run(plain.leaves).items()}
    left_out = set(plain.leaves) - set(numbers)
    for target in targets:
        node, _, channel = target.partition("<")
        row = found.weights[Channel(channel[:1] or "r")][numbers[node]].numpy()
        wanted = np.zeros(len(row))
        for source, weight in edges[target].items():
            host, _, at = source.partition("@")
            name = f"{host.partition('.')[0]}.rest@{at}" if source in left_out else source
            wanted[numbers[name]] += weight
        np.testing.assert_allclose(row, wanted, atol=1e-9, err_msg=target)
        if channel[:1] not in ("q", "k"):
            value = found.values[numbers[node]]
            assert abs(row.sum() + constants[target] - value) < 1e-8, target
        else:
            assert abs(row.sum() + constants[target] - clean[target]) < 1e-8, target
    return found


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_rows_of_neurons_are_autograds_and_sum_to_what_neurons_are(family: str) -> None:
    adapter = tiny(family, torch.float64)
    found = compare(adapter, basis(adapter))
    assert any(name.startswith("m1.n") for name in found.names)
    assert not any("error" in name or "rest" in name for name in found.names)
    with torch.no_grad():
        own = adapter.own_logits(TOKENS, 1)[0].double()
    torch.testing.assert_close(found.model.logits, own, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "neox-parallel"])
def test_what_is_no_node_stands_in_the_rest(family: str) -> None:
    adapter = tiny(family, torch.float64)
    found = compare(adapter, basis(adapter), most=12)
    assert sum(".n" in name for name in found.names) == 12
    whole = trace(adapter, TOKENS, basis(adapter), Trace())
    both = [name for name in found.names if ".rest" not in name]
    a = [found.names.index(name) for name in both]
    b = [whole.names.index(name) for name in both]
    torch.testing.assert_close(found.weights[Channel.R][a][:, a], whole.weights[Channel.R][b][:, b])


def test_nodes_at_the_first_position_are_asked_for() -> None:
    adapter = tiny("llama", torch.float64)
    found = compare(adapter, basis(adapter), skip=0)
    assert any(name.endswith("@0") and ".n" in name for name in found.names)
    found = compare(adapter, basis(adapter), skip=3)
    assert not any(name.endswith(("@0", "@1", "@2")) and ".n" in name for name in found.names)


def past(adapter: DecoderAdapter) -> Place:
    return Place.MLP_ADDED if adapter.post_norms else Place.MLP_OUT


KINDS = ["gpt2", "llama-biased", "gemma3", "olmo2", "neox-parallel", "neox-sequential"]


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("family", KINDS)
def test_rows_of_transcoders(family: str, skip: bool) -> None:
    adapter = tiny(family, torch.float64)
    dictionaries = [
        made(adapter, Site(reads=Place.MLP_IN, writes=past(adapter), layer=0), seed=1, skip=skip),
        made(adapter, Site(reads=Place.RESID_MID, writes=past(adapter), layer=1), seed=2, top=3),
    ]
    found = compare(adapter, dictionaries)
    assert any("m0.error" in name for name in found.names)


@pytest.mark.parametrize("place", [Place.MLP_OUT, Place.MLP_ADDED, Place.NEURONS])
@pytest.mark.parametrize("family", KINDS)
def test_rows_of_saes_go_through_the_mlp_with_its_neurons_held(family: str, place: Place) -> None:
    adapter = tiny(family, torch.float64)
    site = Site(reads=place, writes=place, layer=1)
    found = compare(adapter, [made(adapter, site, seed=3), NeuronBasis(adapter, 0)])
    assert any(name.startswith("m1.f") for name in found.names)


def test_a_layer_without_a_dictionary_is_all_error() -> None:
    adapter = tiny("llama", torch.float64)
    site = Site(reads=Place.MLP_IN, writes=Place.MLP_OUT, layer=1)
    found = compare(adapter, [made(adapter, site, seed=3)])
    assert [name for name in found.names if name.startswith("m0.")] == [
        f"m0.error@{at}" for at in range(1, 6)
    ]


def linear(adapter: DecoderAdapter, kind: DictionaryKind, reading: Reading) -> LinearDictionary:
    """A dictionary on the second layer with whatever a reading asks for."""
    generator = torch.Generator().manual_seed(7)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64) * 0.4

    d, n = adapter.shape.d_model, 12
    reads = Place.MLP_OUT if kind is DictionaryKind.SAE else Place.MLP_UNIT
    site = Site(reads=reads, writes=Place.MLP_OUT, layer=1)
    gated = reading.activation is Activation.GATED
    return LinearDictionary(
        DictionaryDocument(kind=kind, site=site, width=n, reading=reading, sha256="0" * 64),
        random(n, d),
        {1: random(n, d)},
        random(d),
        None if gated else random(n),
        random(n).abs() / 4 if reading.activation is Activation.JUMPRELU else None,
        Gate(random(n) + 0.3, random(n).exp(), random(n)) if gated else None,
        scale=random(n).exp() if reading.by_decoder_norm else None,
    )


READINGS = [
    Reading(activation=Activation.JUMPRELU),
    Reading(activation=Activation.JUMPRELU, rectified=False, subtracts_bias=True),
    Reading(activation=Activation.GATED, subtracts_bias=True),
    Reading(activation=Activation.RELU, normalisation=Normalisation.LAYER_NORM),
    Reading(activation=Activation.RELU, normalisation=Normalisation.CONSTANT_NORM),
    Reading(activation=Activation.TOPK, k=4, by_decoder_norm=True),
    Reading(activation=Activation.GROUPMAX, k=3),
]


@pytest.mark.parametrize("kind", [DictionaryKind.SAE, DictionaryKind.TRANSCODER])
@pytest.mark.parametrize("reading", READINGS, ids=lambda each: each.activation.value)
def test_rows_of_every_reading(kind: DictionaryKind, reading: Reading) -> None:
    adapter = tiny("llama-biased", torch.float64)
    compare(adapter, [linear(adapter, kind, reading)])


@pytest.mark.parametrize("family", ["gpt2", "gemma2"])
@pytest.mark.parametrize("most", [20_000, 9])
def test_a_cross_layer_transcoder_writes_to_later_layers(family: str, most: int) -> None:
    adapter = tiny(family, torch.float64, layers=3)
    found: list[Dictionary] = []
    for layer in range(3):
        site = Site(reads=Place.RESID_MID, writes=past(adapter), layer=layer, last_written=2)
        parts = [
            made(adapter, Site(reads=Place.RESID_MID, writes=past(adapter), layer=at), seed=at + 9)
            for at in range(layer, 3)
        ]
        document = parts[0].document.model_copy(
            update={"kind": DictionaryKind.CROSS_LAYER, "site": site}
        )
        decoders = {layer + i: each.decoders[layer + i] for i, each in enumerate(parts)}
        found.append(
            LinearDictionary(
                document, parts[0].encoder, decoders, parts[0].decoder_bias, parts[0].encoder_bias
            )
        )
    compare(adapter, found, most=most)


WITH_HEADS = [family for family in sorted(FAMILIES) if family != "smeared"]


@pytest.mark.parametrize("family", WITH_HEADS)
def test_rows_of_heads_by_query_key_and_value(family: str) -> None:
    adapter = tiny(family, torch.float64)
    found = compare(adapter, basis(adapter), heads=True)
    assert set(found.weights) == {Channel.R, Channel.Q, Channel.K, Channel.V}
    assert float(found.weights[Channel.Q].abs().max()) > 1e-3


@pytest.mark.parametrize("family", ["gpt2", "gemma3", "neox-parallel"])
def test_heads_that_are_no_nodes_stand_in_the_rest(family: str) -> None:
    adapter = tiny(family, torch.float64)
    found = compare(adapter, basis(adapter), heads=True, most=30)
    assert any(name.startswith("a1.rest") for name in found.names)
    assert any(name.startswith("a1.h") for name in found.names)


def test_heads_whose_keys_are_not_their_own_are_refused() -> None:
    adapter = tiny("smeared", torch.float64)
    with pytest.raises(ModelError, match="trace without heads"):
        trace(adapter, TOKENS, basis(adapter), Trace(heads=True))
