"""What a user calls a dictionary becomes its identity, and where it lies.

    ./sae                                       a folder or file here
    google/gemma-scope-2-270m-pt/mlp_out/…      a folder of a hub repository
    org/name/path?revision=main&hook=blocks.3.hook_mlp_out

`hook`, `hook_out` and `format` are for files that do not say where they sit or what they are. Every
check that needs neither model nor torch happens here, before anything is sent; only a `.pt` file
takes torch to be looked into.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qsl

from graph_schema.dictionaries import (
    Described,
    check_distinct,
    check_fit,
    check_spliceable,
    describe,
    document_of,
    resolve,
)
from graph_schema.dictionaries.asked import Shapes
from graph_schema.documents import DictionaryDocument, DictionarySource, ModelSource
from graph_schema.errors import ModelError, SpecError
from graph_schema.models.config import read_model
from graph_schema.printable import quoted

AskedDictionary = str | Mapping[str, str] | DictionarySource
"""A dictionary as a user names it; a mapping has the fields of a `DictionarySource`."""
_OPTIONS = ("revision", "hook", "hook_out", "format")
_FIELDS = ("name", "path", *_OPTIONS)


def source_named(given: AskedDictionary) -> DictionarySource:
    """Where a dictionary lies.

    Raises:
        SpecError: An option that there is not.
        DictionaryError: Neither a hub id nor a path that is there.
    """
    if isinstance(given, DictionarySource):
        return given
    if isinstance(given, str):
        name, _, query = given.removeprefix("hf://").partition("?")
        fields = dict(parse_qsl(query, keep_blank_values=True))
        _refuse_others(given, fields, _OPTIONS)
        if not name.startswith(("/", "./", "../", "~")):
            parts = name.split("/")  # of one part `resolve` says what is wrong
            name, fields["path"] = "/".join(parts[:2]), "/".join(parts[2:])
        fields["name"] = name
    else:
        fields = dict(given)
        _refuse_others(str(dict(given)), fields, _FIELDS)
        if "name" not in fields:
            raise SpecError(f"dictionary {dict(given)} has no 'name': a hub id or a path")
    name = fields.pop("name")
    if name.startswith("../"):
        name = str(Path(name).absolute())
    return resolve(
        name,
        fields.get("path", ""),
        fields.get("revision"),
        format=fields.get("format"),
        hook=fields.get("hook"),
        hook_out=fields.get("hook_out"),
    )


def _refuse_others(given: str, fields: Mapping[str, str], known: Sequence[str]) -> None:
    for name in fields:
        if name not in known:
            raise SpecError(
                f"dictionary {quoted(given)} has no option {quoted(name)}; expected one of "
                f"{', '.join(known)}"
            )


def dictionaries_of(
    given: Sequence[AskedDictionary],
    model: ModelSource,
    fingerprint: str,
    *,
    splice: bool = True,
) -> tuple[tuple[DictionaryDocument, ...], tuple[DictionarySource, ...]]:
    """The identities of the dictionaries that a user names, by component, and their sources.

    They are read for their hash, so of the hub they are fetched; a worker on this machine finds
    them in the same cache. With `splice` off it is another's to say where they may lie.

    Raises:
        SpecError: An option that there is not.
        DictionaryError: One that is not there, cannot be read or does not fit the model, or two for
            one component.
        ModelUnavailable: The hub cannot be reached.
    """
    sources = tuple(source_named(each) for each in given)
    found = [each for source in sources for each in describe(source, pickled=_pickled())]
    check_distinct(found)
    for each in found if splice else ():
        check_spliceable(each)
    _check_fit(found, model, fingerprint)
    documents = [document_of(each) for each in found]
    return by_component(documents), sources


def by_component(documents: Sequence[DictionaryDocument]) -> tuple[DictionaryDocument, ...]:
    """In the order that a spec has them, so that one request has one id."""
    return tuple(sorted(documents, key=lambda each: (each.site.layer or 0, each.site.words)))


def _check_fit(found: Sequence[Described], model: ModelSource, fingerprint: str) -> None:
    try:
        sizes = read_model(model, fingerprint)
    except ModelError:
        return  # a GGUF file, whose sizes only a worker reads; it holds them to each other there
    for each in found:
        check_fit(each, sizes, sizes.name)


def _pickled() -> Callable[[Path], Shapes] | None:
    """What looks into a `.pt` file, where torch is installed."""
    try:
        from discovery.dictionaries.pickled import pickled_shapes
    except ModuleNotFoundError:
        return None
    return pickled_shapes
