"""Whether motifs occur more often than chance has it, with all comparisons paid for.

Every motif is counted under its null model: motifs that name roles against roles dealt out anew,
the others against rewired graphs. Within a circuit `p_max` is the chance that *any* of the motifs
stands out as much (Westfall and Young's maxT on standardised counts); over all circuits and motifs
`q` is Benjamini and Hochberg's. A motif is called where both are at most alpha: of circuits drawn
from the null at most a share alpha has anything called, however its motifs hang together, and of
all that is called over many circuits at most about a share alpha is false.

All circuits and motifs given are one family, and what came out is one `MotifTest`. A result is
`untestable` where even the least p that its draws allow could not be called by itself, with that
whole family to be paid for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from graph_schema.documents.component import ComponentKind
from graph_schema.documents.motif import Motif
from graph_schema.documents.motif_tests import MotifResult, MotifState, MotifTest, NullModel
from graph_schema.motifs.counting import count_all
from graph_schema.motifs.draws import Draws, Floats, Ints, NullDraws
from graph_schema.motifs.graph import CircuitGraph
from graph_schema.motifs.relabelling import relabelled
from graph_schema.motifs.rewiring import all_rewired, rewired

DRAWS = 1000
ALPHA = 0.05


@dataclass(frozen=True)
class NullCounts:
    """Occurrences of some motifs in the same draws of one null model.

    `counts[motif, draw]`; where `exact`, the draws are the whole null, the observed among them.
    """

    null: NullModel
    motifs: tuple[Motif, ...]
    observed: Ints
    counts: Ints
    distinct: int
    exact: bool

    @property
    def members(self) -> Ints:
        """The draws, with the observed counts as one more where they are not among them."""
        if self.exact:
            return self.counts
        return np.concatenate([self.observed[:, None], self.counts], axis=1)

    def share_reaching(self, values: Ints | Floats, least: Ints | Floats) -> Floats:
        """(1 + #{draw >= least}) / (draws + 1); of an exact null, the plain share."""
        hits = (values >= least).sum(axis=-1)
        n = values.shape[-1]
        return hits / n if self.exact else (1 + hits) / (n + 1)


def null_counts(
    graph: CircuitGraph,
    motifs: Sequence[Motif],
    *,
    draws: int = DRAWS,
    seed: int = 0,
    effects: Mapping[str, float] | None = None,
) -> list[NullCounts]:
    """Count every motif in `draws` graphs of its null model; motifs of one model share draws."""
    # A stream each, so that one model's draws do not depend on which others are asked for.
    streams = [np.random.default_rng([seed, place]) for place in range(3)]
    found: list[NullCounts] = []
    if roles := [motif for motif in motifs if motif.reads_roles]:
        dealt = relabelled(graph, draws, streams[0], effects)
        found.append(_counted(graph, NullModel.ROLES_PERMUTED, roles, dealt))
    wiring = [motif for motif in motifs if not motif.reads_roles]
    kinds = (
        ([m for m in wiring if m.untyped], True),
        ([m for m in wiring if not m.untyped], False),
    )
    for rng, (chosen, bare) in zip(streams[1:], kinds, strict=True):
        # Where the graphs are few they are all listed; which edge has which score is not, so
        # motifs that read signs are always held against draws.
        signed = [motif for motif in chosen if motif.reads_signs]
        unsigned = [motif for motif in chosen if not motif.reads_signs]
        listed = all_rewired(graph, draws, bare=bare) if unsigned else None
        if listed is not None:
            found.append(_counted(graph, NullModel.REWIRED, unsigned, listed))
            chosen = signed
        if chosen:
            drawn = rewired(graph, draws, rng, bare=bare)
            found.append(_counted(graph, NullModel.REWIRED, chosen, drawn))
    return found


def _counted(
    graph: CircuitGraph, null: NullModel, motifs: list[Motif], drawn: NullDraws
) -> NullCounts:
    """Counts of the motifs in the draws, of which only some are there at a time."""
    marks: set[bytes] = set()
    counts: list[Ints] = []
    for part in drawn.parts:
        marks.update(part.marks(of_roles=null is NullModel.ROLES_PERMUTED))
        counts.append(count_all(part, motifs))
    observed = count_all(Draws.of(graph), motifs)[:, 0]
    together = np.concatenate(counts, axis=1)
    return NullCounts(null, tuple(motifs), observed, together, len(marks), drawn.exact)


def motif_tests(
    circuits: Mapping[str, CircuitGraph],
    motifs: Sequence[Motif],
    *,
    draws: int = DRAWS,
    seed: int = 0,
    alpha: float = ALPHA,
    effects: Mapping[str, Mapping[str, float]] | None = None,
    without: Sequence[ComponentKind] = (),
) -> MotifTest:
    """Test every motif in every circuit (given by id), in the order given.

    Args:
        draws: Graphs drawn from each null model.
        without: Leave nodes of these kinds out, with their edges.
        effects: Measured effects of components, by circuit id and name (see `relabelling`).
    """
    results: list[MotifResult] = []
    left_out = tuple(sorted(set(without)))
    for circuit_id, whole in circuits.items():
        graph = whole.without(left_out)
        measured = (effects or {}).get(circuit_id)
        groups = null_counts(graph, motifs, draws=draws, seed=seed, effects=measured)
        found = {result.motif_id: result for result in _within(circuit_id, groups)}
        results.extend(found[motif.motif_id] for motif in motifs)
    judged = called(mark_untestable(results, alpha=alpha), alpha=alpha)
    return MotifTest(alpha=alpha, draws=draws, seed=seed, without=left_out, results=tuple(judged))


def _within(circuit_id: str, groups: list[NullCounts]) -> list[MotifResult]:
    """The results of all motifs in one circuit, with `p` and `p_max`; the family is still open."""
    means = [group.members.mean(axis=1) for group in groups]
    sds = [group.members.std(axis=1) for group in groups]
    # The largest standardised count of every draw: the null of every motif's own (maxT).
    largest = [
        ((group.counts - mean[:, None])[sd > 0] / sd[sd > 0, None]).max(axis=0, initial=-np.inf)
        for group, mean, sd in zip(groups, means, sds, strict=True)
    ]
    results: list[MotifResult] = []
    for group, mean, sd in zip(groups, means, sds, strict=True):
        p = group.share_reaching(group.counts, group.observed[:, None])
        for place, motif in enumerate(group.motifs):
            z = (group.observed[place] - mean[place]) / sd[place] if sd[place] else -np.inf
            results.append(
                MotifResult(
                    circuit_id=circuit_id,
                    motif_id=motif.motif_id,
                    motif=motif.name,
                    null=group.null,
                    observed=int(group.observed[place]),
                    null_mean=float(mean[place]),
                    null_sd=float(sd[place]),
                    draws=group.counts.shape[1],
                    distinct=group.distinct,
                    exact=group.exact,
                    p=float(p[place]),
                    p_max=max(float(p[place]), _p_max(groups, largest, float(z))),
                    state=MotifState.NOT_CALLED if sd[place] else MotifState.UNTESTABLE,
                    reason="" if sd[place] else "every draw of the null has the same count",
                )
            )
    return results


def _p_max(groups: list[NullCounts], largest: list[Floats], z: float) -> float:
    """The chance that the largest standardised count of any null model reaches z.

    The models are drawn independently of each other: the chance that none does is the product.
    """
    # A hair below z, so that equal counts are equal after the division by their deviation.
    least = np.array(z - 1e-9 * max(1.0, abs(z)))
    none = 1.0
    for group, maxima in zip(groups, largest, strict=True):
        if np.isneginf(maxima).all():
            continue  # none of its motifs varies, so there is nothing to reach
        none *= 1.0 - float(group.share_reaching(maxima, least))
    return 1.0 - none


def mark_untestable(results: Sequence[MotifResult], *, alpha: float) -> list[MotifResult]:
    """The results, those `untestable` that no outcome could have had called.

    The least q of a result by itself is 1/distinct x the size of the family, which is all results
    that are not untestable: those with the fewest distinct draws leave first, and cost the others
    nothing.
    """
    family = [r for r in results if r.state is not MotifState.UNTESTABLE]
    too_few: dict[tuple[str, str], str] = {}
    while family:
        fewest = min(result.distinct for result in family)
        if len(family) <= alpha * fewest * (1 + 1e-9):
            break
        for result in (r for r in family if r.distinct == fewest):
            reason = f"{fewest} distinct draws cannot reach {alpha:g} / {len(family)} tests"
            if not result.exact and result.distinct == result.draws:
                reason += f"; ask for {ceil(len(family) / alpha * (1 - 1e-9)):,} draws"
            too_few[result.circuit_id, result.motif_id] = reason
        family = [result for result in family if result.distinct > fewest]
    return [
        result
        if (reason := too_few.get((result.circuit_id, result.motif_id))) is None
        else result.model_copy(update={"state": MotifState.UNTESTABLE, "reason": reason})
        for result in results
    ]


def called(results: Sequence[MotifResult], *, alpha: float = ALPHA) -> list[MotifResult]:
    """The results with `q` (over all that are testable) and state."""
    # Half a second to import, which nothing else in this package needs.
    from scipy.stats import false_discovery_control

    p = [result.p for result in results if result.state is not MotifState.UNTESTABLE]
    q = iter(false_discovery_control(p, method="bh").tolist() if p else [])
    done: list[MotifResult] = []
    for result in results:
        if result.state is MotifState.UNTESTABLE:
            done.append(result)
            continue
        value = next(q)
        both = max(value, result.p_max) <= alpha
        state = MotifState.CALLED if both else MotifState.NOT_CALLED
        done.append(result.model_copy(update={"q": value, "state": state}))
    return done
