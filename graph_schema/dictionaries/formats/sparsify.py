"""sparsify (eai-sparsify): a folder a hookpoint, `layers.5.mlp/`: `cfg.json`, `sae.safetensors`.

W_dec is [unit, out] as the encoder is [unit, in]. An SAE takes b_dec off its input, a transcoder
does not. A hookpoint is a module: an SAE is of its output, a transcoder leads there from its input.
"""

from __future__ import annotations

import re
from dataclasses import replace

from graph_schema.dictionaries.asked import Asked
from graph_schema.dictionaries.described import Axes, Described
from graph_schema.dictionaries.hooks import site_of
from graph_schema.dictionaries.said import Said
from graph_schema.documents.dictionary import Activation, DictionaryKind, Reading
from graph_schema.errors import DictionaryError
from graph_schema.printable import quoted

NAME = "sparsify"
CONFIG, WEIGHTS = "cfg.json", "sae.safetensors"
_NAMES: dict[str, tuple[str, Axes]] = {
    "encoder.weight": ("encoder", ("unit", "in")),
    "encoder.bias": ("encoder_bias", ("unit",)),
    "W_dec": ("decoder", ("unit", "out")),
    "b_dec": ("decoder_bias", ("out",)),
    "W_skip": ("skip", ("out", "in")),
}


def claims(asked: Asked) -> bool:
    """Whether the files are laid out this way."""
    return bool(_folders(asked))


def read(asked: Asked) -> list[Described]:
    """The dictionary in a hookpoint's folder, or those of all hookpoints under it."""
    return [_one(folder) for folder in _folders(asked)]


def _folders(asked: Asked) -> list[Asked]:
    if asked.file(WEIGHTS) is not None:
        return [asked]
    if asked.target.is_file():
        return []
    inside = [each for each in sorted(asked.folder.iterdir()) if (each / WEIGHTS).is_file()]
    return [_inside(asked, folder.name) for folder in inside]


def _inside(asked: Asked, name: str) -> Asked:
    source = asked.source.model_copy(update={"path": f"{asked.source.path}/{name}".strip("/")})
    words = f"{asked.words.rstrip('/')}/{name}"
    return replace(asked, target=asked.folder / name, words=words, source=source)


def _one(asked: Asked) -> Described:
    file = asked.file(WEIGHTS)
    if file is None or not (asked.folder / CONFIG).is_file():
        raise DictionaryError(f"dictionary {quoted(asked.words)} has no {CONFIG}; fetch it again")
    said = Said.of(asked.folder / CONFIG)
    above = asked.folder.parent / "config.json"
    model = Said.of(above).text("model") if above.is_file() else None
    transcodes = said.flag("transcode")
    draft = asked.draft()
    skip = said.flag("skip_connection")
    names = {name: role for name, role in _NAMES.items() if name != "W_skip" or skip}
    draft.take(file, asked.shapes(file), names)
    width = said.whole("num_latents") or None
    d_in, factor = said.whole("d_in", 1), said.whole("expansion_factor")
    if width is None and d_in and factor:
        width = d_in * factor
    hook, out = _hooks(asked, transcodes)
    return asked.described(
        draft,
        format=NAME,
        kind=DictionaryKind.TRANSCODER if transcodes else DictionaryKind.SAE,
        site=site_of(hook, out),
        reading=_reading(said, transcodes),
        said={"in": d_in, "unit": width, "out": d_in},
        model_name=model,
    )


def _reading(said: Said, transcodes: bool) -> Reading:
    name, k = said.text("activation", "topk"), said.whole("k", 1)
    if name not in ("topk", "groupmax") or k is None:
        raise DictionaryError(
            f"dictionary configuration {said.where!r}: activation {quoted(name)} with k {k}; "
            "expected topk or groupmax, and k"
        )
    return Reading(
        activation=Activation(name),
        k=k,
        rectified=not said.flag("signed"),
        subtracts_bias=not transcodes,
    )


def _hooks(asked: Asked, transcodes: bool) -> tuple[str, str | None]:
    if asked.hook is not None:
        return asked.hook, asked.hook_out
    name = asked.folder.name
    if re.fullmatch(r"(?:[a-z_]+\.)*(?:layers|h)\.[0-9]+(?:\.[A-Za-z_0-9.]+)?", name) is None:
        raise DictionaryError(
            f"dictionary {quoted(asked.words)} lies in a folder that is no hookpoint; expected "
            "such as layers.5.mlp: give its hook"
        )
    return (f"{name}.input", f"{name}.output") if transcodes else (name, None)
