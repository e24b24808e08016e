"""Gemma Scope 2: `params.safetensors` with lower-case names, `config.json` beside it.

    {mlp_out|attn_out|transcoder}/layer_15_width_262k_l0_big[_affine]/params.safetensors
    clt/width_262k_l0_medium_affine/params_layer_0.safetensors, one file a layer

JumpReLU; w_enc [in, unit], w_dec [unit, out], of a cross-layer one [unit, n_layers, out], and
affine_skip_connection [in, out]. `attn_out` reads the input of o_proj: heads side by side.
"""

from __future__ import annotations

import re
from pathlib import Path

from graph_schema.dictionaries.asked import Asked, layer_in
from graph_schema.dictionaries.described import Described
from graph_schema.dictionaries.hooks import site_of
from graph_schema.dictionaries.said import Said
from graph_schema.documents.dictionary import Activation, DictionaryKind, Reading
from graph_schema.errors import DictionaryError
from graph_schema.printable import quoted

NAME = "gemma-scope-2"
_LAYER_FILE = re.compile(r"params_layer_(0|[1-9][0-9]{0,3})\.safetensors")
_READING = Reading(activation=Activation.JUMPRELU)
_PRE, _POST = "pre_feedforward_layernorm.output", "post_feedforward_layernorm.output"
_HOOKS = {
    "transcoder": (_PRE, _POST),
    "clt": (_PRE, _POST),
    "mlp_out": (_POST, None),
    "attn_out": ("self_attn.o_proj.input", None),
    "resid_post": ("output", None),
}


def claims(asked: Asked) -> bool:
    """Whether the files are laid out this way."""
    return bool(_layer_files(asked)) or asked.file("params.safetensors") is not None


def read(asked: Asked) -> list[Described]:
    """The dictionary in a folder, or every layer of a cross-layer one."""
    files = _layer_files(asked)
    return _cross_layer(asked, files) if files else [_single(asked)]


def _layer_files(asked: Asked) -> dict[int, Path]:
    if asked.target.is_file() and not _LAYER_FILE.fullmatch(asked.target.name):
        return {}
    found = {
        int(match[1]): file
        for file in asked.folder.iterdir()
        if (match := _LAYER_FILE.fullmatch(file.name))
    }
    return dict(sorted(found.items()))


def _single(asked: Asked) -> Described:
    file = asked.file("params.safetensors")
    assert file is not None, "claimed"
    said = _said(asked)
    read_hook, written = _hooks(asked, said, layer_in(asked.words))
    draft = asked.draft()
    shapes = asked.shapes(file)
    draft.take(file, shapes, _names(), optional=["affine_skip_connection"])
    _check_affine(asked, said, "affine_skip_connection" in shapes)
    return asked.described(
        draft,
        format=NAME,
        kind=DictionaryKind.SAE if written is None else DictionaryKind.TRANSCODER,
        site=site_of(read_hook, written),
        reading=_READING,
        model_name=said.text("model_name"),
    )


def _cross_layer(asked: Asked, files: dict[int, Path]) -> list[Described]:
    n_layers, said = len(files), _said(asked)
    if list(files) != list(range(n_layers)):
        raise DictionaryError(
            f"dictionary {quoted(asked.words)} has files of layers {list(files)[:40]}; expected "
            "one of each from 0 on: a cross-layer transcoder is read whole"
        )
    found: list[Described] = []
    for layer, file in files.items():
        shapes = asked.shapes(file)
        if len(shapes.get("w_dec", ())) != 3 or shapes["w_dec"][1] != n_layers:
            raise DictionaryError(
                f"dictionary file {str(file)!r}: w_dec has shape {shapes.get('w_dec')}; expected "
                f"[unit, {n_layers} layers, d_model], as there are {n_layers} files"
            )
        draft = asked.draft()
        draft.take(file, shapes, _names(layers=True), optional=["affine_skip_connection"])
        read_hook, written = (f"layers.{layer}.{hook}" for hook in (_PRE, _POST))
        found.append(
            asked.described(
                draft,
                format=NAME,
                kind=DictionaryKind.CROSS_LAYER,
                site=site_of(read_hook, written, last=n_layers - 1),
                reading=_READING,
                model_name=said.text("model_name"),
                first_written=0,
            )
        )
    return found


def _said(asked: Asked) -> Said:
    file = asked.file("config.json")
    said = Said(asked.words, {}) if file is None else Said.of(file)
    if (kind := said.text("architecture", "jump_relu")) != "jump_relu":
        raise DictionaryError(
            f"dictionary {quoted(asked.words)} is of architecture {quoted(kind)}; expected "
            "jump_relu, which all of Gemma Scope 2 is"
        )
    return said


def _hooks(asked: Asked, said: Said, layer: int | None) -> tuple[str, str | None]:
    if asked.hook is not None:
        return asked.hook, asked.hook_out
    if (hook := said.text("hf_hook_point_in")) is not None:
        written = said.text("hf_hook_point_out")
        return hook, None if written == hook else written
    for name, (read_hook, written) in _HOOKS.items():
        if layer is not None and re.search(rf"(?:^|/){name}(?:_all)?/", asked.words):
            out = None if written is None else f"layers.{layer}.{written}"
            return f"layers.{layer}.{read_hook}", out
    raise DictionaryError(
        f"dictionary {quoted(asked.words)} does not say where it sits: it has no config.json with "
        f"hf_hook_point_in, and no folder {', '.join(_HOOKS)} over it; give its hook"
    )


def _check_affine(asked: Asked, said: Said, there: bool) -> None:
    if (asks := said.fields.get("affine_connection")) is not None and bool(asks) != there:
        raise DictionaryError(
            f"dictionary {quoted(asked.words)} says affine_connection {quoted(asks)}, and "
            f"affine_skip_connection is {'there' if there else 'missing'}; fetch it again"
        )


def _names(layers: bool = False) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {
        "w_enc": ("encoder", ("in", "unit")),
        "w_dec": ("decoder", ("unit", "layer", "out") if layers else ("unit", "out")),
        "b_enc": ("encoder_bias", ("unit",)),
        "b_dec": ("decoder_bias", ("out",)),
        "threshold": ("threshold", ("unit",)),
        "affine_skip_connection": ("skip", ("in", "out")),
    }
