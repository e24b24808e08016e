"""What is known about a circuit's quality; every figure says what it was measured on."""

from __future__ import annotations

from typing import Literal

from graph_schema.documents.base import Document
from graph_schema.documents.dataset import Split

Preset = Literal["quick", "full"]


class Figure(Document):
    """A number with its 95 % interval over groups of pairs, its split and its count of pairs.

    Where `value` or its interval is null, `reason` says why. Intervals of figures that do not name
    their `n_groups` are percentiles of a bootstrap over groups, which is too short under 20 groups.
    """

    value: float | None
    split: Split
    n: int
    n_groups: int | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    reason: str | None = None


class CurvePoint(Document):
    """Faithfulness of the `n_edges` best edges of a ranking, `share` of all."""

    share: float
    n_edges: int
    faithfulness_abs: float
    faithfulness_signed: float


class RandomCircuits(Document):
    """Faithfulness of `n` random circuits of the circuit's size: mean, smallest and largest."""

    n: int
    mean: float
    low: float
    high: float
    split: Split = Split.DISCOVERY
    n_pairs: int | None = None


ChanceRule = Literal["paths", "layer_pairs", "activation_difference", "shuffled_pairs"]


class Chance(Document):
    """Faithfulness of `n` circuits made by a rule that knows nothing of the behaviour.

    `paths`: random paths from input to logits. `layer_pairs`: as many edges between each two
    layers as the circuit has. `activation_difference`: the edges whose sender changes most when
    ablated. `shuffled_pairs`: the circuit's own method, run on pairs whose answers were dealt out
    anew. `n_edges` is the mean size. Where there is none, `reason` says why.
    """

    rule: ChanceRule
    n: int
    n_edges: float | None = None
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    n_at_least: int | None = None
    """How many are at least as faithful as the circuit."""
    split: Split = Split.DISCOVERY
    reason: str | None = None


class HypothesisTest(Document):
    """A test of Shi et al. (2024, arXiv:2410.13032): what is assumed, and how likely a miss is.

    `power` is the chance of rejecting `null` at level `alpha` if `power_at` is the truth. A p-value
    over `alpha` leaves the null hypothesis standing and shows nothing.
    """

    name: Literal["equivalence", "non_equivalence", "independence", "minimality"]
    null: str
    epsilon: float | None = None
    n: int
    statistic: float | None
    p_value: float | None
    alpha: float = 0.05
    power: float | None
    power_at: str
    split: Split
    reason: str | None = None

    @property
    def outcome(self) -> str:
        """`rejected` or `not rejected`; `not available` without a p-value."""
        if self.p_value is None:
            return "not available"
        return "rejected" if self.p_value <= self.alpha else "not rejected"


class Stability(Document):
    """How far the same method keeps the same edges on other draws of the groups of pairs.

    Frequency (share of bootstrap draws that keep an edge) and sign stability (share in which its
    score keeps its sign) are means over the circuit's edges; the edges carry their own frequency,
    the artifact "stability" has both. Jaccard indices are means over pairs of random halves, and
    over pairs of groups (templates or names).
    """

    draws: int
    n_groups: int
    seed: int
    frequency: float | None = None
    sign_stability: float | None = None
    jaccard_halves: float | None = None
    jaccard_groups: float | None = None
    reason: str | None = None


class SplitLosses(Document):
    """Mean losses on one split: the full model, the circuit, and everything ablated.

    Accuracies and rank are null for data without answers (the `linear` metric's weights).
    """

    split: Split
    n: int
    loss_full: float
    loss_circuit: float
    loss_empty: float
    accuracy_full: float | None
    accuracy_circuit: float | None
    mean_rank_full: float | None


class Evaluation(Document):
    """Faithfulness and its kin (DESIGN §8) under the job's metric and ablation."""

    schema_version: Literal[1] = 1
    preset: Preset
    seed: int
    bootstrap_draws: int
    faithfulness: Figure
    heldout_faithfulness: Figure
    complement_faithfulness: Figure
    cmd: Figure
    cpr: Figure
    losses: tuple[SplitLosses, ...]
    curve: tuple[CurvePoint, ...] = ()
    random_circuits: RandomCircuits | None = None
    redundant_share: Figure | None = None
    """Share of kept edges whose removal changes faithfulness by less than 1 %."""
    chance: tuple[Chance, ...] = ()
    tests: tuple[HypothesisTest, ...] = ()
    stability: Stability | None = None
