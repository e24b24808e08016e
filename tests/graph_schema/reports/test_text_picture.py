"""The text picture of a circuit."""

from __future__ import annotations

import pytest

from graph_schema.documents import CircuitEdge
from graph_schema.reports import ASCII, picture, strongest
from graph_schema.reports.text_picture import UNICODE
from tests.graph_schema.reports.made import made_circuit


def test_an_edge_runs_from_its_sender_down_to_the_channel_it_is_read_on() -> None:
    assert picture(made_circuit([("input->a0.h1<v>", 0.5), ("a0.h1->a1.h2<k>", 0.75)])) == (
        "input     ●\n"
        "a0.h1  ●  v\n"
        "a1.h2  k\n"
        "\n"
        "all 2 edges; ● sends, q k v ▼ reads; ○ ┊ where the score is below 0"
    )


def test_a_negative_edge_is_dotted_and_lanes_are_shared() -> None:
    drawn = picture(
        made_circuit([("input->a0.h1<q>", 3.0), ("m0->logits", -1.0), ("a1.h0->logits", 0.5)])
    )
    assert drawn.splitlines()[:5] == [
        "input   ●",
        "a0.h1   q",
        "m0      ○",
        "a1.h0   ┊  ●",
        "logits  ▼  ▼",
    ]


def edges_of_gpt2() -> list[tuple[str, float]]:
    senders = ["input", *(f"a{layer}.h{head}" for layer in range(12) for head in range(12))]
    names = [f"{sender}->logits" for sender in senders]
    names += [f"{sender}->m11" for sender in senders]
    names += [f"{sender}->a11.h3<q>" for sender in senders[:-12]]
    return [(name, (-1.0) ** i / (i + 1)) for i, name in enumerate(names)]


@pytest.mark.parametrize("width", [40, 80, 132])
def test_a_large_circuit_fits_the_width_and_shows_its_strongest_edges(width: int) -> None:
    circuit = made_circuit(edges_of_gpt2(), n_layers=12, n_heads=12)
    lines = picture(circuit, width).splitlines()
    body, caption = lines[:-2], lines[-1]
    assert max(map(len, body)) <= width
    drawn = int(caption.split()[2])
    assert caption.startswith(f"the strongest {drawn} of {circuit.n_edges:,} edges")
    marks = sum(line.count(UNICODE.sender) + line.count(UNICODE.sender_below) for line in body)
    assert marks == drawn
    best: list[CircuitEdge] = strongest(circuit.edges)[:drawn]
    assert {line.split()[0] for line in body} == {
        end for edge in best for end in (edge.sender, edge.receiver)
    }


def test_plain_ascii_can_be_had() -> None:
    assert picture(made_circuit(), marks=ASCII).isascii()


def test_an_empty_circuit_says_so() -> None:
    assert picture(made_circuit([])) == "(no edges)"
