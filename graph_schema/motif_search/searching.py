"""Motifs against the graph: the ones known by name, where they occur in a circuit, their tests.

Joins the pure half (`graph_schema.motifs`) to the store. A circuit is read once, with the roles of
its nodes; where motifs occur in it and how likely that is is worked out here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from neo4j import Transaction

from graph_schema.documents import (
    Channel,
    ComponentKind,
    Motif,
    MotifTest,
    MotifTestSummary,
    RoleName,
)
from graph_schema.errors import SpecError
from graph_schema.motifs import (
    CircuitGraph,
    Found,
    GraphEdge,
    GraphNode,
    catalogue,
    find,
    motif_tests,
    parse_motif,
)
from graph_schema.motifs.finding import LIMIT
from graph_schema.motifs.significance import ALPHA, DRAWS
from graph_schema.store.connection import GraphStore, Row
from graph_schema.store.records.circuits import resolve_circuit
from graph_schema.store.records.contradictions import (
    circuits_on_task,
    flag_circuit,
    motifs_of,
    strong_on_wiring,
    task_of_circuit,
)
from graph_schema.store.records.motif_tests import list_motif_tests, write_motif_test
from graph_schema.store.records.motifs import (
    read_edges,
    read_motifs,
    read_nodes,
    write_motif,
    write_occurrences,
)
from graph_schema.store.records.node_roles import hold_for_roles, stale_where_changed

MAX_LIMIT = 1_000_000
MAX_STORED = 20_000
"""Occurrences of one motif in one circuit that are stored: each is a node of the graph."""
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


def find_occurrences(
    store: GraphStore, motif: Motif, circuit_id: str, *, limit: int = LIMIT
) -> Found:
    """The occurrences of a motif in a stored circuit, by node names: all, or `limit` of them.

    Raises:
        NotFoundError: There is no such circuit.
        SpecError: The limit makes no sense.
        StoreError: The circuit is torn.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise SpecError(f"limit is {limit}; expected 1 to {MAX_LIMIT:,}")
    whole_id, graph = store.read(lambda tx: _read_graph(tx, circuit_id))
    return find(graph, motif, whole_id, limit=limit)


def store_occurrences(store: GraphStore, motif: Motif, circuit_id: str) -> Found:
    """All occurrences, stored in place of those that were stored of this motif in this circuit.

    Raises:
        NotFoundError: There is no such circuit.
        SpecError: There are more than `MAX_STORED`; nothing is changed.
        StoreError: The circuit is torn.
    """

    def work(tx: Transaction) -> Found:
        whole_id = resolve_circuit(tx, circuit_id)
        hold_for_roles(tx, [whole_id])  # so that roles do not change between search and writing
        graph = _read_graph(tx, whole_id)[1]
        found = find(graph, motif, whole_id, limit=MAX_STORED)
        if found.cut:
            raise SpecError(
                f"{motif.name} occurs {found.total:,} times in circuit {whole_id[:12]}, and at "
                f"most {MAX_STORED:,} are stored; look without storing, or write a motif that "
                "asks for more (kinds, channels, roles)"
            )
        write_occurrences(tx, motif, whole_id, found.occurrences)
        flag_contradictions(tx, whole_id)
        return found

    return store.write(work)


def flag_contradictions(tx: Transaction, circuit_id: str) -> None:
    """Flag the strong verdicts on wiring whose motif does not occur in a stored circuit.

    Only where roles are known of the circuit's nodes: else nothing can occur, and nobody knows.
    """
    task_id = task_of_circuit(tx, circuit_id)
    _flag_circuits(tx, [circuit_id], strong_on_wiring(tx, task_id) if task_id is not None else [])


def flag_contradictions_of_model(tx: Transaction, fingerprint: str, task_id: str) -> None:
    """The same for all circuits of a model on a task, whose roles have been stored.

    What roles make known may speak against verdicts, and no more where roles have changed.
    """
    circuit_ids = circuits_on_task(tx, fingerprint, task_id)
    _flag_circuits(tx, circuit_ids, strong_on_wiring(tx, task_id))


