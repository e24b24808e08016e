"""What identifies a dictionary, pinned: a stored circuit names it by this."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from graph_schema.documents import (
    Activation,
    DictionaryDocument,
    DictionaryKind,
    Place,
    Reading,
    Site,
)


def _document(**more: object) -> DictionaryDocument:
    given: dict[str, object] = {
        "kind": DictionaryKind.SAE,
        "site": Site(reads=Place.MLP_OUT, writes=Place.MLP_OUT, layer=3),
        "width": 16384,
        "reading": Reading(activation=Activation.JUMPRELU),
        "sha256": "0" * 64,
    }
    return DictionaryDocument.model_validate(given | more)


def test_ids_are_pinned() -> None:
    assert _document().dictionary_id == PINNED
    assert _document(release="google/gemma-scope-2-270m-pt").dictionary_id == PINNED


@pytest.mark.parametrize(
    "more",
    [
        {"width": 16385},
        {"sha256": "1" * 64},
        {"kind": DictionaryKind.TRANSCODER},
        {"site": Site(reads=Place.MLP_OUT, writes=Place.MLP_OUT, layer=4)},
        {"reading": Reading(activation=Activation.RELU)},
        {"skip": True},
    ],
)
def test_what_computes_something_else_is_another(more: dict[str, object]) -> None:
    assert _document(**more).dictionary_id != _document().dictionary_id


def test_how_many_compete_is_said_of_those_that_do() -> None:
    assert Reading(activation=Activation.TOPK, k=4).competes
    assert not Reading(activation=Activation.JUMPRELU).competes
    for given in ({"activation": "topk"}, {"activation": "relu", "k": 3}):
        with pytest.raises(ValidationError, match="expected k for topk alone"):
            Reading.model_validate(given)


def test_a_document_survives_json() -> None:
    one = _document(release="org/name")
    assert DictionaryDocument.model_validate_json(one.canonical_json()) == one


PINNED = "55126ab86595188ff8c3a7710010465edf473482e7ded127aa3c359e0574bbf6"
