"""Dictionaries in files: what there is and what it says, read without torch.

`sources` finds the files, one reader in `formats` says what they are of, `described` which axis is
which, `fitting` whether it is a model's. So a bad dictionary is refused before a model is loaded.
What they compute is in `discovery.dictionaries`.
"""

from graph_schema.dictionaries.described import Described, Part
from graph_schema.dictionaries.fitting import (
    check_distinct,
    check_fit,
    check_spliceable,
    width_at,
)
from graph_schema.dictionaries.hooks import place_of, site_of
from graph_schema.dictionaries.identity import document_of
from graph_schema.dictionaries.opening import FORMATS, describe
from graph_schema.dictionaries.sources import resolve

__all__ = [
    "FORMATS",
    "Described",
    "Part",
    "check_distinct",
    "check_fit",
    "check_spliceable",
    "describe",
    "document_of",
    "place_of",
    "resolve",
    "site_of",
    "width_at",
]
