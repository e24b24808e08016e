"""A role graph as text."""

from __future__ import annotations

from graph_schema.documents.role import Behaviour, Share
from graph_schema.documents.role_graph import Mediator, Restored
from graph_schema.reports import role_graph_text
from tests.findings import role_graph


def test_shares_parts_controls_and_what_is_restored_are_shown() -> None:
    graph = role_graph()
    part = Share(share=0.15, ci_low=0.1, ci_high=0.2)
    through = Mediator(component="m0", share=0.8, ci_low=0.7, ci_high=0.9)
    key = graph.edges[0].model_copy(update={"direct": part, "mediators": (through,)})
    alone = Restored(wiring="direct", share=0.1, ci_low=0.05, ci_high=0.15)
    told = Behaviour(accuracy={"period-6": 0.9, "period-8": 1.0}, gap=20, gap_low=19, gap_high=21)
    text = role_graph_text(
        graph.model_copy(
            update={"edges": (key, graph.edges[1]), "restored": (alone,), "behaviour": told}
        ),
        "induction",
    )
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "motif induction" in lines
    assert "accuracy at least 0.90 (period-6)" in lines
    assert "previous_token a0.h1" in lines
    assert any(
        line.startswith("previous_token -k-> induction 0.50 [0.45, 0.55] 0.15 [0.10, 0.20] m0 0.80")
        and line.endswith("wrong_position 0.001, v 0.050")
        for line in lines
    )
    assert "restored by the direct wiring alone: 0.10 [0.05, 0.15]" in lines


def test_what_cannot_be_measured_says_why() -> None:
    told = Behaviour(
        accuracy={"period-6": 0.1}, gap=1, gap_low=0.5, gap_high=1.5, reason="accuracy 0.10"
    )
    text = role_graph_text(role_graph().model_copy(update={"edges": (), "behaviour": told}))
    assert "nothing can be measured: accuracy 0.10" in text
    assert "carries" not in text


def test_notes_and_the_split_are_said() -> None:
    graph = role_graph().model_copy(update={"job_id": "0" * 64, "notes": ("3 pairs\nleft out",)})
    text = role_graph_text(graph)
    assert "on held-out pairs" in text
    assert text.splitlines()[-1].startswith("note: 3 pairs")
