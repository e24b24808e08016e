"""What is known about a circuit's quality; every figure says what it was measured on."""

from __future__ import annotations

from typing import Any, Literal, cast

from pydantic import model_validator

from graph_schema.documents.base import Document, later
from graph_schema.documents.dataset import Split

Preset = Literal["quick", "full"]


class Figure(Document):
    """A number with its 95 % interval over groups of pairs, its split and its count of pairs.

    Where `value` or its interval is null, `reason` says why. Intervals of figures that do not name
    their `n_groups` are percentiles of a bootstrap over groups, which is too short under 40 groups.
    """

    value: float | None
    split: Split
    n: int
    n_groups: int | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    reason: str | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Figure:
        if (self.ci_low is None) is not (self.ci_high is None):
            raise ValueError(f"interval [{self.ci_low}, {self.ci_high}] has one end")
        if self.ci_low is not None and self.ci_high is not None and self.ci_low > self.ci_high:
            raise ValueError(f"interval [{self.ci_low}, {self.ci_high}] ends before it begins")
        return self


class CurvePoint(Document):
    """Faithfulness of the `n_edges` best edges of a ranking, `share` of all."""

    share: float
    n_edges: int
    faithfulness_abs: float
    faithfulness_signed: float


PathRule = Literal["walks", "paths"]
"""How a path of a random circuit is drawn: a uniform next node, or uniformly among all paths."""


class RandomCircuits(Document):
    """Faithfulness of `n` random circuits of the circuit's size: mean, smallest and largest.

    Those that do not name their `rule` were made of paths.
    """

    n: int
    mean: float
    low: float
    high: float
    split: Split = Split.DISCOVERY
    n_pairs: int | None = None
    rule: PathRule = "paths"


ChanceRule = Literal["walks", "paths", "layer_pairs", "activation_difference"]


class Chance(Document):
    """Faithfulness of `n` circuits made by a rule that knows nothing of the behaviour.

    `walks` and `paths`: unions of random paths from input to logits (`PathRule`). `layer_pairs`: as
    many edges between each two layers as the circuit has. `activation_difference`: the edges whose
    sender changes most when ablated. `n_edges` is the mean size. Where there is none, `reason` says
    why.
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


class Specificity(Document):
    """How far a circuit hangs on which answer belongs to which prompt.

    The circuit's own method was run on the discovery pairs with their answers dealt out anew (for
    `kl`: their corrupt prompts), of which `n_kept` of `n_pairs` got the like of their own.
    `faithfulness` is what it then found, judged with the true answers; `jaccard` its overlap with
    the circuit's edges. That is no chance level: the prompts are the same, and so is most of what
    any answer needs. Where there is none, `reason` says why.
    """

    n_pairs: int | None = None
    n_kept: int | None = None
    n_edges: int | None = None
    faithfulness: float | None = None
    jaccard: float | None = None
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
    """Faithfulness and its kin (docs/definitions.md) under the job's metric and ablation."""

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
    error_share: Figure | None = later(None)
    """Of circuits of features: the share of the effect that passes what dictionaries miss (errors)
    and units that are no candidates (rest): 1 - f(C without them) / f(C), where the headline is."""
    specificity: Specificity | None = None
    tests: tuple[HypothesisTest, ...] = ()
    stability: Stability | None = None

    @model_validator(mode="before")
    @classmethod
    def _shuffled_answers_were_a_chance(cls, value: Any) -> Any:
        """Evaluations stored before `specificity` had its figure as a rule of `chance`."""
        if not isinstance(value, dict):
            return value
        found = cast("dict[str, Any]", value)
        chance: list[Any] = list(found.get("chance") or ())
        old = [each for each in chance if isinstance(each, dict) and _is_shuffled(each)]
        if not old or found.get("specificity") is not None:
            return value
        size = old[0].get("n_edges")
        told = {
            "faithfulness": old[0].get("mean"),
            "n_edges": None if size is None else round(size),
            "split": old[0].get("split", Split.DISCOVERY),
            "reason": old[0].get("reason"),
        }
        rest = [each for each in chance if each not in old]
        return {**found, "chance": rest, "specificity": told}


def _is_shuffled(chance: dict[str, Any]) -> bool:
    return chance.get("rule") == "shuffled_pairs"
