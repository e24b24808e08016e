"""Which model comes from which, on both servers: no circle, also of those who write at once."""

from __future__ import annotations

import pytest

from graph_schema.errors import SpecError
from graph_schema.store.connection import GraphStore
from graph_schema.store.models import ancestors, write_derived, write_model
from tests.at_once import at_once
from tests.factories import make_model


def written(store: GraphStore, *names: str) -> list[str]:
    """The fingerprints of models, stored."""
    models = [make_model(name) for name in names]
    for model in models:
        store.write(lambda tx, model=model: write_model(tx, model))
    return [model.fingerprint for model in models]


def test_what_a_model_comes_from_is_found_however_far_back(store: GraphStore) -> None:
    a, b, c = written(store, "a", "b", "c")
    write_derived(store, c, b)
    write_derived(store, b, a)
    assert ancestors(store) == {c: {a, b}, b: {a}}
    with pytest.raises(SpecError, match="name the later checkpoint first"):
        write_derived(store, a, c)


def test_of_four_that_close_a_circle_at_once_one_is_refused(store: GraphStore) -> None:
    for turn in range(3):
        models = written(store, *(f"{turn} {name}" for name in "abcd"))
        pairs = list(zip(models, [*models[1:], models[0]], strict=True))
        got = at_once(4, lambda index, pairs=pairs: write_derived(store, *pairs[index]))
        assert [type(each) for each in got if each is not None] == [SpecError]
        assert not any(model in before for model, before in ancestors(store).items())
