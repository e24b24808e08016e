"""What an effects job is asked: the super-edges that a motif of roles comes to."""

from __future__ import annotations

from typing import Any

import pytest

from graph_schema.documents import Channel, InductionTask, ModelId, RoleName, TaskData
from graph_schema.documents.jobs import EffectsSpec
from graph_schema.motifs import find_motif, parse_motif

DUPLICATE, INDUCTION = RoleName.DUPLICATE_TOKEN, RoleName.INDUCTION


def _spec(motif: str) -> EffectsSpec:
    found = parse_motif(motif) if "\n" in motif else find_motif(motif)
    fields: dict[str, Any] = {
        "model": ModelId(fingerprint="0" * 64),
        "data": TaskData(task=InductionTask()),
        "motif": found,
        "roles_job": "1" * 64,
    }
    return EffectsSpec.model_validate(fields)


def _written(nodes: str, edges: str) -> str:
    return f"name: made\nnodes:\n{nodes}edges:\n{edges}"


def test_induction_asks_for_a_key_and_an_output() -> None:
    spec = _spec("induction")
    assert spec.places == (RoleName.PREVIOUS_TOKEN, INDUCTION, "logits")
    assert [edge.name for edge in spec.asked] == [
        "previous_token -k-> induction",
        "induction -> logits",
    ]


def test_any_channel_is_each_of_them_and_any_role_each_of_those() -> None:
    nodes = (
        "  start: {kind: input}\n  first: {role: [previous_token, duplicate_token]}\n"
        "  last: {role: induction}\n"
    )
    asked = _spec(_written(nodes, "  - start -v-> first -q|k-> last\n")).asked
    assert [edge.name for edge in asked] == [
        "input -v-> duplicate_token",
        "input -v-> previous_token",
        "duplicate_token -q-> induction",
        "duplicate_token -k-> induction",
        "previous_token -q-> induction",
        "previous_token -k-> induction",
    ]
    nodes = "  first: {role: duplicate_token}\n  last: {role: induction}\n"
    asked = _spec(_written(nodes, "  - first -> last\n")).asked
    assert [edge.channel for edge in asked] == [Channel.Q, Channel.K, Channel.V]


@pytest.mark.parametrize(
    ("nodes", "edges", "message"),
    [
        ("  a: {kind: head}\n  b: {role: induction}\n", "  - a -k-> b\n", "node 'a' .* is no role"),
        ("  a: {}\n  b: {role: induction}\n", "  - a -k-> b\n", "node 'a' .* is no role"),
        ("  a: {kind: head}\n  b: {kind: logits}\n", "  - a -> b\n", "names no role"),
    ],
)
def test_a_motif_of_other_things_than_roles_is_refused(
    nodes: str, edges: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        _spec(_written(nodes, edges))
