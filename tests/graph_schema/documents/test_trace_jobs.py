"""What a trace job may be asked, and its one id."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from graph_schema.documents import Trace
from graph_schema.documents.dictionary import (
    Activation,
    DictionaryDocument,
    DictionaryKind,
    Place,
    Reading,
    Site,
)
from graph_schema.documents.jobs import TraceSpec, read_spec


def spec(**changed: Any) -> TraceSpec:
    return TraceSpec.model_validate({"model": {"fingerprint": "0" * 40}, "prompt": "a"} | changed)


def dictionary(reads: Place, writes: Place, last: int | None = None) -> DictionaryDocument:
    same = reads is writes
    kind = DictionaryKind.SAE if same else DictionaryKind.TRANSCODER
    return DictionaryDocument(
        kind=kind if last is None else DictionaryKind.CROSS_LAYER,
        site=Site(reads=reads, writes=writes, layer=1, last_written=last),
        width=8,
        reading=Reading(activation=Activation.RELU),
        sha256="1" * 64,
    )


def test_a_spec_comes_back_as_it_was() -> None:
    for asked in (spec(), spec(prompt=(1, 2), targets=(5, " b"), method=Trace(heads=True))):
        again = read_spec(asked.model_dump_json())
        assert again == asked
        assert again.job_id == asked.job_id
    assert spec(targets=("5",)).job_id != spec(targets=(5,)).job_id


def test_dictionaries_of_mlps_are_taken_and_others_are_not() -> None:
    for good in (
        dictionary(Place.MLP_IN, Place.MLP_OUT),
        dictionary(Place.MLP_ADDED, Place.MLP_ADDED),
        dictionary(Place.RESID_MID, Place.MLP_OUT, last=3),
    ):
        assert spec(granularity="dictionary", dictionaries=(good,)).dictionaries == (good,)
    for bad in (Place.ATTN_OUT, Place.ATTN_Z, Place.RESID_POST):
        with pytest.raises(ValidationError, match="dictionaries of MLPs"):
            spec(granularity="dictionary", dictionaries=(dictionary(bad, bad),))


@pytest.mark.parametrize(
    "changed",
    [
        {"prompt": ""},
        {"prompt": ()},
        {"prompt": (-1,)},
        {"targets": (5, 5)},
        {"targets": ("",)},
        {"prompt": (1, 2), "add_bos": True},
        {"granularity": "dictionary"},
        {"granularity": "head"},
        {"exact_top": 0},
        {"method": {"node_threshold": 0}},
        {"method": {"edge_threshold": 1.5}},
        {"method": {"max_feature_nodes": 0}},
        {"seed": 1},
    ],
)
def test_what_makes_no_graph_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        spec(**changed)
