"""Dictionaries that a model cannot use, and what is said of them."""

from __future__ import annotations

import pytest

from discovery.dictionaries import describe_all
from discovery.models import Shape
from graph_schema.dictionaries import resolve
from graph_schema.documents import DictionarySource
from graph_schema.errors import DictionaryError
from tests.discovery.dictionaries import layouts
from tests.discovery.dictionaries.layouts import D

MODEL = Shape(n_layers=2, n_heads=2, n_kv_heads=2, d_model=D, d_head=5, d_mlp=11, d_vocab=9)


def source_of(case: layouts.Case) -> DictionarySource:
    return resolve(str(case.folder), case.path, hook=case.hook)


def refused(source: DictionarySource, match: str, model: Shape = MODEL) -> None:
    with pytest.raises(DictionaryError, match=match):
        describe_all([source], model, "'the/model'")
