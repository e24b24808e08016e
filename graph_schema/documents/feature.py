"""What a feature is: where it is active, what it writes, what it is called.

Of a neuron or a dictionary's unit, told on the clean prompts of a circuit's own data: examples of
the discovery split, and scores on the held-out one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, model_validator

from graph_schema.documents.base import Document
from graph_schema.documents.model import Sha256
from graph_schema.printable import clipped

DetectionRule = Literal["tokens", "activation", "label"]
FEWEST = 3
"""Prompts of a kind, active or not, that a detection score takes."""


class TokenWeight(Document):
    """A token, and how far the unit's direction moves its logit for each unit of coefficient.

    Of a model that answers in other terms than its tokens, `token` and `text` are an output's.
    """

    token: int
    text: str
    weight: float


class FeatureExample(Document):
    """One prompt on which the unit is active, or the part of it around where it is most so.

    Attributes:
        tokens: The prompt's tokens as text.
        activations: The unit's activation at each of them.
        position: Which of them it peaks at: where |activation| is largest.
        start: Where in the prompt they begin; 0 unless the prompt is long.
    """

    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    position: int
    start: int = 0

    @model_validator(mode="after")
    def _fits(self) -> FeatureExample:
        if len(self.tokens) != len(self.activations) or not 0 <= self.position < len(self.tokens):
            raise ValueError(
                f"an example has {len(self.tokens)} tokens, {len(self.activations)} activations "
                f"and its peak at {self.position}; expected one each, and the peak among them"
            )
        return self

    @property
    def peak(self) -> float:
        """The activation where it peaks."""
        return self.activations[self.position]

    def marked(self, around: int | None = None) -> str:
        """The text with the token that it peaks at marked: `and« Mary» went`.

        Args:
            around: How many characters stay on either side of it; None is all.
        """
        at = self.position
        before, after = "".join(self.tokens[:at]), "".join(self.tokens[at + 1 :])
        if around is not None:
            before = before if len(before) <= around else f"…{before[-around:]}"
            after = clipped(after, around)
        return f"{before}\u00ab{self.tokens[at]}\u00bb{after}"


class DetectionScore(Document):
    """Balanced accuracy of telling held-out prompts on which the unit is active from the others.

    A unit is active on a prompt where its activation is not 0 at some token; a neuron or a
    coordinate, where its peak is over half of its largest. `rule` says what tells such prompts:
    `tokens`, that a prompt has one of the tokens at which the shown examples peak; `activation`,
    that the unit is as active on it as on the weakest shown example; `label`, the rule of a label.
    .5 is chance. None with a `reason` where there are under `FEWEST` prompts of a kind.
    """

    rule: DetectionRule
    value: Annotated[float, Field(ge=0, le=1)] | None
    n_active: int
    n_inactive: int
    reason: str | None = None

    @classmethod
    def of(
        cls, rule: DetectionRule, told: Sequence[bool], active: Sequence[bool]
    ) -> DetectionScore:
        """The score of a rule that says of each prompt whether the unit is active on it."""
        n_active = sum(active)
        n_inactive = len(active) - n_active
        value = reason = None
        if min(n_active, n_inactive) < FEWEST:
            reason = (
                f"{n_active} active and {n_inactive} inactive held-out prompts; a score takes "
                f"{FEWEST} of each"
            )
        else:
            hits = sum(a and b for a, b in zip(told, active, strict=True))
            passed = sum(not a and not b for a, b in zip(told, active, strict=True))
            value = (hits / n_active + passed / n_inactive) / 2
        return cls(rule=rule, value=value, n_active=n_active, n_inactive=n_inactive, reason=reason)


class FeatureDescription(Document):
    """What is known of one unit of one model.

    The first position of a prompt is left out of all of it (attention sinks make values there that
    say nothing of the token), unless the unit is active nowhere else.

    Attributes:
        name: The unit's: `m3.f1024`, `m3.n217`.
        dictionary_id: Of the dictionary that it is a unit of; None of a neuron.
        n_prompts: How many discovery prompts it was watched on, `n_tokens` their tokens.
        density: The share of tokens at which its activation is not 0; of neurons and coordinates,
            which are seldom 0, at which |activation| is over a tenth of its largest.
        max_activation: Its activation of the largest size, with its sign.
        examples: Different prompts on which it is most active, the most active first.
        promotes: Tokens whose logits its direction raises most, suppresses: lowers most. The direct
            path to the logits: past the norm's weight after its sublayer, where there is one, and
            the final norm's weight, with the norms' sizes left out; less the mean over tokens,
            which no probability depends on. Of a cross-layer unit the sum over its layers.
        counts_first: Whether the first position counts: it is active nowhere else.
        heldout_active: Which held-out prompts it is active on.
        label: The dictionary's own, where its files hold one.
    """

    schema_version: Literal[1] = 1
    name: str
    dictionary_id: Sha256 | None = None
    dataset_sha256: Sha256 | None = None
    n_prompts: int
    n_tokens: int
    density: float
    max_activation: float
    examples: tuple[FeatureExample, ...]
    promotes: tuple[TokenWeight, ...]
    suppresses: tuple[TokenWeight, ...]
    detection: tuple[DetectionScore, ...] = ()
    counts_first: bool = False
    heldout_active: tuple[int, ...] = ()
    label: str | None = None

    def detected(self, rule: DetectionRule) -> float | None:
        """The score by a rule; None where there is none."""
        return next((each.value for each in self.detection if each.rule == rule), None)


class Features(Document):
    """What is known of a circuit's units, with the held-out prompts that labels are scored on."""

    schema_version: Literal[1] = 1
    units: tuple[FeatureDescription, ...]
    heldout: tuple[tuple[str, ...], ...] = ()
    """Each prompt's tokens as text."""

    @cached_property
    def by_name(self) -> dict[str, FeatureDescription]:
        """Descriptions by the unit's name."""
        return {each.name: each for each in self.units}

    def of(self, names: Sequence[str]) -> Features:
        """The same of some units alone, in the given order; those not described are left out."""
        found = tuple(self.by_name[name] for name in names if name in self.by_name)
        return Features(units=found, heldout=self.heldout)
