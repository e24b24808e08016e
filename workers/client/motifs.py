"""What a client does with motifs: list, add, find and test them. Reached as `client.motifs`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from graph_schema.documents import Motif, MotifTest, Occurrence, RoleName
from workers.results.circuit import Circuit

if TYPE_CHECKING:
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

    def find(
        self, motif: str | Motif, circuit: str | Circuit, *, store: bool = False
    ) -> list[Occurrence]:
        """Where a motif, given by name or as itself, occurs in a circuit.

        Args:
            motif: Its name, or a motif from `parse_motif`.
            circuit: The circuit, or its id or first digits.
            store: Keep the occurrences in the graph, in place of those found before.

        Raises:
            SpecError: No motif is called so.
            NotFoundError: There is no such circuit.
        """
        from graph_schema.motif_search import find_occurrences, store_occurrences

        act = store_occurrences if store else find_occurrences
        return act(self._client.service.store, self._motif(motif), _id(circuit))

    def test(
        self,
        circuits: Sequence[str | Circuit],
        motifs: Sequence[str | Motif] | None = None,
        *,
        draws: int = 1000,
        seed: int = 0,
        alpha: float = 0.05,
        store: bool = True,
    ) -> list[MotifTest]:
        """Whether motifs occur in circuits more often than chance has it.

        `q` is adjusted for all circuits and motifs given together.

        Args:
            circuits: The circuits, or their ids or first digits.
            motifs: By name or as themselves; None tests all that are known.
            draws: Graphs drawn from each null model.
            seed: Of the draws.
            alpha: What `p_max` and `q` must reach for a motif to be called.
            store: Keep the results in the graph, in place of earlier ones.

        Raises:
            SpecError: No motif is called so, one is given twice, or a number makes no sense.
            NotFoundError: There is no such circuit.
        """
        from graph_schema.motif_search import run_motif_tests

        chosen = list(self.known().values()) if motifs is None else [self._motif(m) for m in motifs]
        return run_motif_tests(
            self._client.service.store,
            [_id(circuit) for circuit in circuits],
            chosen,
            draws=draws,
            seed=seed,
            alpha=alpha,
            keep=store,
        )

    def roles(self, circuit: str | Circuit) -> dict[str, tuple[RoleName, ...]]:
        """The roles of a circuit's nodes by name, the strongest first; nodes without are left out.

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
