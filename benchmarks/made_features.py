"""A circuit of features as large as those of hub models, made up, and what its units are."""

from __future__ import annotations

import random
from collections.abc import Iterator

from graph_schema.documents import (
    Activation,
    Channel,
    CircuitDocument,
    CircuitEdge,
    Component,
    DetectionScore,
    DictionaryDocument,
    DictionaryKind,
    FeatureDescription,
    FeatureExample,
    NodeFigures,
    Place,
    Reading,
    ScoreKind,
    Site,
    TokenWeight,
    error_name,
    feature_name,
    head_name,
    mlp_name,
    neuron_name,
    rest_name,
    sha256_hex,
)
from tests.factories import make_circuit, make_model

LAYERS, HEADS, NODES, EDGES = 24, 8, 3_600, 20_000
MODEL = make_model("made/features", n_layers=LAYERS, n_heads=HEADS, d_mlp=10**8, n_edges=10**9)
WORDS = ("Mary", "a name in a list", "the second clause", "months", "plural", "code")


def feature_circuit(number: int, nodes: int = NODES, edges: int = EDGES) -> CircuitDocument:
    """A circuit of every kind of node, each joined to the input and the logits.

    Each layer has its heads and an MLP: in every other one split by a dictionary, with its error
    and the rest, else in neurons and the rest. No two of these circuits share a feature or a
    neuron; each of these has figures, and one in three a label.
    """
    rng = random.Random(number)
    layers = [_layer(layer, nodes // LAYERS, number * NODES) for layer in range(LAYERS)]
    every = [name for layer in layers for name in layer]
    ends = dict.fromkeys(pair for name in every for pair in (("input", name), (name, "logits")))
    while len(ends) < edges:
        low, high = sorted(rng.sample(range(LAYERS), 2))
        ends[rng.choice(layers[low]), rng.choice(layers[high])] = None
    made = tuple(
        CircuitEdge(
            sender=sender,
            receiver=receiver,
            channel=rng.choice((Channel.Q, Channel.K, Channel.V))
            if receiver.startswith("a")
            else Channel.R,
            score=rng.gauss(0, 1),
            score_kind=ScoreKind.ESTIMATE,
        )
        for sender, receiver in ends
    )
    figures = tuple(
        NodeFigures(
            name=name,
            effect=rng.gauss(0, 1),
            activation=rng.random(),
            label=f"{WORDS[at % len(WORDS)]} {at}" if at % 3 == 0 else None,
        )
        for at, name in enumerate(every)
        if Component.parse(name).index is not None
    )
    circuit = make_circuit(made, model=MODEL, job=f"features {number}")
    return circuit.model_copy(
        update={
            "granularity": "dictionary",
            "dictionaries": tuple(map(_dictionary, range(0, LAYERS, 2))),
            "nodes": figures,
        }
    )


def descriptions(circuit: CircuitDocument) -> Iterator[FeatureDescription]:
    """What each of its units is, at the size of a job's."""
    for at, name in enumerate(circuit.unit_names):
        rng = random.Random(name)
        tokens = tuple(f" {rng.choice(WORDS)}{rng.randrange(100)}" for _ in range(16))
        example = FeatureExample(
            tokens=tokens, activations=tuple(rng.random() for _ in tokens), position=at % 16
        )
        weights = tuple(TokenWeight(token=i, text=tokens[i], weight=1 / (i + 1)) for i in range(10))
        yield FeatureDescription(
            name=name,
            dataset_sha256=circuit.dataset_sha256,
            n_prompts=256,
            n_tokens=4_096,
            density=rng.random(),
            max_activation=rng.random(),
            examples=(example,) * 5,
            promotes=weights,
            suppresses=weights,
            detection=(DetectionScore(rule="tokens", value=0.75, n_active=9, n_inactive=9),),
        )


def _layer(layer: int, width: int, first: int) -> list[str]:
    """The names of a layer's nodes: its heads, its MLP's rest, the error of a dictionary, units."""
    heads = [head_name(layer, head) for head in range(HEADS)]
    mlp = mlp_name(layer)
    split = layer % 2 == 0
    whole = [*heads, rest_name(mlp), *([error_name(mlp)] if split else [])]
    unit = feature_name if split else neuron_name
    return [*whole, *(unit(mlp, first + at) for at in range(width - len(whole)))]


def _dictionary(layer: int) -> DictionaryDocument:
    return DictionaryDocument(
        kind=DictionaryKind.SAE,
        site=Site(reads=Place.MLP_OUT, writes=Place.MLP_OUT, layer=layer),
        width=10**8,
        reading=Reading(activation=Activation.RELU),
        sha256=sha256_hex(f"dictionary {layer}"),
        release="made/saes",
    )
