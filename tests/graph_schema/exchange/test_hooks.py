from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph_schema.documents import Edge
from graph_schema.errors import SpecError
from graph_schema.exchange import hook_edge, read_hook_edge
from tests.graph_schema.exchange.made import LAYOUTS


@settings(deadline=None)
@given(LAYOUTS, st.data())
def test_hook_names_survive_a_round_trip(layout, data: st.DataObject) -> None:
    edge = data.draw(st.sampled_from(list(layout.edges())))
    assert read_hook_edge(hook_edge(edge, layout.n_layers), layout.n_layers) == edge


@pytest.mark.parametrize(
    ("ours", "hooks"),
    [
        (
            "a3.h5->a7.h2<q>",
            "blocks.3.attn.hook_result[:, :, 5]->blocks.7.hook_q_input[:, :, 2]",
        ),
        ("input->m0", "blocks.0.hook_resid_pre->blocks.0.hook_mlp_in"),
        ("embed->m0", "hook_embed->blocks.0.hook_mlp_in"),
        ("pos_embed->m0", "hook_pos_embed->blocks.0.hook_mlp_in"),
        ("m11->logits", "blocks.11.hook_mlp_out->blocks.11.hook_resid_post"),
    ],
)
def test_edges_have_the_names_of_their_hooks(ours: str, hooks: str) -> None:
    assert hook_edge(Edge.parse(ours), n_layers=12) == hooks


def test_the_spelling_of_the_acdc_code_is_read() -> None:
    text = "blocks.3.attn.hook_result[COL, COL, 5]->blocks.11.hook_resid_post[COL]"
    assert read_hook_edge(text, 12).name == "a3.h5->logits"
    text = "blocks.0.hook_resid_pre[COL]->blocks.0.hook_mlp_in[COL]"
    assert read_hook_edge(text, 12).name == "input->m0"


def test_what_earlier_versions_wrote_for_the_input_is_read() -> None:
    assert read_hook_edge("hook_embed->blocks.0.hook_mlp_in", 2).name == "input->m0"


def test_embeddings_apart_are_read_where_asked() -> None:
    text = "->blocks.0.hook_v_input[:, :, 0]"
    assert read_hook_edge("hook_embed" + text, 2, split_embed=True).sender == "embed"
    assert read_hook_edge("hook_pos_embed" + text, 2, split_embed=True).sender == "pos_embed"
    with pytest.raises(SpecError, match="no hook of a sender"):
        read_hook_edge("hook_pos_embed" + text, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hook_embed", "not of the form HOOK->HOOK"),
        ("hook_embed->blocks.0.hook_q_input", "no hook of a receiver"),
        ("blocks.0.attn.hook_z[:, :, 1]->blocks.1.hook_mlp_in", "no hook of a sender"),
        ("blocks.1.hook_resid_pre->blocks.1.hook_mlp_in", "no hook of a sender"),
        (f"blocks.{'9' * 9000}.hook_mlp_out->blocks.1.hook_mlp_in", r"^.{,300}$"),
        (f"hook_embed->blocks.{'9' * 9000}.hook_resid_post", r"^.{,300}$"),
        ("hook_embed->blocks.0.hook_resid_post", "of 2 layers only the last one's"),
    ],
)
def test_other_hooks_are_refused(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        read_hook_edge(text, 2)


def test_features_have_no_hook() -> None:
    with pytest.raises(SpecError, match=r"'m0\.f3' has no TransformerLens hook"):
        hook_edge(Edge.parse("m0.f3->m1"), 2)
