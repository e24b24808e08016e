"""Qwen Scope: `layer12.sae.pt`, top-k dictionaries of the residual stream.

W_enc [unit, in], W_dec [out, unit], b_enc, b_dec. How many units a position keeps, the repository's
name alone says: `SAE-Res-Qwen3-1.7B-Base-W32K-L0_50`.
"""

from __future__ import annotations

import re

from graph_schema.dictionaries.asked import Asked
from graph_schema.dictionaries.described import Described
from graph_schema.dictionaries.hooks import site_of
from graph_schema.documents.dictionary import Activation, DictionaryKind, Reading
from graph_schema.errors import DictionaryError
from graph_schema.printable import quoted

NAME = "qwen-scope"
_FILE = re.compile(r"layer(0|[1-9][0-9]{0,3})\.sae\.pt")


def claims(asked: Asked) -> bool:
    """Whether the file is named this way."""
    return asked.target.is_file() and _FILE.fullmatch(asked.target.name) is not None


def read(asked: Asked) -> list[Described]:
    """The dictionary in a file."""
    match = _FILE.fullmatch(asked.target.name)
    assert match is not None, "claimed"
    named = re.search(r"SAE-Res-([^/]+)-W[0-9]+K-L0_([0-9]{1,6})(?:/|$)", asked.words)
    if named is None:
        raise DictionaryError(
            f"dictionary {quoted(asked.words)} does not say how many units a position keeps; "
            "expected it in a folder named as its repository, such as "
            "SAE-Res-Qwen3-1.7B-Base-W32K-L0_50"
        )
    draft = asked.draft()
    draft.take(
        asked.target,
        asked.shapes(asked.target),
        {
            "W_enc": ("encoder", ("unit", "in")),
            "W_dec": ("decoder", ("out", "unit")),
            "b_enc": ("encoder_bias", ("unit",)),
            "b_dec": ("decoder_bias", ("out",)),
        },
    )
    return [
        asked.described(
            draft,
            format=NAME,
            kind=DictionaryKind.SAE,
            site=site_of(asked.hook or f"model.layers.{match[1]}.output", asked.hook_out),
            reading=Reading(activation=Activation.TOPK, k=int(named[2])),
            model_name=f"Qwen/{named[1]}",
        )
    ]
