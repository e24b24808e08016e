"""Some of a circuit's edges, to be taken elsewhere: no circuit that is stored or was judged."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from graph_schema.documents import Annotation, CircuitDocument, Imported


def part_of(circuit: CircuitDocument, edges: Collection[str]) -> CircuitDocument:
    """The circuit with these of its edges, by name, and the nodes that they join.

    What was measured of the whole does not hold of a part: it has no evaluation, and its id says
    what it is a part of.
    """
    wanted = frozenset(edges)
    kept = tuple(edge for edge in circuit.edges if edge.name in wanted)
    ends = {end for edge in kept for end in (edge.sender, edge.receiver)}
    method = circuit.method
    if isinstance(method, Imported):  # else its file would be written again, with all its links
        method = method.model_copy(update={"foreign": None})
    words = f"{len(kept)} of {circuit.n_edges} edges of circuit {circuit.circuit_id}"
    return circuit.model_copy(
        update={
            "circuit_id": f"{circuit.circuit_id} ({len(kept)} of {circuit.n_edges} edges)",
            "method": method,
            "edges": kept,
            "nodes": tuple(node for node in circuit.nodes if node.name in ends),
            "graph_scores": None,
            "evaluation": None,
            "evaluation_id": None,
            "notes": (words,),
        }
    )


def remarks_on(remarks: Sequence[Annotation], nodes: Collection[str]) -> tuple[Annotation, ...]:
    """The remarks that are on these nodes; of a group, its members that are among them."""
    found: list[Annotation] = []
    for each in remarks:
        members = [name for name in (each.component, *each.also) if name in nodes]
        if members:
            changed = {"component": members[0], "also": tuple(members[1:])}
            found.append(each.model_copy(update=changed))
    return tuple(found)
