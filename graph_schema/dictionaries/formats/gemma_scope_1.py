"""Gemma Scope 1: `layer_12/width_16k/average_l0_71/params.npz`.

JumpReLU; W_enc [in, unit], W_dec [unit, out], in some files as w_enc, w_dec. Nothing beside the
file says what it is of: the repository's name does (`gemma-scope-2b-pt-mlp`, `-att`,
`-transcoders`), and a copy elsewhere needs its hook. Transcoders read the normed input before the
norm's scale.
"""

from __future__ import annotations

import re

from graph_schema.dictionaries.asked import Asked, layer_in
from graph_schema.dictionaries.described import Described
from graph_schema.dictionaries.hooks import site_of
from graph_schema.documents.dictionary import Activation, DictionaryKind, Reading
from graph_schema.errors import DictionaryError
from graph_schema.printable import quoted

NAME = "gemma-scope-1"
_OF = {
    "transcoders": ("ln2.hook_normalized", "hook_mlp_out"),
    "mlp": ("hook_mlp_out", None),
    "att": ("attn.hook_z", None),
    "res": ("hook_resid_post", None),
}


def claims(asked: Asked) -> bool:
    """Whether the files are laid out this way."""
    return asked.file("params.npz") is not None


def read(asked: Asked) -> list[Described]:
    """The dictionary in a folder."""
    file = asked.file("params.npz")
    assert file is not None, "claimed"
    hook, written = _hooks(asked)
    shapes, draft = asked.shapes(file), asked.draft()
    spelt = {f"W_{name[2:]}" if name.startswith("w_") else name: name for name in shapes}
    names = {
        "W_enc": ("encoder", ("in", "unit")),
        "W_dec": ("decoder", ("unit", "out")),
        "b_enc": ("encoder_bias", ("unit",)),
        "b_dec": ("decoder_bias", ("out",)),
        "threshold": ("threshold", ("unit",)),
        "scaling_factor": ("scale", ("unit",)),
    }
    draft.take(
        file,
        shapes,
        {spelt.get(name, name): role for name, role in names.items()},
        optional=["scaling_factor"],
    )
    return [
        asked.described(
            draft,
            format=NAME,
            kind=DictionaryKind.SAE if written is None else DictionaryKind.TRANSCODER,
            site=site_of(hook, written),
            reading=Reading(activation=Activation.JUMPRELU),
        )
    ]


def _hooks(asked: Asked) -> tuple[str, str | None]:
    if asked.hook is not None:
        return asked.hook, asked.hook_out
    layer = layer_in(asked.words)
    found = re.search(r"gemma-scope-[^/]*?-(transcoders|mlp|att|res)(?:-|/|$)", asked.words)
    if found is None or layer is None:
        raise DictionaryError(
            f"dictionary {quoted(asked.words)} does not say where it sits: expected a folder "
            "layer_N in a repository such as google/gemma-scope-2b-pt-mlp; give its hook, such as "
            "blocks.12.hook_mlp_out"
        )
    read_hook, written = _OF[found[1]]
    out = None if written is None else f"blocks.{layer}.{written}"
    return f"blocks.{layer}.{read_hook}", out
