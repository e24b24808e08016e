"""SAELens: `cfg.json` and `sae_weights.safetensors`, of 6.0 on and of the versions before.

Before 6.0 the model's keys stood beside the dictionary's, the hook was called hook_point, top-k was
an activation function of a standard architecture, and the decoder's bias was taken off the input
unless it was said otherwise. BatchTopK is saved as JumpReLU, by the threshold that training found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from graph_schema.dictionaries.asked import Asked
from graph_schema.dictionaries.described import Axes, Described
from graph_schema.dictionaries.hooks import place_of, site_of
from graph_schema.dictionaries.said import Said
from graph_schema.documents.dictionary import (
    Activation,
    DictionaryKind,
    Normalisation,
    Reading,
    Site,
)
from graph_schema.errors import DictionaryError
from graph_schema.printable import quoted

NAME = "saelens"
CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
_NO_INFERENCE = ("batchtopk", "matryoshka_batchtopk")
_NORMALISED = {
    "none": Normalisation.NONE,
    # Folded into the weights before they are saved.
    "expected_average_only_in": Normalisation.NONE,
    "covariance_whitening": Normalisation.NONE,
    "layer_norm": Normalisation.LAYER_NORM,
    "constant_norm_rescale": Normalisation.CONSTANT_NORM,
}


@dataclass(frozen=True)
class _Architecture:
    activation: Activation
    kind: DictionaryKind = DictionaryKind.SAE
    skip: bool = False


_KINDS = {
    "standard": _Architecture(Activation.RELU),
    "jumprelu": _Architecture(Activation.JUMPRELU),
    "topk": _Architecture(Activation.TOPK),
    "gated": _Architecture(Activation.GATED),
    "transcoder": _Architecture(Activation.RELU, DictionaryKind.TRANSCODER),
    "jumprelu_transcoder": _Architecture(Activation.JUMPRELU, DictionaryKind.TRANSCODER),
    "skip_transcoder": _Architecture(Activation.RELU, DictionaryKind.TRANSCODER, skip=True),
    "jumprelu_skip_transcoder": _Architecture(
        Activation.JUMPRELU, DictionaryKind.TRANSCODER, skip=True
    ),
}


def claims(asked: Asked) -> bool:
    """Whether the files are laid out this way."""
    return asked.file(WEIGHTS) is not None and (asked.folder / CONFIG).is_file()


def read(asked: Asked) -> list[Described]:
    """The dictionary in a folder."""
    said = Said.of(asked.folder / CONFIG)
    about, old = said.inner("metadata"), _before_six(said)
    architecture, k = _architecture(said, old)
    file = asked.file(WEIGHTS)
    assert file is not None, "claimed"
    draft = asked.draft()
    draft.take(
        file,
        asked.shapes(file),
        _names(architecture),
        optional=["scaling_factor", "finetuning_scaling_factor"],
    )
    normalised, notes = _normalised(said)
    sae = architecture.kind is DictionaryKind.SAE
    reading = Reading(
        activation=architecture.activation,
        k=k,
        subtracts_bias=sae and said.flag("apply_b_dec_to_input", default=True),
        normalisation=normalised,
        by_decoder_norm=said.flag("rescale_acts_by_decoder_norm"),
    )
    width_in = said.whole("d_in", 1)
    return [
        asked.described(
            draft,
            format=NAME,
            kind=architecture.kind,
            site=_site(asked, said, about, sae),
            reading=reading,
            said={"in": width_in, "unit": said.whole("d_sae", 1), "out": said.whole("d_out", 1)},
            model_name=about.text("model_name") or said.text("model_name"),
            notes=notes,
        )
    ]


def _before_six(said: Said) -> bool:
    version = said.text("sae_lens_version") or said.inner("metadata").text("sae_lens_version")
    major = re.match(r"[0-9]{1,4}", version or "")
    return major is None or int(major[0]) < 6


def _architecture(said: Said, old: bool) -> tuple[_Architecture, int | None]:
    name, k = said.text("architecture", "standard"), said.whole("k", 1)
    if old:
        function = said.text("activation_fn_str") or said.text("activation_fn", "relu")
        if function == "topk":
            name, k = "topk", said.inner("activation_fn_kwargs").whole("k", 1) or k
        elif function != "relu":
            raise DictionaryError(
                f"dictionary configuration {said.where!r}: activation function "
                f"{quoted(function)} is not read; expected relu or topk"
            )
    if name not in _KINDS:
        why = (
            "it is a training checkpoint: save its inference model (save_inference_model), which "
            "is a jumprelu dictionary"
            if name in _NO_INFERENCE
            else f"expected one of {', '.join(_KINDS)}"
        )
        raise DictionaryError(
            f"dictionary configuration {said.where!r}: architecture {quoted(name)} is not read; "
            f"{why}"
        )
    if name == "topk" and k is None:
        raise DictionaryError(
            f"dictionary configuration {said.where!r}: k is missing; expected how many units a "
            "position keeps"
        )
    return _KINDS[name], k if name == "topk" else None


def _normalised(said: Said) -> tuple[Normalisation, tuple[str, ...]]:
    name = said.fields.get("normalize_activations")
    if name is None or isinstance(name, bool):
        name = "expected_average_only_in" if name else "none"
    if name not in _NORMALISED:
        raise DictionaryError(
            f"dictionary configuration {said.where!r}: normalize_activations {quoted(name)} is not "
            f"read; expected one of {', '.join(_NORMALISED)}"
        )
    if name in ("expected_average_only_in", "covariance_whitening"):
        return _NORMALISED[name], (f"{name} is taken as folded into the weights, as SAELens does",)
    return _NORMALISED[name], ()


def _site(asked: Asked, said: Said, about: Said, sae: bool) -> Site:
    if asked.hook is not None:
        return site_of(asked.hook, asked.hook_out)
    hook = about.text("hook_name") or said.text("hook_name") or said.text("hook_point")
    own = about.text("hf_hook_name") or said.text("hf_hook_name")
    out = about.text("hook_name_out") or said.text("hook_name_out")
    own_out = about.text("hf_hook_name_out") or said.text("hf_hook_name_out")
    if hook is None and own is None:
        raise DictionaryError(
            f"dictionary configuration {said.where!r} names no hook (hook_name); give its hook"
        )
    head = about.whole("hook_head_index")
    if head is None:
        head = said.whole("hook_head_index")
    if head is None:
        head = said.whole("hook_point_head_index")
    if sae:
        return site_of(_one(own, hook), head=head)
    if out is None and own_out is None:
        raise DictionaryError(
            f"dictionary configuration {said.where!r} is of a transcoder and says not what it "
            "writes (hook_name_out); give its hooks"
        )
    return site_of(_one(own, hook), _one(own_out, out), head=head)


def _one(own: str | None, lens: str | None) -> str:
    """The module's hook where it is known: hook_mlp_in is said of two places."""
    if own is not None:
        try:
            place_of(own)
        except DictionaryError:
            if lens is None:
                raise
        else:
            return own
    assert lens is not None, "one of them is there"
    return lens


def _names(architecture: _Architecture) -> Mapping[str, tuple[str, Axes]]:
    names: dict[str, tuple[str, Axes]] = {
        "W_enc": ("encoder", ("in", "unit")),
        "W_dec": ("decoder", ("unit", "out")),
        "b_dec": ("decoder_bias", ("out",)),
        "scaling_factor": ("scale", ("unit",)),
        "finetuning_scaling_factor": ("scale", ("unit",)),
    }
    if architecture.activation is Activation.GATED:
        names |= {
            "b_gate": ("gate_bias", ("unit",)),
            "b_mag": ("mag_bias", ("unit",)),
            "r_mag": ("r_mag", ("unit",)),
        }
    else:
        names["b_enc"] = ("encoder_bias", ("unit",))
    if architecture.activation is Activation.JUMPRELU:
        names["threshold"] = ("threshold", ("unit",))
    if architecture.skip:
        names["W_skip"] = ("skip", ("out", "in"))
    return names