def _flag_circuits(tx: Transaction, circuit_ids: Sequence[str], verdicts: list[Row]) -> None:
    motifs = {motif.motif_id: motif for motif in motifs_of(tx, verdicts)} if verdicts else {}
    for circuit_id in circuit_ids:
        absent = _absent(tx, circuit_id, motifs) if motifs else frozenset[str]()
        rows = [
            {"verdict_id": row["verdict_id"], "reason": f"{row['motif']} does not occur in it"}
            for row in verdicts
            if row["motif_id"] in absent
        ]
        flag_circuit(tx, circuit_id, rows)


def _absent(tx: Transaction, circuit_id: str, motifs: Mapping[str, Motif]) -> frozenset[str]:
    """The ids of the motifs that do not occur in a circuit of which roles are known."""
    graph = _read_graph(tx, circuit_id)[1]
    if not any(node.roles for node in graph.nodes):
        return frozenset()
    return frozenset(id for id, m in motifs.items() if not find(graph, m, circuit_id).total)


def circuit_graph(store: GraphStore, circuit_id: str) -> CircuitGraph:
    """A stored circuit as motifs see it, its nodes with the roles that are stored.

    Raises:
        NotFoundError: There is no such circuit.
        StoreError: It is torn.
    """
    return store.read(lambda tx: _read_graph(tx, circuit_id))[1]


def run_motif_tests(
    store: GraphStore,
    circuit_ids: Sequence[str],
    motifs: Sequence[Motif],
    *,
    draws: int = DRAWS,
    seed: int = 0,
    alpha: float = ALPHA,
    without: Sequence[ComponentKind] = (),
    keep: bool = True,
) -> MotifTest:
    """Test every motif in every circuit against its null model (`docs/motifs.md`).

    All circuits and motifs given are one family: `q` is adjusted for them together. Where `keep`,
    what comes out is stored as one test, beside those that were stored before. Nodes of the kinds
    in `without` are left out, with their edges.

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
    graphs = {circuit_id: circuit_graph(store, circuit_id) for circuit_id in whole}
    test = motif_tests(graphs, motifs, draws=draws, seed=seed, alpha=alpha, without=without)
    if keep:
        read = {each: _roles(graph) for each, graph in graphs.items()}

        def write(tx: Transaction) -> None:
            write_motif_test(tx, motifs, test)
            stale_where_changed(tx, read)

        store.write(write)
    return test


def stored_tests(store: GraphStore, circuit_id: str | None = None) -> tuple[MotifTestSummary, ...]:
    """The stored tests, of all circuits or of one, the newest first.

    Raises:
        NotFoundError: There is no such circuit.
    """
    if circuit_id is not None:
        circuit_id = store.read(lambda tx, given=circuit_id: resolve_circuit(tx, given))
    return list_motif_tests(store, circuit_id)


def _read_graph(tx: Transaction, circuit_id: str) -> tuple[str, CircuitGraph]:
    """The circuit's whole id and its graph, in one transaction.

    Raises:
        NotFoundError: There is no such circuit.
        StoreError: It is torn.
    """
    whole_id = resolve_circuit(tx, circuit_id)
    nodes = (
        GraphNode(
            row["name"],
            ComponentKind(row["kind"]),
            row["layer"],
            row["depth"],
            frozenset(map(RoleName, row["roles"])),
        )
        for row in read_nodes(tx, whole_id)
    )
    edges = (
        GraphEdge(sender, receiver, Channel(channel), score)
        for sender, receiver, channel, score in read_edges(tx, whole_id)
    )
    return whole_id, CircuitGraph.build(nodes, edges)


def _roles(graph: CircuitGraph) -> dict[str, frozenset[RoleName]]:
    """What was read of the roles of a circuit's nodes; nodes without one are left out."""
    return {node.name: node.roles for node in graph.nodes if node.roles}
