"""The demo: train a small GPT-2 on induction, find a circuit, show it, question the graph.

It takes the way of every real job: client, graph, queue, worker, artifacts, and back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import LiteralString

from graph_schema.errors import MissingExtraError
from graph_schema.reports import layer_table, picture, summary
from graph_schema.reports.text_picture import UNICODE, Marks
from workers.client import Circuit, CircuitClient, Job
from workers.client.bars import Bars

N_EDGES = 40


@dataclass(frozen=True)
class Question:
    """A question of the demo and the Cypher that asks it; `$id` is the circuit."""

    words: str
    cypher: LiteralString


QUESTIONS = (
    Question(
        "Which heads write to the logits?",
        "MATCH (:Circuit {circuit_id: $id})-[:CONTAINS]->(head {kind: 'head'})\n"
        "      -[edge:EDGE]->({kind: 'logits'})\n"
        "RETURN head.name AS head, edge.score AS score ORDER BY abs(edge.score) DESC",
    ),
    Question(
        "Which head feeds another one's keys the most? In an induction circuit, a previous-token\n"
        "head of layer 0 feeds an induction head of layer 1.",
        "MATCH (:Circuit {circuit_id: $id})-[:CONTAINS]->(sender {kind: 'head'})\n"
        "      -[edge:EDGE {channel: 'k'}]->(receiver {kind: 'head'})\n"
        "RETURN sender.name AS sender, receiver.name AS receiver, edge.score AS score\n"
        "ORDER BY abs(edge.score) DESC LIMIT 1",
    ),
    Question(
        "Which edges are the strongest?",
        "MATCH (:Circuit {circuit_id: $id})-[:CONTAINS]->(sender)-[edge:EDGE]->(receiver)\n"
        "RETURN sender.name AS sender, receiver.name AS receiver, edge.channel AS channel,\n"
        "       edge.score AS score\n"
        "ORDER BY abs(edge.score) DESC LIMIT 5",
    ),
)


def submit_demo(client: CircuitClient) -> Job:
    """The demo's job: EAP-IG on induction, in a model trained here (once, then cached).

    Raises:
        MissingExtraError: Torch is not installed.
    """
    try:
        from discovery.models.zoo import ensure_demo_model
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the demo trains a model, and {error.name} is not installed; "
            'run: pip install "circuit-atlas[demo]"'
        ) from error
    with Bars("train a 2-layer GPT-2") as bars:
        model = ensure_demo_model(client.settings.cache_dir, bars)
    return client.submit(
        model=str(model), task="induction", method="eap-ig", n_edges=N_EDGES, pairs=32
    )


def tell(
    client: CircuitClient,
    circuit: Circuit,
    emit: Callable[[str], None],
    *,
    width: int = 100,
    marks: Marks = UNICODE,
) -> None:
    """Show the circuit, then ask the three questions, each query with its answer."""
    document = circuit.document
    emit(summary(document))
    emit("\n" + layer_table(document, width))
    emit("\n" + picture(document, width, max_edges=20, marks=marks))
    for question in QUESTIONS:
        answer = client.cypher(question.cypher, id=circuit.circuit_id)
        emit(f"\n{question.words}\n\n{_indented(question.cypher)}\n\n{_indented(str(answer))}")


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())
