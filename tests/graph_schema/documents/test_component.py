from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph_schema.documents import (
    Channel,
    Component,
    ComponentKind,
    Edge,
    error_name,
    feature_name,
    neuron_name,
    rest_name,
)
from graph_schema.errors import SpecError

LAYER = st.integers(0, 99)
QKV = st.sampled_from("qkv")
SENDERS = st.one_of(
    st.sampled_from(["input", "embed", "pos_embed"]),
    st.builds("a{}.h{}".format, LAYER, LAYER),
    st.builds("m{}".format, LAYER),
    st.builds("m{}.n{}".format, LAYER, LAYER),
    st.builds("a{}.h{}.f{}".format, LAYER, LAYER, LAYER),
    st.builds("m{}.error".format, LAYER),
    st.builds("m{}.rest".format, LAYER),
    st.builds("a{}.h{}.rest".format, LAYER, LAYER),
    st.builds("{}.f{}".format, st.sampled_from(["input", "embed", "pos_embed"]), LAYER),
)
RECEIVERS = st.one_of(
    st.just("logits"),
    st.builds("m{}".format, LAYER),
    st.builds("a{}.h{}<{}>".format, LAYER, LAYER, st.sampled_from("qkv")),
    st.builds("a{}.h{}.f{}<{}>".format, LAYER, LAYER, LAYER, st.sampled_from("qkv")),
    st.builds("a{}.h{}.{}<{}>".format, LAYER, LAYER, st.sampled_from(["error", "rest"]), QKV),
    st.builds("m{}.{}".format, LAYER, st.sampled_from(["error", "rest"])),
)


@given(SENDERS, RECEIVERS)
def test_edge_names_survive_a_round_trip(sender: str, receiver: str) -> None:
    name = f"{sender}->{receiver}"
    assert Edge.parse(name).name == name


def test_dotted_channel_is_read_and_written_in_our_spelling() -> None:
    assert Edge.parse("embed->a0.h0.q").name == "embed->a0.h0<q>"


def test_a_head_named_without_channel_is_refused() -> None:
    with pytest.raises(SpecError, match=r"a7\.h2<q>"):
        Edge.parse("a3.h5->a7.h2")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "m",
        "a3",
        "a3.h",
        "x3",
        "m3.q4",
        "a1.h0.f",
        "m-1",
        "logits ",
        "m3.rest1",
        "logits.f1",
        "m3.f1.error",
        "embed.n3",
        "m3.f01",
    ],
)
def test_unknown_component_names_are_refused_by_name(name: str) -> None:
    with pytest.raises(SpecError, match="component"):
        Component.parse(name)


def test_an_index_that_no_model_has_is_refused() -> None:
    with pytest.raises(SpecError, match="more than 9 digits"):
        Component.parse("a0.h0.n99999999999999999999")
    with pytest.raises(SpecError, match="not a name we know"):
        Component.parse("x99999999999999999999")


@pytest.mark.parametrize("name", ["m1->m2<q>", "m1-m2", "->m2", "m1->", "input->logits<k>"])
def test_malformed_edges_are_refused(name: str) -> None:
    with pytest.raises(SpecError):
        Edge.parse(name)


def test_order_follows_the_forward_pass() -> None:
    names = ["input", "a0.h1", "m0", "a1.h0", "m1", "logits"]
    orders = [Component.parse(name).order(n_layers=2) for name in names]
    assert orders == sorted(orders)
    assert len(set(orders)) == len(orders)


def test_depth_runs_from_input_to_logits() -> None:
    assert Component.parse("input").depth(4) == 0.0
    assert Component.parse("m1").depth(4) == 0.375
    assert Component.parse("logits").depth(4) == 1.0


def test_features_know_their_kind() -> None:
    assert Component.parse("m3.n217").kind is ComponentKind.NEURON
    assert Component.parse("a1.h0.f12") == Component("a1.h0.f12", ComponentKind.FEATURE, 1, 0, 12)
    assert Edge.parse("m0.f1->a1.h0.f12<k>").channel is Channel.K


def test_what_is_left_of_a_component_knows_its_kind_and_whose_it_is() -> None:
    assert Component.parse("m3.rest") == Component("m3.rest", ComponentKind.REST, 3)
    assert Component.parse("a1.h0.error").host == "a1.h0"
    assert Component.parse("embed.f20").host == "embed"
    assert Component.parse("m3").host == "m3"
    assert all(Component.parse(name).fine for name in ("m3.rest", "m3.error", "a3.f7", "m3.n2"))
    assert not any(Component.parse(name).fine for name in ("m3", "a3.h5", "input", "logits"))


def test_parts_of_a_component_sort_behind_it_by_number() -> None:
    names = ["input", "embed.f2", "a0.f1", "a0.h1", "a0.h1.f2", "a0.h1.f10", "a0.h1.error", "a0.h2"]
    names += ["m0", "m0.n2", "m0.n10", "m0.f3", "m0.error", "m0.rest", "a1.h0", "logits"]
    parts = [Component.parse(name) for name in reversed(names)]
    found = [part.name for part in sorted(parts, key=lambda part: part.place(2))]
    assert sorted(found[:2]) == ["embed.f2", "input"]
    assert found[2:] == names[2:]


def test_names_are_made_as_they_are_read() -> None:
    names = (
        neuron_name("m3", 217),
        feature_name("a1.h0", 12),
        error_name("m3"),
        rest_name("a1.h0"),
    )
    assert names == ("m3.n217", "a1.h0.f12", "m3.error", "a1.h0.rest")
    assert [Component.parse(name).name for name in names] == list(names)
