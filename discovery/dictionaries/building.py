"""From stored tensors to a dictionary that computes: turned, checked, folded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from discovery.dictionaries.linear import Gate, LinearDictionary
from discovery.dictionaries.pickled import pickled_tensors
from discovery.models.half import HALF
from graph_schema.dictionaries.described import Described, Part
from graph_schema.dictionaries.tensor_files import reading
from graph_schema.documents.dictionary import Activation, DictionaryDocument, Reading
from graph_schema.errors import DictionaryError, NonFiniteWeightsError
from graph_schema.printable import quoted

Tensors = Mapping[str, Tensor]
"""By role, as they are stored."""
# How the arithmetic wants them; one number for all units stays one number.
_AXES = {
    "encoder": ("unit", "in"),
    "decoder": ("unit", "out"),
    "skip": ("in", "out"),
}


def stored_tensors(
    found: Described, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> dict[str, Tensor]:
    """A dictionary's tensors by role, as they lie, in `dtype`.

    Raises:
        DictionaryError: A file is gone, damaged, or another than was described.
        NonFiniteWeightsError: A weight is NaN or infinite.
    """
    tensors: dict[str, Tensor] = {}
    for file in found.files:
        parts = {role: part for role, part in found.parts.items() if part.file == file}
        for role, value in _read(parts).items():
            if tuple(value.shape) != parts[role].shape or not value.is_floating_point():
                raise DictionaryError(
                    f"dictionary file {str(file)!r} was written over while it was read; try again"
                )
            tensors[role] = _finite(parts[role], value.to(device, dtype))
    return tensors


def _read(parts: Mapping[str, Part]) -> dict[str, Tensor]:
    file = next(iter(parts.values())).file
    if file.suffix == ".safetensors":
        with reading(file), safe_open(file, framework="pt") as stored:
            return {role: stored.get_tensor(part.name) for role, part in parts.items()}
    if file.suffix == ".npz":
        with reading(file), np.load(file, allow_pickle=False) as arrays:
            return {
                role: torch.from_numpy(_native(arrays[part.name])) for role, part in parts.items()
            }
    stored = pickled_tensors(file)
    return {role: stored[part.name] for role, part in parts.items()}


def _native(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _finite(part: Part, value: Tensor) -> Tensor:
    if bad := int((~torch.isfinite(value)).sum()):
        raise NonFiniteWeightsError(
            f"dictionary file {str(part.file)!r}: {quoted(part.name)} has {bad} values that are "
            f"NaN or infinite of {value.numel()}; fetch it again"
        )
    return value


def build(found: Described, tensors: Tensors, document: DictionaryDocument) -> LinearDictionary:
    """The dictionary that stored tensors make, read as the document says.

    Raises:
        DictionaryError: Groups that do not divide the units; a cross-layer decoder that writes
            before its own layer.
    """
    turned = {
        role: _turned(found.parts[role], value, role in document.reading.transposed)
        for role, value in tensors.items()
    }
    n_units = found.width
    whole = {
        role: value.reshape(-1).expand(n_units) if value.numel() == 1 else value
        for role, value in turned.items()
        if role in ("threshold", "scale", "encoder_bias", "gate_bias", "mag_bias", "r_mag")
    }
    reading_ = document.reading
    if reading_.activation is Activation.GROUPMAX and n_units % (reading_.k or 1):
        raise DictionaryError(
            f"{document.words}: {n_units} units do not make {reading_.k} groups of one size"
        )
    built = LinearDictionary(
        document,
        turned["encoder"],
        _decoders(found, turned["decoder"]),
        turned["decoder_bias"],
        whole.get("encoder_bias"),
        whole.get("threshold") if reading_.activation is Activation.JUMPRELU else None,
        _gate(whole) if reading_.activation is Activation.GATED else None,
        turned.get("skip"),
        whole.get("scale"),
    )
    if built.threshold is None and reading_.activation is Activation.JUMPRELU:
        raise DictionaryError(f"{document.words} has no thresholds; expected another activation")
    return _folded(built, reading_)


def _turned(part: Part, value: Tensor, other_way: bool) -> Tensor:
    """The tensor with its axes as they are wanted; `other_way` where it is square."""
    if value.ndim != 2:
        return value
    axes = part.axes[::-1] if other_way else part.axes
    wanted = ("unit", "in") if set(axes) == {"unit", "in"} else ("unit", "out")
    if "unit" not in axes:
        wanted = _AXES["skip"]
    return (value if axes == wanted else value.T).contiguous()


def _decoders(found: Described, decoder: Tensor) -> dict[int, Tensor]:
    layer = found.site.layer
    assert layer is not None, "trained dictionaries sit in a layer"
    if decoder.ndim == 2:
        return {layer: decoder}
    first = found.first_written or 0
    if bool(decoder[:, : layer - first].any()):
        raise DictionaryError(
            f"cross-layer transcoder {quoted(found.source.name)}: layer {layer} writes to layers "
            "before its own; its decoder is read the wrong way round, or is of another format"
        )
    return {at: decoder[:, at - first].contiguous() for at in found.site.written}


def _gate(whole: Tensors) -> Gate:
    return Gate(whole["gate_bias"], whole["r_mag"].exp(), whole["mag_bias"])


def _folded(built: LinearDictionary, reading_: Reading) -> LinearDictionary:
    """Norms of directions folded in: into what is shown, or into the directions themselves."""
    if not (reading_.by_decoder_norm or reading_.unit_decoder):
        return built
    decoder = built.directions()
    wide = torch.float32 if decoder.dtype in HALF else decoder.dtype
    norms = decoder.to(wide).norm(dim=-1)
    norms = torch.where(norms == 0, torch.ones_like(norms), norms)
    bias = built.encoder_bias
    encoder = (built.encoder.to(wide) * norms[:, None]).to(decoder.dtype)
    bias = None if bias is None else (bias.to(wide) * norms).to(decoder.dtype)
    if reading_.by_decoder_norm:
        scale = (1 / norms).to(decoder.dtype)
        scale = scale if built.scale is None else scale * built.scale
        return replace(built, encoder=encoder, encoder_bias=bias, scale=scale)
    decoders = {built.layer: (decoder.to(wide) / norms[:, None]).to(decoder.dtype)}
    return replace(built, encoder=encoder, encoder_bias=bias, decoders=decoders)
