"""Motifs as Cypher that finds the same occurrences in one stored circuit.

For people: to read, to change and to run in a database's own console (`circuits motifs cypher`).
The project itself reads a circuit and looks in Python (`finding`), which on large circuits is a
hundred times as fast.

This is the one place that assembles Cypher. A statement is built from counters (`n0`, `e1`) and
from the letters of our own enums; roles, kinds, channels and the circuit id are `$parameters`, and
the motif's own words (its name, its variables) never enter the text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import LiteralString, cast

from graph_schema.documents.motif import Motif, Occurrence, Sign
from graph_schema.motifs.symmetry import name_orders

_COMPARE = {Sign.POSITIVE: ">", Sign.NEGATIVE: "<"}


@dataclass(frozen=True)
class CompiledMotif:
    """A read-only statement; its columns `v0`, `v1`, ... are node names, one a variable.

    Give it `parameters(circuit_id)`; read a row with `binding`.
    """

    motif: Motif
    statement: LiteralString
    choices: Mapping[str, list[str]]

    def parameters(self, circuit_id: str) -> dict[str, object]:
        return {**self.choices, "circuit_id": circuit_id}

    def written_out(self, circuit_id: str) -> str:
        """The statement with its parameters' values in it, for a console that takes none.

        The values are our own words and a hash, which hold nothing to be escaped.
        """
        text: str = self.statement
        # From the end of the alphabet, so that no name is the beginning of one still to come.
        for name, value in sorted(self.parameters(circuit_id).items(), reverse=True):
            text = text.replace(f"${name}", json.dumps(value))
        return text

    def binding(self, row: Mapping[str, object] | Sequence[object]) -> dict[str, str]:
        """A row's node names by variable."""
        columns = range(len(self.motif.nodes))
        values = [row[f"v{c}"] if isinstance(row, Mapping) else row[c] for c in columns]
        return dict(zip(self.motif.variables, map(str, values), strict=True))

    def occurrence(
        self, row: Mapping[str, object] | Sequence[object], circuit_id: str
    ) -> Occurrence:
        return Occurrence(
            motif_id=self.motif.motif_id, circuit_id=circuit_id, binds=self.binding(row)
        )


def compile_motif(motif: Motif) -> CompiledMotif:
    """The statement that gives the motif's occurrences in the circuit `$circuit_id`.

    Nodes belong to one circuit, so anchoring one of them keeps the rest inside. Neither server
    binds distinct nodes by itself, and parallel edges would repeat a row: inequalities and DISTINCT
    see to both.
    """
    place = {variable: index for index, variable in enumerate(motif.variables)}
    choices: dict[str, list[str]] = {}
    conditions: list[str] = []

    def one_of(subject: str, parameter: str, values: Sequence[str]) -> None:
        if values:
            choices[parameter] = [str(value) for value in values]
            conditions.append(f"{subject} IN ${parameter}")

    for index, node in enumerate(motif.nodes):
        if node.roles:
            choices[f"roles{index}"] = [str(role) for role in node.roles]
            conditions.append(f"any(role IN n{index}.roles WHERE role IN $roles{index})")
        one_of(f"n{index}.kind", f"kinds{index}", node.kinds)
    paths: list[str] = []
    for index, edge in enumerate(motif.edges):
        sender, receiver = place[edge.sender], place[edge.receiver]
        paths.append(f"(n{sender}:CircuitNode)-[e{index}:EDGE]->(n{receiver}:CircuitNode)")
        one_of(f"e{index}.channel", f"channels{index}", edge.channels)
        if edge.sign:
            conditions.append(f"e{index}.score {_COMPARE[edge.sign]} 0")
    for rule in motif.signs:
        # sign() before the product: tiny scores must not underflow to zero.
        product = " * ".join(f"sign(e{edge}.score)" for edge in rule.edges)
        conditions.append(f"{product} {_COMPARE[rule.product]} 0")
    for order in motif.depth:
        left, right = place[order.left], place[order.right]
        conditions.append(f"n{left}.depth {order.relation.value} n{right}.depth")
    ordered = [(place[first], place[second]) for first, second in name_orders(motif)]
    conditions += [f"n{first}.name < n{second}.name" for first, second in ordered]
    conditions += [
        f"n{one}.name <> n{two}.name"
        for one, two in combinations(range(len(motif.nodes)), 2)
        if (one, two) not in ordered and (two, one) not in ordered
    ]
    if motif.induced:
        joined = {(edge.sender, edge.receiver) for edge in motif.edges}
        conditions += [
            f"NOT EXISTS {{ (n{place[sender]})-[:EDGE]->(n{place[receiver]}) }}"
            for sender, receiver in permutations(motif.variables, 2)
            if (sender, receiver) not in joined
        ]
    columns = ", ".join(f"n{index}.name AS v{index}" for index in range(len(motif.nodes)))
    text = (
        "MATCH (:Circuit {circuit_id: $circuit_id})-[:CONTAINS]->(n0:CircuitNode)\n"
        f"MATCH {', '.join(paths)}\n"
        f"WHERE {' AND '.join(conditions)}\n"
        f"RETURN DISTINCT {columns}\n"
        f"ORDER BY {', '.join(f'v{index}' for index in range(len(motif.nodes)))}"
    )
    # Made of counters and enum letters only, as the module's head says.
    return CompiledMotif(motif, cast(LiteralString, text), choices)
