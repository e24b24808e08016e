"""Whether dictionaries fit a model, and each other: sizes, layers, heads, one to a site."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from graph_schema.dictionaries.described import Described, widths
from graph_schema.documents.dictionary import STREAM, DictionaryKind, Place, Site
from graph_schema.errors import DictionaryError
from graph_schema.printable import quoted


@runtime_checkable
class Sizes(Protocol):
    """A model's sizes, of its document or its adapter's shape."""

    @property
    def n_layers(self) -> int: ...
    @property
    def n_heads(self) -> int: ...
    @property
    def d_model(self) -> int: ...
    @property
    def d_head(self) -> int: ...
    @property
    def d_mlp(self) -> int: ...


def width_at(place: Place, model: Sizes, head: int | None = None) -> int:
    """How many numbers a place of the model has."""
    if head is not None and place is Place.ATTN_Z:
        return model.d_head
    names = ("n_heads", "d_head", "d_mlp", "d_model")
    return widths(place, {name: getattr(model, name) for name in names})


def check_fit(found: Described, model: Sizes, name: str = "the model") -> None:
    """Refuse a dictionary of another model, width or hook.

    Raises:
        DictionaryError: Says what the model has, and what near it would fit.
    """
    site, start = found.site, f"{found.kind.value} {quoted(found.source.name)}"
    of = f" (it says that it is of {quoted(found.model_name)})" if found.model_name else ""
    last = max(site.written, default=0)
    if last >= model.n_layers:
        raise DictionaryError(
            f"{start} is of layer {site.layer}{_to(site)}, and {name} has layers 0 to "
            f"{model.n_layers - 1}{of}; give a dictionary of one of those"
        )
    if found.kind is DictionaryKind.CROSS_LAYER and last != model.n_layers - 1:
        raise DictionaryError(
            f"{start} writes to layers up to {last}, and {name} has layers 0 to "
            f"{model.n_layers - 1}{of}: it is of another model"
        )
    if (site.head or 0) >= model.n_heads:
        raise DictionaryError(
            f"{start} is of head {site.head}, and {name} has heads 0 to {model.n_heads - 1}{of}"
        )
    for axis, place, verb in (("in", site.reads, "reads"), ("out", site.writes, "writes")):
        size, expected = found.sizes[axis], width_at(place, model, site.head)
        if size != expected:
            raise DictionaryError(
                f"{start} {verb} {size:,} numbers at {place.value}, where {name} has "
                f"{expected:,}{of}{_near(size, model, site)}"
            )


def check_spliceable(found: Described) -> None:
    """Refuse a dictionary of the residual stream, which labels but would cut edges that pass by.

    Raises:
        DictionaryError: Names what could be spliced instead.
    """
    if found.site.component is None:
        raise DictionaryError(
            f"{found.kind.value} {quoted(found.source.name)} is of {found.site.words}: spliced in, "
            "it would cut edges that pass by. Give dictionaries of mlp_out, attn_out or hook_z, or "
            "transcoders, of its release; this one can be read to label directions"
        )


def check_distinct(found: Iterable[Described]) -> None:
    """Refuse two dictionaries that split one component's write.

    A layer's attention and one of its heads are one site; so is an MLP that a cross-layer
    transcoder of an earlier layer writes to and a dictionary of that MLP by itself.

    Raises:
        DictionaryError: Names both.
    """
    taken: dict[str, Described] = {}
    crossing = [each for each in found if each.kind is DictionaryKind.CROSS_LAYER]
    crossed = {f"m{layer}": each for each in crossing for layer in each.site.written}
    for each in found:
        name = each.site.component
        if name is None:
            continue
        clash = taken.get(name) or next(
            (
                other
                for there, other in taken.items()
                if there.startswith(f"{name}.") or name.startswith(f"{there}.")
            ),
            None,
        )
        if each.kind is not DictionaryKind.CROSS_LAYER:
            clash = clash or crossed.get(name)
        if clash is not None:
            raise DictionaryError(
                f"two dictionaries are of {name}: {_words(clash)} and {_words(each)}; give one"
            )
        taken[name] = each


def _words(found: Described) -> str:
    where = "/".join(part for part in (found.source.name, found.source.path) if part)
    return f"{found.kind.value} {quoted(where)} of {found.width:,} units"


def _to(site: Site) -> str:
    return f" and writes to {site.last_written}" if site.last_written is not None else ""


def _near(size: int, model: Sizes, site: Site) -> str:
    """The places of the model that are so wide."""
    places = [place for place in Place if place not in STREAM and place is not Place.EMBED]
    fits = [place.value for place in places if width_at(place, model) == size]
    if size == model.d_head:
        fits.append("attn_z of one head")
    if fits:
        return f"; so wide are {', '.join(fits)}: another hook of layer {site.layer} may be meant"
    return "; no place of it is so wide: it is of another model"
