"""Which models count: the same weights once, and a model with all its relatives once.

Pure: lineage is given as pairs of fingerprints, a model and the one it was derived from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from graph_schema.documents.rungs import ModelFinding


def once_each(found: Sequence[ModelFinding]) -> tuple[list[ModelFinding], dict[str, str]]:
    """The findings of different models, and for a model left out the one with its weights.

    Of equal weights the first counts. Both sides of the mapping are fingerprints.
    """
    first: dict[str, ModelFinding] = {}
    same: dict[str, str] = {}
    by_fingerprint: dict[str, ModelFinding] = {}
    for each in found:
        twin = first.get(each.identity) or by_fingerprint.get(each.fingerprint)
        if twin is None:
            first[each.identity] = by_fingerprint[each.fingerprint] = each
        elif twin.fingerprint != each.fingerprint:
            same[each.fingerprint] = twin.fingerprint
    return list(first.values()), same


def counted_once(
    found: Sequence[ModelFinding], derived: Iterable[tuple[str, str]]
) -> list[ModelFinding]:
    """The same findings, relatives marked as counted with the one that stands for them.

    Relatives are joined by any chain of derivations, over models that are not here as well. The one
    that the others stem from stands for them, else the first that was named.

    Args:
        found: Of different models.
        derived: (model, what it was derived from), as fingerprints.
    """
    parents: dict[str, set[str]] = {}
    for child, parent in derived:
        parents.setdefault(child, set()).add(parent)
    group = _groups({each.fingerprint for each in found}, parents)
    stands: dict[str, str] = {}
    for name in dict.fromkeys(group.values()):
        members = [each.fingerprint for each in found if group[each.fingerprint] == name]
        if not members:
            continue  # a line of models none of which is here
        inside = set(members)
        roots = [each for each in members if not _ancestors(each, parents) & inside]
        stands[name] = (roots or members)[0]
    return [
        each.model_copy(
            update={
                "counted_with": None
                if stands[group[each.fingerprint]] == each.fingerprint
                else stands[group[each.fingerprint]]
            }
        )
        for each in found
    ]


def _ancestors(model: str, parents: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    ahead = [model]
    while ahead:
        for parent in parents.get(ahead.pop(), ()):
            if parent not in seen:
                seen.add(parent)
                ahead.append(parent)
    return seen - {model}


def _groups(models: set[str], parents: Mapping[str, set[str]]) -> dict[str, str]:
    """The connected component of each model, as the name of one member."""
    joined: dict[str, set[str]] = {}
    for child, all_parents in parents.items():
        for parent in all_parents:
            joined.setdefault(child, set()).add(parent)
            joined.setdefault(parent, set()).add(child)
    group: dict[str, str] = {}
    for start in sorted(models | joined.keys()):
        ahead = [start]
        while ahead:
            here = ahead.pop()
            if here not in group:
                group[here] = start
                ahead += joined.get(here, ())
    return group
