"""A compiled case's `config` and `vocab`: sizes, activation, causality, tokens."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from graph_schema.errors import ModelError
from graph_schema.models.compiled.names import CONFIG, no_slips, required
from graph_schema.printable import quoted

MOST = 2**40
"""Of any size: what a file may say before it is held to the weights."""
MOST_LAYERS = 10_000
Size = Annotated[int, Field(ge=1, le=MOST)]
SCALE = "1/sqrt(d_head)"


class Config(BaseModel):
    """A case's configuration; sizes that it leaves out are those of the weights.

    Keys beside these describe, and are not read.
    """

    model_config = ConfigDict(strict=True)

    n_layers: Annotated[int, Field(ge=1, le=MOST_LAYERS)]
    n_heads: Size | None = None
    d_model: Size | None = None
    d_head: Size | None = None
    d_mlp: Annotated[int, Field(ge=0, le=MOST)] | None = None
    d_vocab: Size | None = None
    d_out: Size | None = None
    n_ctx: Size | None = None
    act: str = "relu"
    causal: bool = False
    layer_norm: Literal[False] = False
    attn_scale: str = SCALE
    all_biases_zero: bool | None = None


def read_config(said: Any) -> dict[str, Any]:
    required(said, ("n_layers",), "config")
    no_slips(said, CONFIG, "config")
    try:
        config = Config.model_validate(said).model_dump(exclude_none=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise ModelError(f"config.{key} is {quoted(first['input'])}: {first['msg']}") from error
    if config["attn_scale"].replace(" ", "") != SCALE:
        raise ModelError(f"config.attn_scale is {quoted(said['attn_scale'])}; expected {SCALE!r}")
    return config


def read_vocabulary(said: Any) -> dict[str, int]:
    """Token → id, each id once."""
    if not isinstance(said, dict) or not said:
        raise ModelError(f"vocab is {quoted(said)}; expected an object, token → id")
    found = cast("dict[str, Any]", said)
    ids: dict[int, str] = {}
    for token, number in found.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise ModelError(f"vocab[{quoted(token)}] is {quoted(number)}; expected a token id")
        if number in ids:
            raise ModelError(f"vocab has id {number} twice: {quoted(ids[number])}, {quoted(token)}")
        ids[number] = token
    return found
