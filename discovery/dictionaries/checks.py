"""What a dictionary does on tokens of its model, and whether another way of reading does better.

Published files of one shape are read in several ways, and nothing in them says that a reading is
wrong: it explains nothing. So each is looked at on 512 tokens. The first position of a prompt is
left out: there attention sinks make values a hundred times larger, which dictionaries are not
trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.dictionaries.building import Tensors, build
from discovery.dictionaries.linear import LinearDictionary
from discovery.dictionaries.places import Spot, values_at
from discovery.dictionaries.protocol import Dictionary
from discovery.models.base import Batch, ModelAdapter
from graph_schema.dictionaries.described import Described
from graph_schema.documents.dictionary import (
    Activation,
    DictionaryCheck,
    DictionaryDocument,
    DictionaryKind,
    Reading,
    Site,
)
from graph_schema.errors import DictionaryError, NonFiniteError

TOKENS = 512
ENOUGH = 0.5
"""Share of the variance under which other readings are tried."""


@dataclass(frozen=True)
class Loaded:
    """A dictionary with what it was made of, so that it can be made again read otherwise."""

    dictionary: LinearDictionary
    described: Described
    tensors: Tensors

    @property
    def document(self) -> DictionaryDocument:
        return self.dictionary.document


@dataclass(frozen=True)
class Rows:
    """What stands at dictionaries' places: tokens of some prompts, one row each."""

    values: dict[Spot, Float[Tensor, "row _"]]

    def read(self, site: Site) -> Float[Tensor, "row _"]:
        """What a dictionary reads."""
        assert site.layer is not None, "trained dictionaries sit in a layer"
        return self.values[(site.layer, site.reads, site.head)]

    def written(self, site: Site, layer: int | None = None) -> Float[Tensor, "row _"]:
        """What a dictionary should write, of its own layer or another."""
        at = site.layer if layer is None else layer
        assert at is not None, "trained dictionaries sit in a layer"
        return self.values[(at, site.writes, site.head)]


def rows_at(
    adapter: ModelAdapter, batch: Batch, sites: Sequence[Site], n_tokens: int = TOKENS
) -> Rows:
    """The values at some sites, of at most `n_tokens` real tokens behind the first of each prompt.

    Raises:
        DictionaryError: There are no such tokens.
        NonFiniteError: A value is NaN or infinite.
    """
    spots: set[Spot] = set()
    for site in sites:
        if site.layer is not None:
            spots.add((site.layer, site.reads, site.head))
            spots |= {(layer, site.writes, site.head) for layer in site.written}
    kept = batch.attention_mask & (batch.position_ids > 0)
    if not bool(kept.any()):
        raise DictionaryError(
            "a dictionary is checked on tokens behind the first of a prompt, and there are none; "
            "give longer prompts"
        )
    found = values_at(adapter, batch, spots)
    values = {spot: value[kept][:n_tokens] for spot, value in found.items()}
    for (layer, place, _), value in values.items():
        if not bool(torch.isfinite(value).all()):
            raise NonFiniteError(f"{place.value} of layer {layer} has values that are no numbers")
    return Rows(values)


def explained_variance(
    write: Float[Tensor, "row d_out"], rebuilt: Float[Tensor, "row d_out"]
) -> float:
    """1 - |x - x̂|² / |x - mean x|², summed over rows; 1 where nothing varies or is missed."""
    wide = write.double()
    missed = (wide - rebuilt.double()).square().sum()
    varied = (wide - wide.mean(0)).square().sum()
    if float(varied) == 0.0:
        return 1.0 if float(missed) == 0.0 else 0.0
    return 1 - float(missed / varied)


@torch.no_grad()
def check(loaded: Sequence[Loaded], rows: Rows) -> tuple[DictionaryCheck, ...]:
    """Explained variance, L0 and dead share of each dictionary, with a warning where it is due.

    A layer of a cross-layer transcoder is judged by what all layers up to it write there.
    """
    crossing = [each for each in loaded if each.document.kind is DictionaryKind.CROSS_LAYER]
    found: list[DictionaryCheck] = []
    for each in loaded:
        others = [one.dictionary for one in crossing if one is not each]
        before = _written_before(each.document.site, others, rows) if each in crossing else None
        found.append(_check(each, rows, before))
    return tuple(found)


