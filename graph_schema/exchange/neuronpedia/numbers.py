"""How features are numbered in Neuronpedia's files: by pairs, by hundred thousands, or opaquely.

With `schema_version` 1 a number is the Cantor pair of layer and index. Before, Gemma-2-2B's is
layer·10^5 + index, and others' (the published graphs of Claude 3.5 Haiku) say nothing.
"""

from __future__ import annotations

from math import isqrt

EXACT = 2**53
"""Whole numbers up to here survive JavaScript, which all tools of the format read and write by."""
_STEP = 10**5


def paired(layer: int, index: int) -> int:
    """The Cantor pair of two whole numbers from 0 on."""
    total = layer + index
    return total * (total + 1) // 2 + index


def unpaired(number: int) -> tuple[int, int]:
    """(layer, index) of a Cantor pair; exact at any size."""
    total = (isqrt(8 * number + 1) - 1) // 2
    index = number - total * (total + 1) // 2
    return total - index, index


def index_of(number: int, layer: int, spelled: int | None, *, version: int, scan: str) -> int:
    """The index of a feature within its layer, or all that is known of it: its number.

    Args:
        number: The file's `feature`.
        layer: The node's.
        spelled: The number within the node's id, where it has one there.
        version: The file's `schema_version`, 0 where it has none.
        scan: The file's.
    """
    if version >= 1:
        first, second = unpaired(number)
        return second if first == layer else number if spelled is None else spelled
    split = number - layer * _STEP
    if 0 <= split < _STEP and (split == spelled or scan == "gemma-2-2b"):
        return split
    return number
