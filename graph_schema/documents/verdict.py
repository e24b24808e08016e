"""Verdicts: what is said of a motif over many models, and what would make it untrue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from graph_schema.documents.base import Document, later, sha256_hex
from graph_schema.documents.motif import MotifName
from graph_schema.documents.protocol import Protocol
from graph_schema.documents.rungs import ModelFinding, Rung, RungState

ENOUGH = 0.9
"""Of models: what a strong or weak verdict says at least, and a refuted one at most."""
FAMILIES, MODELS_A_FAMILY = 3, 3
"""That a strong verdict needs at least."""
ROUNDED = 1e-3
"""How far a bound may be from what its counts give."""
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class Outcome(StrEnum):
    """`strong` is said of the wiring, `weak` of the role; the other two of either."""

    STRONG = "strong"
    WEAK = "weak"
    REFUTED = "refuted"
    UNDECIDED = "undecided"


def bounds(present: int, absent: int, inconclusive: int) -> tuple[float, float] | tuple[None, None]:
    """Two-sided 95 % Clopper-Pearson bounds of a share of models.

    Inconclusive ones are taken as not present for the lower bound, as present for the upper. None
    where there is no model.
    """
    from scipy.stats import binomtest  # takes most of a second to import

    n = present + absent + inconclusive
    if not n:
        return None, None
    least, most = (
        binomtest(k, n).proportion_ci(0.95, method="exact")
        for k in (present, present + inconclusive)
    )
    return float(least.low), float(most.high)


class Tally(Document):
    """How many models; k of n is `present` of all but the untestable.

    `low` and `high`: two-sided 95 % Clopper-Pearson bounds, the lower counting inconclusive models
    as not present, the upper as present; null where no model could be tested.
    """

    present: Count
    absent: Count
    inconclusive: Count
    untestable: Count
    low: Share | None
    high: Share | None

    @property
    def n(self) -> int:
        return self.present + self.absent + self.inconclusive

    @classmethod
    def counts(cls, states: Iterable[RungState]) -> dict[str, int | float | None]:
        """The fields of the tally of these states."""
        counted = Counter(states)
        present, absent, inconclusive, untestable = (counted[state] for state in RungState)
        low, high = bounds(present, absent, inconclusive)
        return {
            "present": present,
            "absent": absent,
            "inconclusive": inconclusive,
            "untestable": untestable,
            "low": low,
            "high": high,
        }

    @model_validator(mode="after")
    def _bounds_follow(self) -> Tally:
        wanted = bounds(self.present, self.absent, self.inconclusive)
        for given, right in zip((self.low, self.high), wanted, strict=True):
            if (given is None) is not (right is None) or abs((given or 0) - (right or 0)) > ROUNDED:
                raise ValueError(
                    f"bounds of {self.present} to {self.present + self.inconclusive} of {self.n} "
                    f"testable models are {wanted[0]}, {wanted[1]}, not {self.low}, {self.high}"
                )
        return self


class FamilyTally(Tally):
    """The same of one family."""

    family: str


class Equivalence(Document):
    """Whether a super-edge's mean share is the same in all families, within a margin.

    Two one-sided tests on every pair of families (Schuirmann 1987, with Welch's errors): `p` is
    the largest, of the pair that stands furthest apart; null where it could not be tested.
    """

    super_edge: str
    means: dict[str, float]
    p: Share | None
    equivalent: bool
    reason: str = ""


class Verdict(Document):
    """A statement on a motif over models: on its output role (weak form) or wiring (strong form).

    `falsifiers` say what would overturn it, `scope` of which models it is said.
    """

    schema_version: Literal[1] = 1
    motif_id: str
    motif: MotifName
    task: str
    task_id: str
    rung: Rung
    outcome: Outcome
    models: Annotated[tuple[ModelFinding, ...], Field(min_length=1)]
    pooled: Tally
    families: tuple[FamilyTally, ...]
    scope: str
    falsifiers: tuple[str, ...] = ()
    protocol: Protocol | None = later(None)
    over_families: Tally | None = later(None)
    """A family is present where all its testable models are, absent where one is."""
    equivalence: tuple[Equivalence, ...] = later(())
    assumptions: tuple[str, ...] = later(())
    job_id: str | None = later(None)
    """Of the job that judged; not in the id."""

    @property
    def verdict_id(self) -> str:
        """Of what was asked of which models, not of the answer: judging again is the same one.

        By another protocol it is another verdict.
        """
        asked = sorted(found.identity for found in self.models)
        parts = [self.motif_id, self.task_id, self.rung.value, *asked]
        if self.protocol is not None:
            parts.append(f"protocol {self.protocol.protocol_id}")
        return sha256_hex("\n".join(parts))

    @property
    def counterexamples(self) -> tuple[ModelFinding, ...]:
        """The models in which the rung, which is above behaviour, is absent."""
        if self.rung is Rung.BEHAVIOUR:
            return ()
        return tuple(
            found
            for found in self.models
            if (here := found.at(self.rung)) and here.state is RungState.ABSENT
        )

    @model_validator(mode="after")
    def _is_sound(self) -> Verdict:
        said_of = {Outcome.STRONG: Rung.WIRING, Outcome.WEAK: Rung.ROLE}
        if said_of.get(self.outcome, self.rung) is not self.rung:
            raise ValueError(f"a {self.outcome.value} verdict is not said of {self.rung.value}")
        for named in ("fingerprint", "identity"):
            if len({getattr(found, named) for found in self.models}) < len(self.models):
                raise ValueError("a model is given twice")
        self._check_tallies()
        self._check_outcome()
        return self

    def _check_tallies(self) -> None:
        """Tallies are of the models' states, each family of relatives counted once."""
        counted: list[tuple[str, RungState]] = []
        alone = {found.fingerprint for found in self.models if found.counted_with is None}
        for found in self.models:
            here = found.at(self.rung)
            if here is None:
                raise ValueError(f"model {found.fingerprint} says nothing of {self.rung.value}")
            if found.counted_with is None:
                counted.append((found.family, here.state))
            elif found.counted_with not in alone:
                raise ValueError(
                    f"model {found.fingerprint} is counted with {found.counted_with}, which is no "
                    "model here that counts"
                )
        _check_tally("the pooled tally", self.pooled, [state for _, state in counted])
        names = [family.family for family in self.families]
        if len(set(names)) < len(names):
            raise ValueError("a family is given twice")
        if missing := {family for family, _ in counted}.symmetric_difference(names):
            raise ValueError(
                f"family {min(missing)!r} has models and no tally, or a tally and no models"
            )
        for family in self.families:
            mine = [state for name, state in counted if name == family.family]
            _check_tally(f"the tally of family {family.family!r}", family, mine)

    def _check_outcome(self) -> None:
        """What an outcome claims is in the states. That shares are equivalent is the judge's."""
        low, who = self.pooled.low or 0.0, f"a {self.outcome.value} verdict"
        if self.outcome in (Outcome.STRONG, Outcome.WEAK) and low < ENOUGH:
            raise ValueError(f"{who} needs a lower bound of at least {ENOUGH}; it is {low:.3f}")
        if self.outcome is Outcome.STRONG:
            if apart := [each.super_edge for each in self.equivalence if not each.equivalent]:
                raise ValueError(f"{who} has equivalent families; those of {apart[0]} are not")
            for found in self.models:
                if (here := found.at(self.rung)) and here.state is RungState.ABSENT:
                    raise ValueError(
                        f"{who} has no absent model; {found.fingerprint} is one: {here.reason}"
                    )
            tested = [family for family in self.families if family.n >= MODELS_A_FAMILY]
            if len(tested) < FAMILIES:
                raise ValueError(
                    f"{who} needs {FAMILIES} families of at least {MODELS_A_FAMILY} testable "
                    f"models; {len(tested)} of {len(self.families)} are"
                )
        highs = [each.high for each in (self.pooled, *self.families) if each.high is not None]
        below = bool(highs) and min(highs) < ENOUGH
        if self.outcome is Outcome.REFUTED and not below:
            raise ValueError(f"{who} needs an upper bound below {ENOUGH}, pooled or a family's")
        if self.outcome is Outcome.UNDECIDED and below and self.rung is not Rung.BEHAVIOUR:
            raise ValueError(
                f"{who} has no upper bound below {ENOUGH}, pooled or a family's; one is "
                f"{min(highs):.3f}: expected refuted"
            )


def _check_tally(what: str, tally: Tally, states: Sequence[RungState]) -> None:
    for state in RungState:
        counted, found = getattr(tally, state.value), states.count(state)
        if counted != found:
            raise ValueError(f"{what} has {counted} models {state.value}; {found} were found so")