def _written_before(site: Site, others: Sequence[LinearDictionary], rows: Rows) -> Tensor | None:
    """What other layers write to this one."""
    total: Tensor | None = None
    for other in others:
        x = rows.read(other.document.site)
        if site.layer in other.decoders and other.layer != site.layer:
            written = other.decode(other.encode(x), x, site.layer)
            total = written if total is None else total + written
    return total


def _check(loaded: Loaded, rows: Rows, before: Tensor | None) -> DictionaryCheck:
    dictionary, site = loaded.dictionary, loaded.document.site
    x = rows.read(site)
    coefficients = dictionary.encode(x)
    fires = coefficients != 0
    variance = _variance(dictionary, rows, before)
    warning = better = better_variance = None
    if variance < ENOUGH:
        start = (
            f"{loaded.document.words} explains {variance:.2f} of the variance of "
            f"{site.writes.value} on {len(x)} tokens; expected more than {ENOUGH}"
        )
        better, better_variance = _best_other(loaded, rows, before, variance)
        if better is None:
            warning = f"{start}. No other reading does better: it may be of another model or place"
        else:
            warning = (
                f"{start}. Read with {_words(loaded.document.reading, better)} it explains "
                f"{better_variance:.2f}"
            )
    return DictionaryCheck(
        dictionary_id=loaded.document.dictionary_id,
        n_tokens=len(x),
        explained_variance=variance,
        l0=float(fires.sum(-1).double().mean()),
        dead_share=float((~fires.any(0)).double().mean()),
        warning=warning,
        better=better,
        better_explained_variance=better_variance,
    )


def _variance(dictionary: Dictionary, rows: Rows, before: Tensor | None) -> float:
    site = dictionary.document.site
    x = rows.read(site)
    rebuilt = dictionary.decode(dictionary.encode(x), x)
    return explained_variance(rows.written(site), rebuilt if before is None else rebuilt + before)


def _best_other(
    loaded: Loaded, rows: Rows, before: Tensor | None, variance: float
) -> tuple[Reading | None, float | None]:
    best: tuple[Reading | None, float | None] = (None, None)
    for reading in other_readings(loaded.described):
        document = loaded.document.model_copy(update={"reading": reading})
        built = build(loaded.described, loaded.tensors, document)
        found = _variance(built, rows, before)
        if found > variance:
            best, variance = (reading, found), found
    return best


def other_readings(found: Described) -> Iterator[Reading]:
    """Readings of the same tensors that differ in one thing, or in how square ones are turned."""
    own, parts = found.reading, found.parts

    def changed(**fields: object) -> Reading:
        return Reading.model_validate({**own.model_dump(), **fields})

    turned = [role for role in ("encoder", "decoder") if parts[role].square]
    for roles in ([role] for role in turned):
        yield changed(transposed=tuple(roles))
    if len(turned) > 1:
        yield changed(transposed=tuple(turned))
    if own.activation in (Activation.TOPK, Activation.JUMPRELU, Activation.GROUPMAX):
        yield changed(activation=Activation.RELU, k=None)
        yield changed(rectified=not own.rectified)
    if own.activation is not Activation.JUMPRELU and "threshold" in parts:
        yield changed(activation=Activation.JUMPRELU, k=None)
    if own.activation is Activation.TOPK:
        yield changed(by_decoder_norm=not own.by_decoder_norm)
    if found.kind is DictionaryKind.SAE:
        yield changed(subtracts_bias=not own.subtracts_bias)


def _words(own: Reading, other: Reading) -> str:
    """How two readings differ, for a person."""
    before, after = own.model_dump(mode="json"), other.model_dump(mode="json")
    said = {
        "transposed": f"{' and '.join(other.transposed)} transposed",
        "activation": f"activation {other.activation.value}",
        "rectified": "negative values cut off" if other.rectified else "negative values kept",
        "by_decoder_norm": "units weighed by the norm of their directions"
        if other.by_decoder_norm
        else "units not weighed by the norm of their directions",
        "subtracts_bias": "the decoder's bias taken off the input"
        if other.subtracts_bias
        else "the decoder's bias left in the input",
    }
    return ", ".join(words for key, words in said.items() if before[key] != after[key])
