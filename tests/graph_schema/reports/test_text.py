"""Tables and summaries of circuits."""

from __future__ import annotations

from graph_schema.documents import (
    Chance,
    Figure,
    HypothesisTest,
    Specificity,
    Split,
    Stability,
)
from graph_schema.reports import circuit_html, edge_table, layer_table, summary, table
from tests.graph_schema.reports.made import made_circuit


def test_a_table_aligns_numbers_right_and_cuts_nothing() -> None:
    text = table(("name", "n"), [("a" * 200, 5), ("b", 1234), ("c", None)])
    lines = text.splitlines()
    assert lines[0].split() == ["name", "n"]
    assert lines[2].endswith("     5")
    assert lines[3].endswith("  1234")
    assert "a" * 200 in lines[2]
    assert lines[4] == "c"


def test_a_table_without_rows_keeps_its_headings() -> None:
    assert table(("name", "n"), []).splitlines()[0] == "name  n"


def test_the_summary_never_shows_faithfulness_without_where_it_was_measured() -> None:
    text = summary(made_circuit())
    assert "0.900 [0.850, 0.950]  discovery, 32 pairs" in text
    assert "none (fewer than 8 held-out pairs)" in text
    assert "ablation corrupt" in text
    assert "5 kept of 76 scored (edges 5 by abs)" in text
    assert "10 random circuits" in text
    assert "made by hand" in text
    assert "c" * 64 in text


def test_the_layer_table_counts_edges_by_channel_and_ranks_components() -> None:
    rows = {line.split()[0]: line.split() for line in layer_table(made_circuit()).splitlines()}
    assert rows["input"] == ["input", "input"]
    assert rows["0"] == ["0", "1", "1", "0.5000", "a0.h1", "m0"]
    assert rows["1"] == ["1", "2", "1", "1", "1.000", "a1.h2"]
    assert rows["logits"] == ["logits", "2", "1.625", "logits"]


def test_a_layer_of_many_heads_says_how_many_it_leaves_out() -> None:
    circuit = made_circuit([(f"a0.h{h}->logits", 1.0 + h) for h in range(64)], n_heads=64)
    layer = layer_table(circuit, width=80).splitlines()[1]
    assert len(layer) <= 80
    assert "a0.h63" in layer
    shown = layer.count("a0.h")
    assert layer.endswith(f"+{64 - shown}")


def test_edges_come_by_falling_absolute_score() -> None:
    lines = edge_table(made_circuit(), top=3).splitlines()[2:]
    assert [line.split()[1] for line in lines] == [
        "a1.h2->logits",
        "a0.h1->a1.h2<k>",
        "input->a0.h1<v>",
    ]


def test_html_escapes_what_users_named() -> None:
    html = circuit_html(made_circuit())
    assert "gpt2-&lt;tiny&gt;" in html
    assert "a0.h1-&gt;a1.h2&lt;k&gt;" in html


def test_the_summary_tells_what_full_found_and_never_says_equivalent() -> None:
    circuit = made_circuit()
    test = HypothesisTest(
        name="equivalence",
        null="|P - 1/2| <= 0.1",
        epsilon=0.1,
        n=32,
        statistic=0.5,
        p_value=1.0,
        power=0.71,
        power_at="the chance is 1/2 +- 0.3",
        split=Split.HELDOUT,
    )
    full = {
        "redundant_share": Figure(value=0.2, split=Split.HELDOUT, n=32),
        "chance": (Chance(rule="layer_pairs", n=100, mean=0.1, low=-0.2, high=0.3, n_at_least=0),),
        "specificity": Specificity(n_pairs=32, n_kept=15, n_edges=6, faithfulness=0.9, jaccard=0.6),
        "tests": (test,),
        "stability": Stability(draws=0, n_groups=2, seed=0, reason="2 groups"),
    }
    assert circuit.evaluation is not None
    evaluation = circuit.evaluation.model_copy(update=full)
    text = summary(circuit.model_copy(update={"evaluation": evaluation}))
    assert "redundant     0.200  heldout, 32 pairs" in text
    assert "0.100 [-0.200, 0.300]  100 with the same edges per layer pair, 0 at least" in text
    assert "dealt out anew (15 of 32 pairs kept theirs), Jaccard 0.60 with this" in text
    none = {"specificity": Specificity(reason="kl reads no answers")}
    evaluation = evaluation.model_copy(update=none)
    text = summary(circuit.model_copy(update={"evaluation": evaluation}))
    assert "specificity   none (kl reads no answers)" in text
    assert "equivalence: not rejected, p 1, n 32, power 0.71 if the chance is 1/2 +- 0.3" in text
    assert "none (2 groups)" in text
    assert "equivalent" not in text
