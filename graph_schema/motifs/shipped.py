"""The motifs that come with the project (`catalogue.yaml`), each from the paper that named it.

Of the 13 connected patterns on three untyped nodes the nine with a cycle cannot occur in a circuit,
which runs forward; the other four are the `triad_*` motifs. Rewiring keeps degrees, so under the
null the counts of the four move together: one more feed-forward loop is one less of each other.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib import resources
from types import MappingProxyType

from graph_schema.documents.motif import Motif
from graph_schema.errors import SpecError
from graph_schema.motifs.notation import parse_motif


@cache
def catalogue() -> MappingProxyType[str, Motif]:
    """The motifs by name, in the order of the file."""
    text = (
        resources.files("graph_schema.motifs")
        .joinpath("catalogue.yaml")
        .read_text(encoding="utf-8")
    )
    motifs = [parse_motif(document) for document in text.split("\n---\n")]
    return MappingProxyType({motif.name: motif for motif in motifs})


def find_motif(name: str) -> Motif:
    """The catalogue's motif of this name.

    Raises:
        SpecError: There is none; the message names the near ones.
    """
    known = catalogue()
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=3) or list(known)
    raise SpecError(f"motif {name!r} is not in the catalogue; did you mean {', '.join(near)}?")
