"""A circuit's units as a table."""

from __future__ import annotations

from graph_schema.documents import Features
from graph_schema.reports import feature_table
from tests.factories import make_circuit
from tests.feature_circuits import described, feature_circuit, traced_circuit


def test_units_stand_by_effect_with_what_they_are() -> None:
    features = Features(units=(described("m0.f17"), described("m1.n40", " John")))
    lines = feature_table(feature_circuit(), features).splitlines()
    assert lines[0].split("  ")[0] == "node"
    assert [line.split()[0] for line in lines[2:]] == ["m0.f17", "m1.n40", "a0.h1.f3"]
    for word in ("1.25", "0.25", "0.75", "names in a list", "Mary", "and« Mary» went"):
        assert word in lines[2].replace("1.250", "1.25").replace("0.2500", "0.25")
    assert "John" in lines[3]
    assert len(feature_table(feature_circuit(), features, 1).splitlines()) == 3
    assert max(map(len, lines)) <= 160


def test_what_is_not_known_has_no_column() -> None:
    lines = feature_table(feature_circuit(), Features(units=())).splitlines()
    assert lines[0].split() == ["node", "effect", "is"]


def test_nodes_at_positions_have_a_line_each() -> None:
    features = Features(units=(described("m0.f17"),))
    lines = feature_table(traced_circuit(), features).splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["m0.f17@1", "m0.f17@2"]


def test_a_circuit_of_heads_has_none() -> None:
    assert len(feature_table(make_circuit(), Features(units=())).splitlines()) == 2


def test_what_steers_a_terminal_is_not_shown() -> None:
    features = Features(units=(described("m0.f17", "\x1b[31m"),))
    assert "\x1b" not in feature_table(feature_circuit(), features)
