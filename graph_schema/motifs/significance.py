"""Whether motifs occur more often than chance has it, with all comparisons paid for.

Every motif is counted under its null model: motifs that name roles against roles dealt out anew,
the others against rewired graphs. Within a circuit `p_max` is the chance that *any* of the motifs
stands out as much (Westfall and Young's maxT on standardised counts); over all circuits and motifs
`q` is Benjamini and Hochberg's. A motif is called where both are at most alpha: of circuits drawn
from the null at most a share alpha has anything called, however its motifs hang together, and of
all that is called over many circuits at most about a share alpha is false.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graph_schema.documents.motif import Motif, MotifState, MotifTest, NullModel
from graph_schema.motifs.counting import Floats, Ints, Wirings, count_occurrences
from graph_schema.motifs.graph import CircuitGraph
from graph_schema.motifs.relabelling import count_relabelled, relabelled
from graph_schema.motifs.rewiring import Rewired, all_rewired, rewired

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
        counts = [count_relabelled(graph, motif, dealt) for motif in roles]
        null = NullModel.ROLES_PERMUTED
        found.append(_gathered(graph, null, roles, counts, dealt.distinct, exact=dealt.exact))
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
            found.append(_rewired_counts(graph, unsigned, listed))
            chosen = signed
        if chosen:
            found.append(_rewired_counts(graph, chosen, rewired(graph, draws, rng, bare=bare)))
    return found


def _rewired_counts(graph: CircuitGraph, motifs: list[Motif], drawn: Rewired) -> NullCounts:
    counts = [count_occurrences(drawn.wirings, motif) for motif in motifs]
    null = NullModel.REWIRED
    return _gathered(graph, null, motifs, counts, drawn.distinct, exact=drawn.exact)


def _gathered(
    graph: CircuitGraph,
    null: NullModel,
    motifs: list[Motif],
    counts: list[Ints],
    distinct: int,
    *,
    exact: bool,
) -> NullCounts:
    whole = Wirings.of(graph)
    observed = np.array([count_occurrences(whole, motif)[0] for motif in motifs])
    return NullCounts(null, tuple(motifs), observed, np.stack(counts), distinct, exact)


def motif_tests(
    circuits: Mapping[str, CircuitGraph],
    motifs: Sequence[Motif],
    *,
    draws: int = DRAWS,
    seed: int = 0,
    alpha: float = ALPHA,
    effects: Mapping[str, Mapping[str, float]] | None = None,
) -> list[MotifTest]:
    """Test every motif in every circuit (given by id), in the order given.

    Args:
        draws: Graphs drawn from each null model.
        effects: Measured effects of components, by circuit id and name (see `relabelling`).
    """
    tests: list[MotifTest] = []
    for circuit_id, graph in circuits.items():
        measured = (effects or {}).get(circuit_id)
        groups = null_counts(graph, motifs, draws=draws, seed=seed, effects=measured)
        found = {test.motif_id: test for test in _within(circuit_id, groups, alpha)}
        tests.extend(found[motif.motif_id] for motif in motifs)
    return called(tests, alpha=alpha)


def _within(circuit_id: str, groups: list[NullCounts], alpha: float) -> list[MotifTest]:
    """The tests of all motifs in one circuit, with `p` and `p_max`; `q` is still open."""
    means = [group.members.mean(axis=1) for group in groups]
    sds = [group.members.std(axis=1) for group in groups]
    varied = sum(int((sd > 0).sum()) for sd in sds)
    # The largest standardised count of every draw: the null of every motif's own (maxT).
    largest = [
        ((group.counts - mean[:, None])[sd > 0] / sd[sd > 0, None]).max(axis=0, initial=-np.inf)
        for group, mean, sd in zip(groups, means, sds, strict=True)
    ]
    tests: list[MotifTest] = []
    for group, mean, sd in zip(groups, means, sds, strict=True):
        p = group.share_reaching(group.counts, group.observed[:, None])
        for place, motif in enumerate(group.motifs):
            reason = ""
            if sd[place] == 0:
                reason = "every draw of the null has the same count"
            elif 1 / group.distinct > alpha / varied:
                reason = f"{group.distinct} distinct draws cannot reach {alpha:g} / {varied} motifs"
            z = (group.observed[place] - mean[place]) / sd[place] if sd[place] else -np.inf
            tests.append(
                MotifTest(
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
                    state=MotifState.UNTESTABLE if reason else MotifState.NOT_CALLED,
                    reason=reason,
                )
            )
    return tests


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


def called(tests: Iterable[MotifTest], *, alpha: float = ALPHA) -> list[MotifTest]:
    """The tests with `q` (Benjamini and Hochberg 1995, over all that are testable) and state."""
    tests = list(tests)
    testable = [test for test in tests if test.state is not MotifState.UNTESTABLE]
    q = iter(benjamini_hochberg([test.p for test in testable]))
    done: list[MotifTest] = []
    for test in tests:
        if test.state is MotifState.UNTESTABLE:
            done.append(test)
            continue
        value = next(q)
        both = max(value, test.p_max) <= alpha
        state = MotifState.CALLED if both else MotifState.NOT_CALLED
        done.append(test.model_copy(update={"q": value, "state": state}))
    return done


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """The q of each p: the least false-discovery rate at which it is called."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty_like(p)
    q[order] = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1.0)
    return q.tolist()
