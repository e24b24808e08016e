"""Motifs against the graph: the ones known by name, where they occur in a circuit, their tests.

Joins the pure half (`graph_schema.motifs`) to the store. Occurrences are found by compiled Cypher
inside the server; tests draw their null models here, from the circuit read back.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from neo4j import Transaction

from graph_schema.documents import CircuitDocument, Motif, MotifTest, Occurrence
from graph_schema.errors import SpecError
from graph_schema.motifs import CircuitGraph, catalogue, compile_motif, motif_tests, parse_motif
from graph_schema.motifs.significance import ALPHA, DRAWS
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import read_circuit, resolve_circuit
from graph_schema.store.records.motifs import (
    read_motifs,
    write_motif,
    write_occurrences,
    write_tests,
)
from graph_schema.store.records.node_roles import (
    Roles,
    hold_for_roles,
    read_node_roles,
    stale_where_changed,
)

MAX_DRAWS = 1_000_000
MAX_SEED = 2**63 - 1
"""The largest integer that the graph holds."""


def known_motifs(store: GraphStore) -> dict[str, Motif]:
    """The catalogue's motifs and the stored ones, by name; the catalogue comes first."""
    stored = {motif.name: motif for motif in read_motifs(store)}
    return dict(catalogue()) | {n: m for n, m in stored.items() if n not in catalogue()}


def motif_named(store: GraphStore, name: str) -> Motif:
    """The motif of this name, from the catalogue or stored.

    Raises:
        SpecError: There is none; the message has the near ones.
    """
    if name in catalogue():
        return catalogue()[name]
    known = known_motifs(store)
    if name not in known:
        near = get_close_matches(name, known, n=3) or list(known)
        raise SpecError(
            f"no motif is called {name!r}; near ones are {', '.join(near)} (`circuits motifs` "
            "lists all, `circuits motifs add FILE.yaml` stores your own)"
        )
    return known[name]


def add_motif(store: GraphStore, text: str) -> Motif:
    """Store a user's motif, given as YAML; the same pattern again updates its description.

    Raises:
        SpecError: It is no motif, or another pattern has its name.
    """
    motif = parse_motif(text)
    same = known_motifs(store).get(motif.name)
    if same is not None and same.motif_id != motif.motif_id:
        where = "of the catalogue" if motif.name in catalogue() else "stored"
        raise SpecError(
            f"motif {motif.name!r} is already a motif {where}, with another pattern; "
            "give yours another name"
        )
    store.write(lambda tx: write_motif(tx, motif))
    return motif


def find_occurrences(store: GraphStore, motif: Motif, circuit_id: str) -> list[Occurrence]:
    """The occurrences of a motif in a stored circuit, by node names.

    Raises:
        NotFoundError: There is no such circuit.
    """

    def work(tx: Transaction) -> list[Occurrence]:
        return _find(tx, motif, resolve_circuit(tx, circuit_id))

    return store.read(work)


def store_occurrences(store: GraphStore, motif: Motif, circuit_id: str) -> list[Occurrence]:
    """The same, and stored in place of those that were stored of this motif in this circuit.

    Raises:
        NotFoundError: There is no such circuit.
    """

    def work(tx: Transaction) -> list[Occurrence]:
        whole_id = resolve_circuit(tx, circuit_id)
        hold_for_roles(tx, [whole_id])  # so that roles do not change between search and writing
        found = _find(tx, motif, whole_id)
        write_occurrences(tx, motif, whole_id, found)
        return found

    return store.write(work)


def circuit_graph(store: GraphStore, circuit_id: str) -> CircuitGraph:
    """A stored circuit as motifs see it, its nodes with the roles that are stored.

    Raises:
        NotFoundError: There is no such circuit.
        StoreError: It is torn.
    """
    circuit = read_circuit(store, circuit_id)
    return _graph(circuit, read_node_roles(store, circuit.circuit_id))


def run_motif_tests(
    store: GraphStore,
    circuit_ids: Sequence[str],
    motifs: Sequence[Motif],
    *,
    draws: int = DRAWS,
    seed: int = 0,
    alpha: float = ALPHA,
    keep: bool = True,
) -> list[MotifTest]:
    """Test every motif in every circuit against its null model (`docs/motifs.md`).

    All circuits and motifs given are one family: `q` is adjusted for them together. Where `keep`,
    what comes out is stored in place of earlier tests of the same motifs in the same circuits.

    Raises:
        NotFoundError: A circuit is not stored.
        SpecError: No circuits or motifs, one of them twice, or a number that makes no sense.
    """
    if not circuit_ids or not motifs:
        raise SpecError("nothing to test: give at least one circuit and one motif")
    if not 1 <= draws <= MAX_DRAWS:
        raise SpecError(f"draws is {draws}; expected 1 to {MAX_DRAWS:,}")
    if not 0 < alpha < 1:
        raise SpecError(f"alpha is {alpha:g}; expected more than 0 and less than 1")
    if not 0 <= seed <= MAX_SEED:
        raise SpecError(f"seed is {seed}; expected 0 to {MAX_SEED}")
    whole = [store.read(lambda tx, each=each: resolve_circuit(tx, each)) for each in circuit_ids]
    names = [motif.name for motif in motifs]
    for what, given in (("circuit", whole), ("motif", names)):
        if repeated := sorted({each for each in given if given.count(each) > 1}):
            raise SpecError(f"{what} {repeated[0]!r} is given twice; tests count each once")
    roles = {circuit_id: read_node_roles(store, circuit_id) for circuit_id in whole}
    graphs = {each: _graph(read_circuit(store, each), roles[each]) for each in whole}
    tests = motif_tests(graphs, motifs, draws=draws, seed=seed, alpha=alpha)
    if keep:

        def write(tx: Transaction) -> None:
            write_tests(tx, motifs, tests, seed)
            stale_where_changed(tx, roles)

        store.write(write)
    return tests


def _graph(circuit: CircuitDocument, roles: Roles) -> CircuitGraph:
    return CircuitGraph.of(circuit, {name: played[0] for name, played in roles.items()})


def _find(tx: Transaction, motif: Motif, circuit_id: str) -> list[Occurrence]:
    compiled = compile_motif(motif)
    rows = tx.run(compiled.statement, compiled.parameters(circuit_id))
    return [compiled.occurrence(row.data(), circuit_id) for row in rows]
