"""Scores of some of the pairs, and of several such parts those of all.

A score is a mean over pairs, so the means of parts, each by how many pairs it has, are the mean of
all but for rounding. What ablated values come from is the whole discovery split in every part
(means, and the pairs that `resample` draws), and so is the choice of units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.engine.graph import Graph
from discovery.methods.scoring import Arrays, Scored, Scoring, Work, score
from discovery.methods.selection import Scores
from graph_schema.documents import sha256_hex
from graph_schema.errors import NumericsError

PART = 1
"""Of a part's arrays: raised when they change."""


def bounds(n_pairs: int, index: int, of: int) -> range:
    """The pairs of shard `index` of `of`: parts lie one behind the other, alike in size to one."""
    return range(index * n_pairs // of, (index + 1) * n_pairs // of)


@dataclass(frozen=True)
class Identity:
    """What parts must have in common to be added up: hashes of weights, pairs and edges."""

    weights: str
    dataset: str
    edges: str

    @classmethod
    def of(cls, weights: str, dataset: str, graph: Graph) -> Identity:
        """`weights` and `dataset` are hashes already; edges count in their order."""
        return cls(weights, dataset, sha256_hex("\n".join(graph.names())))

    def differs(self, other: Identity) -> list[str]:
        """Names of what is not the same."""
        return [name for name, value in vars(self).items() if value != vars(other)[name]]


@dataclass(frozen=True)
class Part:
    """Scores of the pairs from `first` to before `end` of `n_pairs`.

    Attributes:
        scores: Means over these pairs, one an edge; 0 where there are none.
        per_pair: [pair of these, edge], where each pair's own are kept.
        cpu_seconds: What they took.
    """

    first: int
    end: int
    n_pairs: int
    identity: Identity
    scores: Scores
    per_pair: Scores | None
    cpu_seconds: float

    def to_arrays(self) -> Arrays:
        """As it is stored."""
        arrays: Arrays = {
            "layout": np.array([PART]),
            "pairs": np.array([self.first, self.end, self.n_pairs]),
            "identity": np.array(
                [self.identity.weights, self.identity.dataset, self.identity.edges]
            ),
            "scores": self.scores,
            "cpu_seconds": np.array([self.cpu_seconds]),
        }
        return arrays if self.per_pair is None else arrays | {"per_pair": self.per_pair}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Part | None:
        """What `to_arrays` made; None where another release did, otherwise."""
        if "layout" not in arrays or arrays["layout"].tolist() != [PART]:
            return None
        first, end, n_pairs = (int(each) for each in arrays["pairs"])
        weights, dataset, edges = (str(each) for each in arrays["identity"])
        return cls(
            first,
            end,
            n_pairs,
            Identity(weights, dataset, edges),
            arrays["scores"].astype(np.float32),
            arrays["per_pair"].astype(np.float32) if "per_pair" in arrays else None,
            float(arrays["cpu_seconds"].sum()),
        )


def score_part(method: Scoring, work: Work, pairs: range, *, keep_pair_scores: bool) -> Scored:
    """The scores of some of the work's pairs, by their places; zeros of none.

    Raises:
        NonFiniteError: A score is NaN or infinite.
    """
    graph = work.experiment.graph
    if not pairs:
        none = np.zeros((0, graph.n_edges), dtype=np.float32) if keep_pair_scores else None
        return Scored(np.zeros(graph.n_edges, dtype=np.float32), none)
    part = Work(
        work.experiment.restricted(pairs),
        work.pairs,
        work.chunk,
        work.report,
        work.checkpoint,
        work.whole,
    )
    found = score(method, part, keep_pair_scores=keep_pair_scores)
    own = None if found.per_pair is None else found.per_pair[pairs.start : pairs.stop]
    return Scored(found.scores, own)


def merged(parts: Sequence[Part], identity: Identity, n_pairs: int) -> Scored:
    """The scores of all `n_pairs` pairs from those of parts that hold each of them once.

    Raises:
        NumericsError: They do not, or are of other weights, pairs or edges than `identity`.
    """
    for number, part in enumerate(parts, 1):
        if others := part.identity.differs(identity):
            raise NumericsError(
                f"shard {number} of {len(parts)} has other {', '.join(others)} than this worker: "
                "see that all workers have one release, one model and one kind of device, then "
                "submit the job again with --force"
            )
    ordered = sorted(parts, key=lambda part: (part.first, part.end))
    ends = [0, *(part.end for part in ordered)]
    begins = [*(part.first for part in ordered), n_pairs]
    if begins != ends or any(part.n_pairs != n_pairs for part in parts):
        held = ", ".join(f"{part.first} to {part.end} of {part.n_pairs}" for part in ordered)
        raise NumericsError(
            f"the shards hold the pairs {held}; expected each of {n_pairs} once: submit the job "
            "again with --force"
        )
    total: NDArray[np.float64] = sum(
        ((part.end - part.first) * part.scores.astype(np.float64) for part in ordered),
        np.zeros(len(ordered[0].scores)),
    )
    kept = [part.per_pair for part in ordered if part.per_pair is not None]
    per_pair = np.concatenate(kept) if len(kept) == len(ordered) else None
    return Scored((total / n_pairs).astype(np.float32), per_pair)
