"""circuit-tracer: one transcoder a layer, or a cross-layer one.

    config.yaml: model_kind transcoder_set | cross_layer_transcoder, hooks, transcoders, activation
    layer_3.safetensors: W_enc and W_dec, both [unit, d_model]; optional threshold and W_skip
    W_enc_3.safetensors, W_dec_3.safetensors: W_dec_3 [unit, n_layers - 3, d_model]

JumpReLU and TopK keep what passes, negative or not. A layer's W_skip is used transposed, a
cross-layer one as it is.
"""

from __future__ import annotations

import re
from pathlib import Path

from graph_schema.dictionaries.asked import Asked
from graph_schema.dictionaries.described import Axes, Described
from graph_schema.dictionaries.hooks import site_of
from graph_schema.dictionaries.said import Said
from graph_schema.documents.dictionary import Activation, DictionaryKind, Reading
from graph_schema.errors import DictionaryError
from graph_schema.printable import quoted

NAME = "circuit-tracer"
_LAYER = re.compile(r"(?:.*/)?layer_(0|[1-9][0-9]{0,3})\.safetensors")
_ENCODER = re.compile(r"W_enc_(0|[1-9][0-9]{0,3})\.safetensors")
_SET, _CROSS = "transcoder_set", "cross_layer_transcoder"
_THRESHOLD = "activation_function.threshold"


def claims(asked: Asked) -> bool:
    """Whether the files are laid out this way."""
    if asked.target.is_file():
        return bool(_LAYER.fullmatch(asked.target.name)) or asked.target.name == "config.yaml"
    names = [file.name for file in asked.folder.iterdir()]
    return "config.yaml" in names or any(
        _LAYER.fullmatch(name) or _ENCODER.fullmatch(name) for name in names
    )


def read(asked: Asked) -> list[Described]:
    """Every layer of a set, or the one whose file was asked for."""
    config = asked.folder / "config.yaml"
    said = Said.of(config) if config.is_file() else Said(asked.words, {})
    encoders = _numbered(asked.folder, _ENCODER)
    kind = said.text("model_kind", _CROSS if encoders else _SET)
    if kind == _CROSS:
        return _cross_layer(asked, said, encoders)
    if kind != _SET:
        raise DictionaryError(
            f"dictionary configuration {said.where!r}: model_kind {quoted(kind)} is not read; "
            f"expected {_SET} or {_CROSS}"
        )
    return [_one_layer(asked, said, layer, file) for layer, file in _files(asked, said).items()]


def _numbered(folder: Path, pattern: re.Pattern[str]) -> dict[int, Path]:
    found = {
        int(match[1]): file for file in folder.iterdir() if (match := pattern.fullmatch(file.name))
    }
    return dict(sorted(found.items()))


def _files(asked: Asked, said: Said) -> dict[int, Path]:
    """The file of each layer: the one that was asked for, those that are listed, those there."""
    if (match := _LAYER.fullmatch(asked.target.name)) and asked.target.is_file():
        return {int(match[1]): asked.target}
    listed = said.listed("transcoders")
    if listed is None:
        return _numbered(asked.folder, _LAYER)
    found: dict[int, Path] = {}
    for place, each in enumerate(listed):
        layer, path = place, each
        if isinstance(each, dict):  # before 0.2: {id, layer, filepath}
            entry = Said(f"{said.where}, transcoders", each)
            layer, path = entry.whole("layer"), entry.text("filepath")
        elif isinstance(each, str) and (match := _LAYER.fullmatch(each.partition("?")[0])):
            layer = int(match[1])
        if not isinstance(path, str) or layer is None or layer in found:
            raise DictionaryError(
                f"dictionary configuration {said.where!r}: transcoders has {quoted(each)}; "
                "expected a file of each layer"
            )
        found[layer] = _located(asked, path)
    return dict(sorted(found.items()))


def _located(asked: Asked, path: str) -> Path:
    if path.startswith("hf://"):
        if asked.fetch is None:
            raise DictionaryError(f"dictionary file {quoted(path)} lies on the hub; fetch it first")
        return asked.fetch(path)
    root = asked.folder.resolve()
    file = (root / path).absolute()
    if ".." in Path(path).parts or not file.is_relative_to(root):
        raise DictionaryError(
            f"dictionary {quoted(asked.words)} names a file {quoted(path)} outside its folder; "
            "expected one inside"
        )
    if not file.is_file():
        raise DictionaryError(f"dictionary {quoted(asked.words)} has no file {quoted(path)}")
    return file


