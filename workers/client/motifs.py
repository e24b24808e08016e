"""What a client does with motifs: list, add, find and test them. Reached as `client.motifs`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from graph_schema.documents import ComponentKind, Motif, MotifTest, MotifTestSummary, RoleName
from graph_schema.errors import SpecError
from workers.requests.checking import choice
from workers.results.circuit import Circuit

if TYPE_CHECKING:
    from graph_schema.documents.motif_discovery import MotifDiscovery
    from graph_schema.motifs import Found
    from workers.client.connection import Connection


class Motifs:
    """The motifs of the catalogue and of the graph."""

    def __init__(self, client: Connection) -> None:
        self._client = client

    def known(self) -> Mapping[str, Motif]:
        """All motifs by name: the catalogue's, then the stored ones."""
        from graph_schema.motif_search import known_motifs

        return known_motifs(self._client.service.store)

    def named(self, name: str) -> Motif:
        """The motif of this name.

        Raises:
            SpecError: No motif is called so; the message has the near ones.
        """
        from graph_schema.motif_search import motif_named
        from graph_schema.motifs import catalogue

        return catalogue().get(name) or motif_named(self._client.service.store, name)

    def add(self, text: str) -> Motif:
        """Store a motif of your own, given as YAML (docs/motifs.md).

        Raises:
            SpecError: It is no motif, or another pattern has its name.
        """
        from graph_schema.motif_search import add_motif
        from graph_schema.motifs import parse_motif

        parse_motif(text)  # again where it is stored; here before a service is started for nothing
        return add_motif(self._client.service.store, text)

    def cypher(self, motif: str | Motif, circuit: str | Circuit) -> str:
        """The search for a motif in a circuit as Cypher, to be run as it is.

        Raises:
            SpecError: No motif is called so.
            NotFoundError: There is no such circuit.
        """
        from graph_schema.motifs import compile_motif
        from graph_schema.store.records.circuits import resolve_circuit

        compiled = compile_motif(self._motif(motif))
        whole_id = self._client.service.store.read(lambda tx: resolve_circuit(tx, _id(circuit)))
        return compiled.written_out(whole_id)

    def find(
        self,
        motif: str | Motif,
        circuit: str | Circuit,
        *,
        store: bool = False,
        limit: int | None = None,
    ) -> Found:
        """Where a motif, given by name or as itself, occurs in a circuit.

        `occurrences` are at most `limit` (100,000), `total` is how many there are.

        Args:
            motif: Its name, or a motif from `parse_motif`.
            circuit: The circuit, or its id or first digits.
            store: Keep all the occurrences in the graph, in place of those found before.
            limit: Give no more than these; not with `store`.

        Raises:
            SpecError: No motif is called so, or there are too many occurrences to store.
            NotFoundError: There is no such circuit.
        """
        from graph_schema.motif_search import find_occurrences, store_occurrences
        from graph_schema.motifs.finding import LIMIT

        own, pattern = self._client.service.store, self._motif(motif)
        if not store:
            return find_occurrences(own, pattern, _id(circuit), limit=limit or LIMIT)
        if limit is not None:
            raise SpecError("give limit or store, not both: what is stored is all there is")
        return store_occurrences(own, pattern, _id(circuit))

    def test(
        self,
        circuits: Sequence[str | Circuit],
        motifs: Sequence[str | Motif] | None = None,
        *,
        draws: int = 1000,
        seed: int = 0,
        alpha: float = 0.05,
        without: Sequence[str] = (),
        store: bool = True,
    ) -> MotifTest:
        """Whether motifs occur in circuits more often than chance has it.

        `results` has one for every motif in every circuit; `q` is adjusted for all of them.

        Args:
            circuits: The circuits, or their ids or first digits.
            motifs: By name or as themselves; None tests all that are known.
            draws: Graphs drawn from each null model.
            seed: Of the draws.
            alpha: What `p_max` and `q` must reach for a motif to be called.
            without: Leave out nodes of these kinds, with their edges (`error`, `rest`, `input`, …).
            store: Keep the test in the graph, beside earlier ones.

        Raises:
            SpecError: No motif is called so, one is given twice, or a number makes no sense.
            NotFoundError: There is no such circuit.
        """
        from graph_schema.motif_search import run_motif_tests

        left_out = [choice("kind of node", ComponentKind, each) for each in without]
        chosen = list(self.known().values()) if motifs is None else [self._motif(m) for m in motifs]
        return run_motif_tests(
            self._client.service.store,
            [_id(circuit) for circuit in circuits],
            chosen,
            draws=draws,
            seed=seed,
            alpha=alpha,
            without=left_out,
            keep=store,
        )

    def discover(
        self,
        task: str,
        *,
        models: Sequence[str] = (),
        per_model: int = 5,
        draws: int = 1000,
        seed: int = 0,
        alpha: float = 0.05,
        max_nodes: int = 4,
    ) -> MotifDiscovery:
        """Which patterns of roles and channels recur over models' circuits more than chance has it.

        Every pattern of two to `max_nodes` roles that occurs in stored circuits of the task; `q` is
        adjusted for all of them. `called` are those that recur in at least two models.

        Args:
            task: Name or id of the task that the circuits do.
            models: Only these: names, families or first digits of fingerprints; none is all.
            per_model: The newest circuits of a model that are searched.
            draws: Deals of roles a model.
            seed: Of the deals.
            alpha: What `q` must reach for a pattern to be called.
            max_nodes: Of a pattern: 2 to 4.

        Raises:
            NotFoundError: No circuit does the task, or none of a model that was named.
            SpecError: A number makes no sense, or fewer than two models count.
        """
        from graph_schema.motif_search import discover_motifs

        return discover_motifs(
            self._client.service.store,
            task,
            models=models,
            per_model=per_model,
            draws=draws,
            seed=seed,
            alpha=alpha,
            max_nodes=max_nodes,
        )

    def tests(self, circuit: str | Circuit | None = None) -> tuple[MotifTestSummary, ...]:
        """The tests that are stored, of all circuits or of one, the newest first.

        Raises:
            NotFoundError: There is no such circuit.
        """
        from graph_schema.motif_search import stored_tests

        return stored_tests(self._client.service.store, None if circuit is None else _id(circuit))

    def tested(self, test_id: str) -> MotifTest:
        """The stored test with this id, or the only one whose id starts so.

        Raises:
            NotFoundError: None, or several; the message names them.
        """
        from graph_schema.store.records.motif_tests import read_motif_test

        return read_motif_test(self._client.service.store, test_id)[1]

    def roles(self, circuit: str | Circuit) -> dict[str, tuple[RoleName, ...]]:
        """The roles of a circuit's nodes, by name; nodes without one are left out.

        Raises:
            NotFoundError: There is no such circuit.
        """
        from graph_schema.store.records.circuits import resolve_circuit
        from graph_schema.store.records.node_roles import read_node_roles

        store = self._client.service.store
        whole_id = store.read(lambda tx: resolve_circuit(tx, _id(circuit)))
        return read_node_roles(store, whole_id)

    def _motif(self, motif: str | Motif) -> Motif:
        return motif if isinstance(motif, Motif) else self.named(motif)


def _id(circuit: str | Circuit) -> str:
    return circuit.circuit_id if isinstance(circuit, Circuit) else circuit
