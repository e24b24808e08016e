"""Hook names of other tools as places: TransformerLens, transformers' modules, published folders.

TransformerLens' `hook_mlp_out` and `hook_attn_out` are what is added to the stream, past a norm
after the sublayer where there is one; a module's output in transformers is what stands before it.
`ln2.hook_normalized` is the normed input before the norm's scale and bias, with folded norms and
without.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

from graph_schema.documents.component import DIGITS
from graph_schema.documents.dictionary import Place, Site
from graph_schema.errors import DictionaryError
from graph_schema.printable import quoted

_LAYER = f"(0|[1-9][0-9]{{0,{DIGITS - 1}}})"
_LENS = {
    "hook_resid_pre": Place.RESID_PRE,
    "hook_resid_mid": Place.RESID_MID,
    "hook_resid_post": Place.RESID_POST,
    "hook_mlp_in": Place.RESID_MID,
    "ln2.hook_normalized": Place.MLP_UNIT,
    "ln2.hook_out": Place.MLP_IN,
    "mlp.hook_in": Place.MLP_IN,
    "mlp.hook_post": Place.NEURONS,
    "mlp.hook_out": Place.MLP_OUT,
    "hook_mlp_out": Place.MLP_ADDED,
    "attn.hook_z": Place.ATTN_Z,
    "attn.hook_result": Place.HEAD_OUT,
    "hook_attn_out": Place.ATTN_ADDED,
}
_ATTENTION = ("self_attn", "attn", "attention")
# By a block's module: the place of its input, and of its output.
_MODULES: dict[str, tuple[Place | None, Place | None]] = {
    "": (Place.RESID_PRE, Place.RESID_POST),
    "mlp": (Place.MLP_IN, Place.MLP_OUT),
    "mlp.down_proj": (Place.NEURONS, Place.MLP_OUT),
    "mlp.c_proj": (Place.NEURONS, Place.MLP_OUT),
    "mlp.dense_4h_to_h": (Place.NEURONS, Place.MLP_OUT),
    "ln_2": (Place.RESID_MID, Place.MLP_IN),
    "pre_feedforward_layernorm": (Place.RESID_MID, Place.MLP_IN),
    "post_feedforward_layernorm": (Place.MLP_OUT, Place.MLP_ADDED),
    **dict.fromkeys(_ATTENTION, (None, Place.ATTN_OUT)),
    **{
        f"{name}.{projection}": (Place.ATTN_Z, Place.ATTN_OUT)
        for name in _ATTENTION
        for projection in ("o_proj", "c_proj", "dense")
    },
}
_NAMED = {
    "resid_pre": Place.RESID_PRE,
    "resid_mid": Place.RESID_MID,
    "resid_post": Place.RESID_POST,
    "resid": Place.RESID_POST,
    "mlp_out": Place.MLP_OUT,
    "mlp": Place.MLP_OUT,
    "attn_out": Place.ATTN_OUT,
    "attn": Place.ATTN_OUT,
    "attention": Place.ATTN_OUT,
}
_LENS_HOOK = re.compile(rf"blocks\.{_LAYER}\.(?P<hook>[a-z_0-9.]+)")
_MODULE_HOOK = re.compile(
    rf"(?:[A-Za-z_]+\.)*(?:layers|h)\.{_LAYER}(?P<module>(?:\.[A-Za-z_0-9]+)*?)(?P<side>\.(?:input|output))?"
)
_NAMED_HOOK = re.compile(rf"(?P<hook>[a-z_]+?)_layer_?{_LAYER}")


def place_of(hook: str) -> tuple[int, Place]:
    """The layer and place that a hook's name says.

    Raises:
        DictionaryError: It is no hook that a dictionary is read at; the near ones are named.
    """
    if found := _LENS_HOOK.fullmatch(hook):
        if place := _LENS.get(found["hook"]):
            return int(found[1]), place
    elif found := _MODULE_HOOK.fullmatch(hook):
        into, out = _MODULES.get(found["module"].removeprefix("."), (None, None))
        if place := into if found["side"] == ".input" else out:
            return int(found[1]), place
    elif (found := _NAMED_HOOK.fullmatch(hook)) and (place := _NAMED.get(found["hook"])):
        return int(found[2]), place
    raise DictionaryError(
        f"hook {quoted(hook)} is none that a dictionary is read at{_near(hook)}; expected such as "
        "blocks.3.hook_mlp_out, blocks.3.attn.hook_z or model.layers.3.mlp.output"
    )


def site_of(
    read: str, written: str | None = None, head: int | None = None, last: int | None = None
) -> Site:
    """The site of a dictionary between two hooks (None: it reconstructs what it reads).

    `last` is the last layer that a cross-layer transcoder writes to.

    Raises:
        DictionaryError: A hook is none, the two are of two layers, or the place is no head's.
    """
    layer, reads = place_of(read)
    layer_out, writes = place_of(written) if written is not None else (layer, reads)
    if layer_out != layer:
        raise DictionaryError(
            f"a dictionary reads {quoted(read)} and writes {quoted(written)}: expected hooks of "
            "one layer; a cross-layer transcoder says its layers by its files"
        )
    if (head is not None) and writes not in (Place.ATTN_Z, Place.HEAD_OUT):
        raise DictionaryError(
            f"hook {quoted(read)} with head {head} is no head's own; expected attn.hook_z"
        )
    if writes is Place.HEAD_OUT and head is None:
        raise DictionaryError(
            f"hook {quoted(read)} is what single heads write; expected a hook_head_index beside it"
        )
    return Site(reads=reads, writes=writes, layer=layer, head=head, last_written=last)


def _near(hook: str) -> str:
    known = [f"blocks.N.{name}" for name in _LENS]
    known += [
        f"layers.N{'.' if module else ''}{module}.{side}"
        for module, sides in _MODULES.items()
        for side, place in zip(("input", "output"), sides, strict=True)
        if place
    ]
    asked = re.sub(r"\d+", "N", hook[:200])
    near = get_close_matches(asked, known, n=3, cutoff=0.5)
    return f"; near it are {', '.join(near)}" if near else ""
