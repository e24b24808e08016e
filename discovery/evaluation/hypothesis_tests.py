"""Hypothesis tests of a circuit, Shi et al. 2024, arXiv:2410.13032, each with its power.

* equivalence: H0 "circuit and model are about as likely to do better than the other";
* non_equivalence: the same bounds with the hypotheses exchanged, so that rejecting H0 is evidence
  for the circuit (the paper has no such test: a circuit judged on few pairs passes the first);
* independence: H0 "what is left without the circuit knows nothing of how well the model does";
* minimality: H0 "every edge of the circuit matters more than a random added edge mostly does".

Every pair counts as one independent observation; pairs of one template are less than that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from graph_schema.documents import HypothesisTest, Split

ALPHA = 0.05
EPSILON = 0.1
"""How far from one half the chance of doing better may lie, as in the paper."""
QUANTILE = 0.9
"""An edge matters when it beats a random edge in this share of draws, as in the paper."""
PERMUTATIONS = 999
CORRELATION, SIMULATIONS = 0.5, 100
"""Where the power of the test of independence is simulated."""
MOST_PAIRS = 256
"""Independence compares all pairs of pairs; of more than these, a seeded sample is taken."""

PerPair = NDArray[np.float64]


def equivalence(circuit: PerPair, full: PerPair, split: Split) -> HypothesisTest:
    """Sign test of |P(circuit does better) - 1/2| <= ε; values are losses, ties count half.

    The p-value is the largest over the null hypothesis, which its ends attain.
    """
    n = len(full)
    better = _better(circuit, full)
    distance = abs(better - n / 2)
    p = _outside(n, distance, 0.5 + EPSILON)
    tails = [d for d in np.arange(0, n / 2 + 0.5, 0.5) if _outside(n, d, 0.5 + EPSILON) <= ALPHA]
    power = _outside(n, float(tails[0]), 0.5 + 3 * EPSILON) if tails else 0.0
    return HypothesisTest(
        name="equivalence",
        null=f"|P(circuit does better than the model) - 1/2| <= {EPSILON:g}",
        epsilon=EPSILON,
        n=n,
        statistic=better / n,
        p_value=p,
        alpha=ALPHA,
        power=power,
        power_at=f"the chance is 1/2 +- {3 * EPSILON:g}",
        split=split,
    )


def non_equivalence(circuit: PerPair, full: PerPair, split: Split) -> HypothesisTest:
    """Two one-sided sign tests of |P(circuit does better) - 1/2| >= ε; the larger p-value."""
    n = len(full)
    better = _better(circuit, full)
    low, high = 0.5 - EPSILON, 0.5 + EPSILON
    # Half counts (ties) are rounded towards the null hypothesis.
    p = max(binom.sf(np.floor(better) - 1, n, low), binom.cdf(np.ceil(better), n, high))
    counts = np.arange(n + 1)
    rejects = (binom.sf(counts - 1, n, low) <= ALPHA) & (binom.cdf(counts, n, high) <= ALPHA)
    return HypothesisTest(
        name="non_equivalence",
        null=f"|P(circuit does better than the model) - 1/2| >= {EPSILON:g}",
        epsilon=EPSILON,
        n=n,
        statistic=better / n,
        p_value=float(p),
        alpha=ALPHA,
        power=float(binom.pmf(counts, n, 0.5)[rejects].sum()),
        power_at="the chance is 1/2",
        split=split,
    )


def independence(complement: PerPair, full: PerPair, split: Split, *, seed: int) -> HypothesisTest:
    """Permutation test of the dependence (HSIC) between the losses of M without C and of M."""
    rng = np.random.default_rng(seed)
    if len(full) > MOST_PAIRS:
        chosen = rng.choice(len(full), MOST_PAIRS, replace=False)
        complement, full = complement[chosen], full[chosen]
    n = len(full)
    statistic, p = _dependence(complement, full, rng, PERMUTATIONS)
    rejected = 0
    for _ in range(SIMULATIONS):
        x, noise = rng.normal(size=(2, n))
        y = CORRELATION * x + np.sqrt(1 - CORRELATION**2) * noise
        rejected += _dependence(x, y, rng, 99)[1] <= ALPHA
    return HypothesisTest(
        name="independence",
        null="the losses of the model without the circuit do not depend on the model's losses",
        n=n,
        statistic=statistic,
        p_value=p,
        alpha=ALPHA,
        power=rejected / SIMULATIONS,
        power_at=f"normal losses with correlation {CORRELATION:g} ({SIMULATIONS} simulations)",
        split=split,
    )


def minimality(edges: PerPair, random_edges: PerPair, split: Split, n_pairs: int) -> HypothesisTest:
    """Binomial tests of P(edge's effect > a random added edge's) >= q, one an edge, Bonferroni.

    Args:
        edges: Mean |change of the loss| when each edge of the circuit is removed; those that are
            patched together are one.
        random_edges: The same for an edge of a random walk that was added to the circuit; one a
            draw.
        split: Where effects were measured.
        n_pairs: On how many pairs.
    """
    n, tries = len(random_edges), len(edges)
    wins = (edges[:, None] > random_edges[None, :]).sum(axis=1)
    p = float(min(1.0, tries * binom.cdf(wins.min(), n, QUANTILE)))
    counts = np.arange(n + 1)
    rejects = tries * binom.cdf(counts, n, QUANTILE) <= ALPHA
    return HypothesisTest(
        name="minimality",
        null=(
            f"each of {tries} edges matters more than a random added edge with chance >= "
            f"{QUANTILE:g} (Bonferroni over edges; effects over {n_pairs} pairs)"
        ),
        epsilon=1 - QUANTILE,
        n=n,
        statistic=float(wins.min() / n),
        p_value=p,
        alpha=ALPHA,
        power=float(binom.pmf(counts, n, 0.5)[rejects].sum()),
        power_at="one edge is like a random one (chance 1/2)",
        split=split,
    )


def _better(circuit: PerPair, full: PerPair) -> float:
    """How often the circuit's loss is the lower one; ties count half."""
    return float((circuit < full).sum() + (circuit == full).sum() / 2)


def _outside(n: int, distance: float, chance: float) -> float:
    """P(|K - n/2| >= distance) for K of n with this chance; the same for 1 - chance."""
    low, high = np.floor(n / 2 - distance), np.ceil(n / 2 + distance)
    if low >= high:
        return 1.0
    return float(binom.cdf(low, n, chance) + binom.sf(high - 1, n, chance))


def _dependence(
    x: PerPair, y: PerPair, rng: np.random.Generator, permutations: int
) -> tuple[float, float]:
    """(HSIC, p): the permutation p-value counts the observed order among the draws."""
    k, m, n = _centred(_kernel(x)), _kernel(y), len(x)
    observed = float((k * m).sum()) / n**2
    count = 1
    for _ in range(permutations):
        order = rng.permutation(n)
        count += float((k * m[np.ix_(order, order)]).sum()) / n**2 >= observed * (1 - 1e-12)
    return observed, count / (permutations + 1)


def _kernel(x: PerPair) -> NDArray[np.float64]:
    """Gaussian kernel, as wide as the median distance; all ones where nothing differs."""
    apart = np.abs(x[:, None] - x[None, :])
    positive = apart[apart > 0]
    if not len(positive):
        return np.ones_like(apart)
    return np.exp(-((apart / np.median(positive)) ** 2) / 2)


def _centred(k: NDArray[np.float64]) -> NDArray[np.float64]:
    return k - k.mean(axis=0) - k.mean(axis=1)[:, None] + k.mean()
