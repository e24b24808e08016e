"""Circuits of features for tests: a dictionary on an MLP and one on a head, neurons, positions."""

from __future__ import annotations

from typing import Any

from graph_schema.documents import (
    Activation,
    CircuitDocument,
    DetectionScore,
    DictionaryCheck,
    DictionaryDocument,
    DictionaryKind,
    FeatureDescription,
    FeatureExample,
    NodeFigures,
    Place,
    Reading,
    Site,
    TokenWeight,
    TracedPrompt,
    sha256_hex,
)
from tests.factories import make_circuit, make_edges


def dictionary(name: str = "one", site: Site | None = None) -> DictionaryDocument:
    """An SAE of 64 units, on `m0` unless said otherwise; its tensors' hash is its name's."""
    return DictionaryDocument(
        kind=DictionaryKind.SAE,
        site=site or Site(reads=Place.MLP_OUT, writes=Place.MLP_OUT, layer=0),
        width=64,
        reading=Reading(activation=Activation.RELU),
        sha256=sha256_hex(name),
        release="made/saes",
    )


ON_HEAD = Site(reads=Place.HEAD_OUT, writes=Place.HEAD_OUT, layer=0, head=1)


def feature_circuit(job: str = "features", on_mlp: str = "one") -> CircuitDocument:
    """Features of an MLP and of a head, errors and rest, a neuron, a head and the logits."""
    mlp, head = dictionary(on_mlp), dictionary("head", ON_HEAD)
    edges = make_edges(
        [
            ("input", "a0.h1.f3", "v", 0.5),
            ("a0.h1.f3", "m0.f17", "r", 0.75),
            ("a0.h1.error", "m0.f17", "r", -0.125),
            ("m0.f17", "a1.h2", "k", 1.5),
            ("m0.rest", "a1.h2", "k", -0.25),
            ("m0.error", "a1.h2", "k", 0.25),
            ("a1.h2", "m1.n40", "r", 0.5),
            ("m1.n40", "logits", "r", 2.0),
            ("a1.h2", "logits", "r", 1.0),
        ]
    )
    circuit = make_circuit(edges=edges, job=job)
    check = DictionaryCheck(
        dictionary_id=mlp.dictionary_id,
        n_tokens=512,
        explained_variance=0.4,
        l0=12.0,
        dead_share=0.25,
        warning="explains .40 of the variance",
    )
    nodes = (
        NodeFigures(name="m0.f17", effect=1.25, activation=3.5, label="names in a list"),
        NodeFigures(name="m1.n40", effect=0.5, activation=1.0),
    )
    return circuit.model_copy(
        update={
            "granularity": "dictionary",
            "dictionaries": (mlp, head),
            "dictionary_checks": (check,),
            "nodes": nodes,
        }
    )


def traced_circuit() -> CircuitDocument:
    """One node a position: a feature at two positions, one token's logit."""
    edges = make_edges(
        [
            ("input@1", "m0.f17@1", "r", 0.5),
            ("input@2", "m0.f17@2", "r", 0.25),
            ("m0.f17@1", "a1.h2@2", "k", 1.0),
            ("m0.f17@2", "logits.t42@2", "r", 0.75),
            ("a1.h2@2", "logits.t42@2", "r", 0.5),
        ]
    )
    nodes = (
        NodeFigures(name="input@1", token=5, label="the"),
        NodeFigures(name="m0.f17@1", effect=0.5, activation=2.0),
        NodeFigures(name="m0.f17@2", effect=0.25, activation=1.0),
        NodeFigures(name="logits.t42@2", token=42, probability=0.75, label="cat"),
    )
    return make_circuit(edges=edges, job="trace").model_copy(
        update={
            "granularity": "dictionary",
            "dictionaries": (dictionary(),),
            "nodes": nodes,
            "prompt": TracedPrompt(text="a the cat", tokens=("a", " the", " cat")),
        }
    )


def described(
    name: str, word: str = " Mary", data: str = "one", **changes: Any
) -> FeatureDescription:
    """A unit that fires on one word in one of two prompts."""
    fields: dict[str, Any] = {
        "name": name,
        "dataset_sha256": sha256_hex(data),
        "n_prompts": 2,
        "n_tokens": 8,
        "density": 0.25,
        "max_activation": 2.5,
        "examples": (
            FeatureExample(
                tokens=("x" * 100, " and", word, " went"), activations=(0, 0, 2.5, 0.1), position=2
            ),
        ),
        "promotes": (TokenWeight(token=7, text=word, weight=1.5),),
        "suppresses": (TokenWeight(token=8, text=" it", weight=-1.0),),
        "detection": (
            DetectionScore(rule="tokens", value=0.75, n_active=4, n_inactive=4),
            DetectionScore(rule="activation", value=None, n_active=4, n_inactive=0, reason="few"),
        ),
    }
    return FeatureDescription(**{**fields, **changes})
