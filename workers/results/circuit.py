"""A circuit as the client hands it out: its document, and ways to look at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from graph_schema.documents import (
    Annotation,
    CircuitDocument,
    CircuitEdge,
    Component,
    Evaluation,
    Features,
)
from graph_schema.documents.jobs import RunRecord
from graph_schema.errors import MissingExtraError, NotFoundError
from graph_schema.printable import printable
from graph_schema.reports import circuit_html, circuit_svg, summary
from graph_schema.reports.arranged_circuit import with_stored

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

    from graph_schema.artifacts import ArtifactStore
    from workers.notebook.widget import CircuitWidget


@dataclass(frozen=True)
class EdgeScores:
    """The score of every edge of the model, kept or not; `names[i]` belongs to `scores[i]`."""

    names: NDArray[np.str_]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class PairScores:
    """Every edge's score on every discovery pair: `scores` [pair, edge], `names`, pair `ids`.

    Their mean over pairs is the edge's score.
    """

    names: NDArray[np.str_]
    ids: NDArray[np.str_]
    scores: NDArray[np.float32]


class Circuit:
    """Kept edges with their evidence.

    `document` holds everything that is stored of it; `run` says where, how long and with which
    versions it was found (None for an imported circuit); `annotations` are what people, or its
    file, say of its nodes: notes, labels and groups (supernodes), the oldest first.
    """

    def __init__(
        self,
        document: CircuitDocument,
        artifacts: ArtifactStore,
        run: RunRecord | None = None,
        annotations: tuple[Annotation, ...] = (),
    ) -> None:
        self.document = document
        self.run = run
        self.annotations = annotations
        self._artifacts = artifacts

    @property
    def circuit_id(self) -> str:
        return self.document.circuit_id

    @property
    def job_id(self) -> str | None:
        """The job that found it; None for an imported circuit."""
        return self.document.job_id

    @property
    def edges(self) -> tuple[CircuitEdge, ...]:
        return self.document.edges

    @property
    def n_edges(self) -> int:
        return self.document.n_edges

    @property
    def evaluation(self) -> Evaluation | None:
        """How good it is; None for an imported circuit that nobody has evaluated."""
        return self.document.evaluation

    @property
    def nodes(self) -> tuple[Component, ...]:
        """The components that the edges join, in the order of the forward pass."""
        names = {end for edge in self.edges for end in (edge.sender, edge.receiver)}
        n_layers = self.document.model.n_layers
        return tuple(sorted(map(Component.parse, names), key=lambda node: node.place(n_layers)))

    def scores(self) -> EdgeScores:
        """The scores of all edges, from the artifact store.

        Raises:
            NotFoundError: None were stored with this circuit.
        """
        reference = self.document.artifacts.get("scores")
        if reference is None:
            raise NotFoundError(f"circuit {self.circuit_id} has no stored scores of all edges")
        arrays = self._artifacts.load(reference)
        return EdgeScores(arrays["names"].astype(np.str_), arrays["scores"].astype(np.float32))

    def features(self) -> Features:
        """What each neuron and feature of it is: examples, promoted tokens, detection scores.

        None are described of an imported circuit, or of one of heads and MLPs.
        """
        from graph_schema.circuit_arrays import stored_features

        return stored_features(self.document, self._artifacts)

    def pair_scores(self) -> PairScores:
        """Every edge's score on every pair, where the job was asked to keep them.

        Raises:
            NotFoundError: It was not.
        """
        reference = self.document.artifacts.get("pair_scores")
        if reference is None:
            raise NotFoundError(
                f"circuit {self.circuit_id} has no stored scores of single pairs; submit its job "
                "with keep_pair_scores=True (--keep-pair-scores)"
            )
        found = self._artifacts.load(reference)
        return PairScores(
            found["names"].astype(np.str_),
            found["ids"].astype(np.str_),
            found["scores"].astype(np.float32),
        )

    def export(self, format: str = "eap-ig") -> bytes:
        """The circuit as the bytes of another tool's file (`workers.requests.exchange.FORMATS`).

        EAP-IG's files hold every edge of the model: those without a stored score have score 0.

        Raises:
            SpecError: There is no such format, or it cannot hold this circuit.
            MissingExtraError: It is `eap-ig-pt` and torch is not installed.
        """
        from graph_schema.circuit_arrays import stored_scores
        from workers.requests.exchange import format_named, written

        wanted = format_named(format)
        scores = stored_scores(self.document, self._artifacts) if wanted.whole else {}
        return written(self.document, wanted, scores, self.annotations)

    def to_svg(self) -> str:
        """A drawing of the strongest edges."""
        return circuit_svg(self.document)

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The supernodes that are stored with it, the oldest first, as `widget` draws them.

        What no drawing has room for is left out, as it is on the pages: names are cut at 80
        letters and numbered where two are alike, a node is in one group, a group has two nodes or
        more, and there are at most 40. `annotations` has all as it was said.
        """
        nodes = {end for edge in self.edges for end in (edge.sender, edge.receiver)}
        return {each.name: each.members for each in with_stored((), self.annotations, nodes)}

    def widget(
        self,
        kept: int | None = None,
        chosen: str = "",
        pins: Sequence[str] = (),
        groups: Mapping[str, Sequence[str]] | None = None,
    ) -> CircuitWidget:
        """The drawing to move about in, for a notebook: zoom, prune, choose, pin and group nodes.

        Args:
            kept: How many of the strongest edges it shows first; all where left out.
            chosen: The node that is chosen first; `group-1` is the first group.
            pins: Nodes that are shown whatever is pruned.
            groups: Nodes that are drawn as one, by the group's name; `circuit.groups` are stored.

        Raises:
            MissingExtraError: The extra `[notebook]` is not installed.
            NotFoundError: It has no such node to pin or group.
            SpecError: It has no such node to choose, or a group is none.
        """
        try:
            from workers.notebook.widget import CircuitWidget
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"a widget needs {error.name}, which is not installed where this notebook's kernel "
                "runs; run there: pip install 'circuit-atlas[notebook]'. Without it a circuit "
                "shows itself as a picture"
            ) from error
        return CircuitWidget(self.document, kept, chosen, pins, groups)

    def to_networkx(self) -> nx.MultiDiGraph[str]:
        """A graph of component names; an edge's key is its channel. What is unknown is left out."""
        from graph_schema.exchange import to_networkx

        return to_networkx(self.document)

    def to_pandas(self) -> pd.DataFrame:
        """One row an edge; a number that it has not is NaN."""
        import pandas as pd

        rows = [{"edge": edge.name, **edge.model_dump(mode="json")} for edge in self.edges]
        found = pd.DataFrame(rows, columns=["edge", *CircuitEdge.model_fields])
        # Columns of numbers, also where no edge has one.
        return found.astype({"score": float, "stability": float, "exact": float})

    def __repr__(self) -> str:
        document = self.document
        task = "one prompt" if document.of_one_prompt else document.task or "unknown task"
        return printable(
            f"<Circuit {self.circuit_id[:12]}: {task} in {document.model.name}, "
            f"{self.n_edges:,} of {document.n_edges_scored:,} edges by {document.method.name}>"
        )

    def __str__(self) -> str:
        return summary(self.document)

    def _repr_html_(self) -> str:
        return circuit_html(self.document)
