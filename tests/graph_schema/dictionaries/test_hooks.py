"""Hook names of other tools are places, the same under every name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph_schema.dictionaries import place_of, site_of
from graph_schema.documents import Place, Site
from graph_schema.errors import DictionaryError

SAME = [
    (Place.MLP_OUT, ["blocks.3.mlp.hook_out", "layers.3.mlp", "model.layers.3.mlp.output"]),
    (
        Place.MLP_OUT,
        ["transformer.h.3.mlp", "gpt_neox.layers.3.mlp", "mlp_layer3", "mlp_out_layer_3"],
    ),
    (
        Place.MLP_ADDED,
        ["blocks.3.hook_mlp_out", "model.layers.3.post_feedforward_layernorm.output"],
    ),
    (Place.MLP_IN, ["blocks.3.mlp.hook_in", "model.layers.3.mlp.input", "h.3.ln_2.output"]),
    (Place.MLP_IN, ["model.layers.3.pre_feedforward_layernorm.output"]),
    (Place.MLP_UNIT, ["blocks.3.ln2.hook_normalized"]),
    (Place.RESID_MID, ["blocks.3.hook_resid_mid", "blocks.3.hook_mlp_in"]),
    (Place.RESID_POST, ["blocks.3.hook_resid_post", "model.layers.3", "resid_post_layer_3"]),
    (Place.RESID_PRE, ["blocks.3.hook_resid_pre", "model.layers.3.input"]),
    (Place.ATTN_Z, ["blocks.3.attn.hook_z", "model.layers.3.self_attn.o_proj.input"]),
    (
        Place.ATTN_Z,
        ["gpt_neox.layers.3.attention.dense.input", "transformer.h.3.attn.c_proj.input"],
    ),
    (Place.ATTN_OUT, ["model.layers.3.self_attn", "attn_layer3", "gpt_neox.layers.3.attention"]),
    (Place.ATTN_ADDED, ["blocks.3.hook_attn_out"]),
    (Place.NEURONS, ["blocks.3.mlp.hook_post", "model.layers.3.mlp.down_proj.input"]),
]


@pytest.mark.parametrize(("place", "hook"), [(p, hook) for p, hooks in SAME for hook in hooks])
def test_names_of_one_place(place: Place, hook: str) -> None:
    assert place_of(hook) == (3, place)


@pytest.mark.parametrize(
    "hook",
    [
        "",
        "hook_embed",
        "mlp_layer",
        "blocks.3.hook_mlp_outt",
        "blocks.03.hook_mlp_out",
        "blocks.hook_mlp_out",
        "blocks.3.attn.hook_pattern",
        "blocks.9999999999.hook_mlp_out",
        "model.layers.3.self_attn.input",
        "model.layers.3.input_layernorm.output",
    ],
)
def test_other_names_are_refused(hook: str) -> None:
    with pytest.raises(DictionaryError, match="none that a dictionary is read at"):
        place_of(hook)


@given(st.text(max_size=200))
def test_any_text_is_a_place_or_refused(text: str) -> None:
    try:
        layer, place = place_of(text)
    except DictionaryError:
        return
    assert layer >= 0
    assert isinstance(place, Place)


def test_a_site_says_whose_write_it_splits() -> None:
    assert site_of("blocks.3.hook_mlp_out").component == "m3"
    assert site_of("blocks.3.hook_attn_out").component == "a3"
    assert site_of("blocks.3.attn.hook_z").component == "a3"
    assert site_of("blocks.3.attn.hook_z", head=2).component == "a3.h2"
    assert site_of("blocks.3.hook_resid_post").component is None
    transcoder = site_of("blocks.3.mlp.hook_in", "blocks.3.hook_mlp_out")
    assert (transcoder.component, transcoder.written) == ("m3", (3,))
    assert site_of("blocks.3.hook_resid_mid", "blocks.3.hook_mlp_out", last=5).written == (3, 4, 5)


def test_sites_that_are_none_are_refused() -> None:
    with pytest.raises(DictionaryError, match="one layer"):
        site_of("blocks.3.mlp.hook_in", "blocks.4.hook_mlp_out")
    with pytest.raises(DictionaryError, match="no head's own"):
        site_of("blocks.3.hook_mlp_out", head=1)
    with pytest.raises(DictionaryError, match="hook_head_index"):
        site_of("blocks.3.attn.hook_result")
    with pytest.raises(ValueError, match="has a layer"):
        Site(reads=Place.MLP_OUT, writes=Place.MLP_OUT)
    with pytest.raises(ValueError, match="later ones"):
        Site(reads=Place.MLP_IN, writes=Place.MLP_OUT, layer=3, last_written=2)