def _one_layer(asked: Asked, said: Said, layer: int, file: Path) -> Described:
    shapes, draft = asked.shapes(file), asked.draft()
    names: dict[str, tuple[str, Axes]] = {
        "W_enc": ("encoder", ("unit", "in")),
        "W_dec": ("decoder", ("unit", "out")),
        "b_enc": ("encoder_bias", ("unit",)),
        "b_dec": ("decoder_bias", ("out",)),
        _THRESHOLD: ("threshold", ("unit",)),
        "W_skip": ("skip", ("out", "in")),
    }
    draft.take(file, shapes, names, optional=[_THRESHOLD, "W_skip"])
    read_hook, written = _hooks(asked, said, layer, "")
    return asked.described(
        draft,
        format=NAME,
        kind=DictionaryKind.TRANSCODER,
        site=site_of(read_hook, written),
        reading=_reading(said, _THRESHOLD in shapes),
        model_name=said.text("model_name"),
    )


def _cross_layer(asked: Asked, said: Said, encoders: dict[int, Path]) -> list[Described]:
    n_layers = len(encoders)
    if not n_layers or list(encoders) != list(range(n_layers)):
        raise DictionaryError(
            f"dictionary {quoted(asked.words)} has encoders of layers {list(encoders)[:40]}; "
            "expected W_enc_N.safetensors of each from 0 on: a cross-layer transcoder is read whole"
        )
    found: list[Described] = []
    for layer, file in encoders.items():
        decoder = asked.folder / f"W_dec_{layer}.safetensors"
        if not decoder.is_file():
            raise DictionaryError(f"dictionary {quoted(asked.words)} has no file {decoder.name}")
        shapes, out_shapes, draft = asked.shapes(file), asked.shapes(decoder), asked.draft()
        names: dict[str, tuple[str, Axes]] = {
            f"W_enc_{layer}": ("encoder", ("unit", "in")),
            f"b_enc_{layer}": ("encoder_bias", ("unit",)),
            f"b_dec_{layer}": ("decoder_bias", ("out",)),
            f"threshold_{layer}": ("threshold", ("unit",)),
            f"W_skip_{layer}": ("skip", ("in", "out")),
        }
        optional = [f"threshold_{layer}", f"W_skip_{layer}"]
        draft.take(file, shapes, names, optional=optional)
        draft.take(decoder, out_shapes, {f"W_dec_{layer}": ("decoder", ("unit", "layer", "out"))})
        if out_shapes[f"W_dec_{layer}"][1:2] != (n_layers - layer,):
            raise DictionaryError(
                f"dictionary file {str(decoder)!r} has shape {out_shapes[f'W_dec_{layer}']}; "
                f"expected [unit, {n_layers - layer} layers, d_model] with {n_layers} files"
            )
        read_hook, written = _hooks(asked, said, layer, "hook_resid_mid")
        found.append(
            asked.described(
                draft,
                format=NAME,
                kind=DictionaryKind.CROSS_LAYER,
                site=site_of(read_hook, written, last=n_layers - 1),
                reading=_reading(said, f"threshold_{layer}" in shapes),
                model_name=said.text("model_name"),
                first_written=layer,
            )
        )
    return found


def _reading(said: Said, threshold: bool) -> Reading:
    name = said.text("activation", "jump_relu" if threshold else "relu")
    if name == "topk":
        k = said.whole("k", 1)
        if k is None:
            raise DictionaryError(
                f"dictionary configuration {said.where!r}: k is missing beside activation topk"
            )
        return Reading(activation=Activation.TOPK, k=k, rectified=False)
    if threshold:
        return Reading(activation=Activation.JUMPRELU, rectified=False)
    if name != "relu":
        raise DictionaryError(
            f"dictionary configuration {said.where!r}: activation {quoted(name)} without "
            "thresholds is not read; expected relu or topk"
        )
    return Reading(activation=Activation.RELU)


def _hooks(asked: Asked, said: Said, layer: int, default: str) -> tuple[str, str]:
    read_hook = asked.hook or said.text("feature_input_hook") or default
    written = asked.hook_out or said.text("feature_output_hook") or "hook_mlp_out"
    if not read_hook:
        raise DictionaryError(
            f"dictionary {quoted(asked.words)} does not say what it reads: it has no config.yaml "
            "with feature_input_hook; give its hook, such as mlp.hook_in"
        )
    return _at(read_hook, layer), _at(written, layer)


def _at(hook: str, layer: int) -> str:
    """A hook of this layer, where it names none itself."""
    return hook if hook.startswith(("blocks.", "model.")) else f"blocks.{layer}.{hook}"
