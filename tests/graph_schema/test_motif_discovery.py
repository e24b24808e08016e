"""Patterns that recur over stored circuits, and which models count."""

from __future__ import annotations

import pytest

from graph_schema.documents.motif_discovery import PatternState
from graph_schema.errors import NotFoundError, SpecError
from graph_schema.motif_search import discover_motifs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.models import write_derived
from tests.factories import make_model
from tests.planted_models import PATTERN, TASK, write_planted

WEIGHTS = "a" * 64


def test_stored_circuits_are_searched_and_models_counted_once(embedded_store: GraphStore) -> None:
    store = embedded_store
    write_planted(store, "gpt2/a", "gpt2", seed=0, circuits=2, weights_sha256=WEIGHTS)
    with pytest.raises(SpecError, match="are of 1 model that counts; a pattern recurs over"):
        discover_motifs(store, TASK)
    write_planted(store, "llama/a", "llama", seed=1)
    write_planted(store, "neox/a", "neox", seed=2)
    whole = discover_motifs(store, TASK, draws=300)
    (called,) = [each for each in whole.called if each.pattern == PATTERN]
    assert called.counted(PatternState.FOR).keys() == {"gpt2", "llama", "neox"}
    assert called.at_least >= 2
    assert sorted(len(each.circuit_ids) for each in whole.models) == [1, 1, 2]
    assert whole.left_out == {}
    assert discover_motifs(store, TASK, draws=300) == whole

    # The same weights under another name, and a fine-tune: neither is one model more.
    write_planted(store, "gpt2/copy", "gpt2", seed=0, weights_sha256=WEIGHTS)
    write_planted(store, "neox/tuned", "neox", seed=3)
    copy, tuned = (make_model(name).fingerprint for name in ("gpt2/copy", "neox/tuned"))
    write_derived(store, tuned, make_model("neox/a").fingerprint)
    again = discover_motifs(store, TASK, draws=300)
    assert len(again.models) == 3
    newest = {each.fingerprint for each in again.models}
    assert len(again.left_out.keys() & {make_model("gpt2/a").fingerprint, copy}) == 1
    assert again.left_out.keys().isdisjoint(newest)
    assert again.left_out[tuned] == f"counts with its relative {make_model('neox/a').fingerprint}"
    assert sorted(len(each.circuit_ids) for each in again.models) == [1, 1, 3]

    fewer = discover_motifs(store, TASK, models=("llama", "gpt2/a"), per_model=1, draws=50)
    assert [len(each.circuit_ids) for each in fewer.models] == [1, 1]
    assert "gpt2/a: the newest 1 of 2 circuits are searched" in fewer.notes


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"draws": 0}, "draws is 0; expected 1 to 20,000"),
        ({"per_model": 101}, "per_model is 101; expected 1 to 100"),
        ({"max_nodes": 5}, "max_nodes is 5; expected 2 to 4"),
        ({"alpha": 1.0}, "alpha is 1; expected more than 0"),
        ({"seed": -1}, "seed is -1; expected 0 to"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(
    embedded_store: GraphStore, asked: dict[str, float], said: str
) -> None:
    with pytest.raises(SpecError, match=said):
        discover_motifs(embedded_store, TASK, **asked)  # type: ignore[arg-type]


def test_a_task_without_circuits_is_said(embedded_store: GraphStore) -> None:
    with pytest.raises(NotFoundError, match="no circuit does the task 'none'"):
        discover_motifs(embedded_store, "none")
    with pytest.raises(NotFoundError, match="no circuit of a model 'zz' does the task"):
        discover_motifs(embedded_store, TASK, models=("zz",))
