"""Who plays a role: the pattern on every probe condition, and an effect on the behaviour.

A head plays a role where its pattern scores at least `PATTERN` on each condition, the lower end of
its effect's interval, alone, among its kin, or directly on the logits where the role acts there, is
above an absolute floor, and the hypothesis is rejected at a false discovery rate of `ALPHA` over
all heads and roles tested. The hypothesis is that the head does not play the role: that its pattern
fails, p = 1, or that its effect is no more than the floor; of several effects the smallest p counts
as often as there are effects (Bonferroni). Probes and pairs are drawn
apart, so the one choice does not favour the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from discovery.roles.causal import Head, control
from discovery.roles.statistics import Effect, benjamini_hochberg
from graph_schema.documents import RoleName, RolePlay, head_name

PATTERN = 0.3
ALPHA = 0.05


@dataclass(frozen=True)
class Hypothesis:
    """One head tested for one role: its pattern on each condition, its effect and that one's floor.

    `among` is its effect among `kin` heads with this pattern, itself counted, where there are more.
    `direct` is what its own edge to the logits carries, asked of roles that act there. Of all
    effects one must exceed the floor.
    `sign` is -1 for a role that works against the answer: `effect` is then minus the loss's rise.
    `besides` says what else this role asks for that the head lacks; `p_besides` is the p-value of
    it.
    """

    head: Head
    role: RoleName
    scores: dict[str, float]
    effect: Effect
    floor: float
    kin: int = 0
    among: Effect | None = None
    direct: Effect | None = None
    sign: int = 1
    besides: str = ""
    p_besides: float = 0.0

    @property
    def worst(self) -> str:
        """The condition that the pattern scores least on."""
        return min(self.scores, key=lambda name: self.scores[name])

    @property
    def fits(self) -> bool:
        """Whether the pattern holds on every condition."""
        return self.scores[self.worst] >= PATTERN

    @property
    def effects(self) -> list[tuple[str, Effect]]:
        """The effects that were measured, with what they are called."""
        found = [("effect", self.effect)]
        found += [(f"among {self.kin} alike", self.among)] if self.among else []
        return found + ([("directly on the logits", self.direct)] if self.direct else [])

    @property
    def p(self) -> float:
        if not self.fits:
            return 1.0
        found = [each.p for _, each in self.effects]
        return max(min(1.0, len(found) * min(found)), self.p_besides)

    def why_not(self, q: float) -> str:
        """Why the head does not play the role; empty where it does."""
        if not self.fits:
            return (
                f"pattern {self.scores[self.worst]:.2f} on {self.worst}; expected at least "
                f"{PATTERN:.2f} on every condition"
            )
        if all(each.low <= self.floor for _, each in self.effects):
            told = ", ".join(
                f"{name} {each.mean:.3g} with its interval from {each.low:.3g}"
                for name, each in self.effects
            )
            return f"{told}; expected above {self.floor:.3g}"
        if self.besides:
            return self.besides
        return f"q = {q:.2g}; expected at most {ALPHA:g}" if q > ALPHA else ""


@dataclass
class Hypotheses:
    """All that are tested together, `n_tests` in the end; those not added yet count as p = 1."""

    n_tests: int
    done: list[Hypothesis] = field(default_factory=list[Hypothesis])

    @property
    def q(self) -> NDArray[np.float64]:
        """Benjamini and Hochberg's, of each hypothesis."""
        return benjamini_hochberg(np.array([each.p for each in self.done]), self.n_tests)

    def players(self, role: RoleName) -> list[Head]:
        """The heads that pass so far, in the order of the model."""
        return sorted(
            each.head
            for each, q in zip(self.done, self.q.tolist(), strict=True)
            if each.role is role and not each.why_not(q)
        )

    def plays(
        self, means: NDArray[np.float64], seed: int, unfit: Mapping[RoleName, str]
    ) -> list[RolePlay]:
        """The documents.

        Args:
            means: The effects [layer, head] of every head, for controls.
            seed: Of controls.
            unfit: What is to be said of a role whose heads pass and carry no answer.
        """
        found: list[RolePlay] = []
        for each, q in zip(self.done, self.q.tolist(), strict=True):
            lacks, effect = each.why_not(q), each.effect.signed(each.sign)
            alike = control(means, each.head, seed)
            among = each.among and each.among.signed(each.sign)
            found.append(
                RolePlay(
                    component=head_name(*each.head),
                    role=each.role,
                    scores=each.scores,
                    effect=effect.mean,
                    ci_low=effect.low,
                    ci_high=effect.high,
                    control=alike.effect,
                    control_sets=alike.sets,
                    q=q,
                    passes=not lacks,
                    reason=lacks or unfit.get(each.role, ""),
                    kin=each.kin if among else 0,
                    kin_effect=among and among.mean,
                    kin_low=among and among.low,
                    kin_high=among and among.high,
                )
            )
        return found


def by_condition(
    scores: Mapping[str, NDArray[np.float64]],
    head: Head,
    times: Mapping[str, NDArray[np.float64]] | None = None,
) -> dict[str, float]:
    """A head's scores, each times what it must come with."""
    return {
        name: float(found[head] * (1.0 if times is None else times[name][head]))
        for name, found in scores.items()
    }
