"""dictionary_learning: `config.json` and `ae.pt`, a pickle of tensors that torch reads as such.

`trainer` says the class, and the class the arithmetic. AutoEncoder is used with directions of norm
1, which its own loader makes of it. BatchTopK is used by its threshold, TopK by its k, whatever
threshold stands there too.
"""

from __future__ import annotations

from dataclasses import dataclass

from graph_schema.dictionaries.asked import Asked, layer_in
from graph_schema.dictionaries.described import Axes, Described
from graph_schema.dictionaries.hooks import place_of, site_of
from graph_schema.dictionaries.said import Said
from graph_schema.documents.dictionary import Activation, DictionaryKind, Reading
from graph_schema.errors import DictionaryError
from graph_schema.printable import quoted

NAME = "dictionary-learning"
CONFIG, WEIGHTS = "config.json", "ae.pt"
_LINEAR: dict[str, tuple[str, Axes]] = {
    "encoder.weight": ("encoder", ("unit", "in")),
    "decoder.weight": ("decoder", ("out", "unit")),
}
_PLAIN: dict[str, tuple[str, Axes]] = {
    "W_enc": ("encoder", ("in", "unit")),
    "b_enc": ("encoder_bias", ("unit",)),
    "W_dec": ("decoder", ("unit", "out")),
    "b_dec": ("decoder_bias", ("out",)),
    "threshold": ("threshold", ("unit",)),
}
_BIASED: dict[str, tuple[str, Axes]] = _LINEAR | {
    "encoder.bias": ("encoder_bias", ("unit",)),
    "b_dec": ("decoder_bias", ("out",)),
}
_COUNTERS = ("k", "threshold", "group_sizes")


@dataclass(frozen=True)
class _Class:
    names: dict[str, tuple[str, Axes]]
    activation: Activation
    subtracts: bool = True
    unit_decoder: bool = False


_CLASSES = {
    "AutoEncoder": _Class(
        _LINEAR | {"encoder.bias": ("encoder_bias", ("unit",)), "bias": ("decoder_bias", ("out",))},
        Activation.RELU,
        unit_decoder=True,
    ),
    "AutoEncoderNew": _Class(
        _LINEAR
        | {
            "encoder.bias": ("encoder_bias", ("unit",)),
            "decoder.bias": ("decoder_bias", ("out",)),
        },
        Activation.RELU,
        subtracts=False,
    ),
    "GatedAutoEncoder": _Class(
        _LINEAR
        | {
            "decoder_bias": ("decoder_bias", ("out",)),
            "r_mag": ("r_mag", ("unit",)),
            "gate_bias": ("gate_bias", ("unit",)),
            "mag_bias": ("mag_bias", ("unit",)),
        },
        Activation.GATED,
    ),
    "JumpReluAutoEncoder": _Class(_PLAIN, Activation.JUMPRELU, subtracts=False),
    "AutoEncoderTopK": _Class(_BIASED, Activation.TOPK),
    "BatchTopKSAE": _Class(_BIASED | {"threshold": ("threshold", ("unit",))}, Activation.JUMPRELU),
    "MatryoshkaBatchTopKSAE": _Class(_PLAIN, Activation.JUMPRELU),
}


def claims(asked: Asked) -> bool:
    """Whether the files are laid out this way."""
    return asked.file(WEIGHTS) is not None and (asked.folder / CONFIG).is_file()


def read(asked: Asked) -> list[Described]:
    """The dictionary in a folder."""
    said = Said.of(asked.folder / CONFIG).inner("trainer")
    name = said.text("dict_class")
    if name not in _CLASSES:
        raise DictionaryError(
            f"dictionary configuration {said.where!r}: dict_class {quoted(name)} is not read; "
            f"expected one of {', '.join(_CLASSES)}"
        )
    of, file = _CLASSES[name], asked.file(WEIGHTS)
    assert file is not None, "claimed"
    k = said.whole("k", 1) if of.activation is Activation.TOPK else None
    if of.activation is Activation.TOPK and k is None:
        raise DictionaryError(f"dictionary configuration {said.where!r}: k is missing")
    draft = asked.draft()
    draft.take(file, asked.shapes(file), of.names, ignored=_COUNTERS)
    hook, out = _hooks(asked, said)
    return [
        asked.described(
            draft,
            format=NAME,
            kind=DictionaryKind.SAE,
            site=site_of(hook, out),
            reading=Reading(
                activation=of.activation,
                k=k,
                subtracts_bias=of.subtracts,
                unit_decoder=of.unit_decoder,
            ),
            said={"in": said.whole("activation_dim", 1), "unit": said.whole("dict_size", 1)},
            model_name=said.text("lm_name"),
        )
    ]


def _hooks(asked: Asked, said: Said) -> tuple[str, str | None]:
    """The hook that was given, the trainer's submodule, or the folder that names a place."""
    if asked.hook is not None:
        return asked.hook, asked.hook_out
    name, layer = said.text("submodule_name"), said.whole("layer")
    tried = [] if name is None else [name]
    if name is not None and layer is not None:
        tried.append(f"{name}_layer_{layer}")
    folders = reversed(asked.words.split("/"))
    tried.extend(folder.removesuffix("_checkpoints") for folder in folders)
    for hook in tried:
        try:
            found, _ = place_of(hook)
        except DictionaryError:
            continue
        if layer is None or layer == found:
            return hook, None
    raise DictionaryError(
        f"dictionary {quoted(asked.words)} does not say where it sits: submodule_name is "
        f"{quoted(name)}, layer {layer if layer is not None else layer_in(asked.words)}; give its "
        "hook, such as gpt_neox.layers.3.mlp.output"
    )
