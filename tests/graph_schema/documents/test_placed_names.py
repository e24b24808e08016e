"""Names of nodes that have a position, and of one token's logit."""

import pytest

from graph_schema.documents import (
    Component,
    ComponentKind,
    Edge,
    NodeFigures,
    logit_name,
    placed_name,
)
from graph_schema.errors import SpecError


def test_a_position_stands_behind_the_unit() -> None:
    part = Component.parse("a1.h0.f12@7")
    assert (part.unit, part.host, part.position) == ("a1.h0.f12", "a1.h0", 7)
    assert (part.kind, part.index, part.head) == (ComponentKind.FEATURE, 12, 0)
    assert placed_name(part.unit, 7) == part.name
    assert placed_name("m3.f1", None) == "m3.f1"
    assert Edge.parse("m0.f5@2->a1.h1@4<q>").name == "m0.f5@2->a1.h1@4<q>"


def test_one_token_has_its_logit() -> None:
    part = Component.parse(f"{logit_name(42)}@9")
    assert (part.kind, part.index, part.host) == (ComponentKind.LOGITS, 42, "logits")
    assert part.order(12) == Component.parse("logits").order(12)


def test_features_that_others_number_by_long_numbers_have_names() -> None:
    assert Component.parse("m14.f148512345678901234").index == 148512345678901234
    with pytest.raises(SpecError, match="more than 9 digits"):
        Component.parse("m14.f" + "9" * 19)


@pytest.mark.parametrize("name", ["m3@", "m3@-1", "m3@01", "m3@1@2", "@1", "logits.t", "m3.f1@x"])
def test_what_is_no_position_is_refused(name: str) -> None:
    with pytest.raises(SpecError):
        Component.parse(name)
    with pytest.raises(ValueError, match="component"):
        NodeFigures(name=name)


def test_positions_sort_after_the_unit() -> None:
    names = ["m3.f1@2", "m3.f0@5", "m3", "m3.f0@1", "m3.error@0"]
    order = sorted(names, key=lambda name: Component.parse(name).place(12))
    assert order == ["m3", "m3.f0@1", "m3.f0@5", "m3.f1@2", "m3.error@0"]
