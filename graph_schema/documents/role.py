"""Roles: what a head, MLP or feature does in a behaviour; role_graph.py: how roles hang together.

A role is tested by its pattern and by intervention; the names are a closed list, so that a motif
that asks for a role nobody tests for is an error and not an empty answer. Effects and shares have
one sign: positive where the behaviour relies on them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from graph_schema.documents.base import Document, later, sha256_hex
from graph_schema.documents.component import Component
from graph_schema.documents.method import AblationSpec, Metric
from graph_schema.documents.model import ModelDocument

LEAST_CONTROL_SETS = 20
"""Fewer distinct random sets than this are no control."""


class RoleName(StrEnum):
    """What a node does, with the paper that named it."""

    PREVIOUS_TOKEN = "previous_token"  # Elhage et al. 2021
    DUPLICATE_TOKEN = "duplicate_token"  # Wang et al. 2022
    INDUCTION = "induction"  # Olsson et al. 2022
    S_INHIBITION = "s_inhibition"  # Wang et al. 2022
    NAME_MOVER = "name_mover"  # Wang et al. 2022
    BACKUP_NAME_MOVER = "backup_name_mover"  # Wang et al. 2022
    COPY_SUPPRESSION = "copy_suppression"  # McDougall et al. 2023; the IOI paper's negative mover


RolePlace = RoleName | Literal["input", "logits"]
"""A role graph's node: a role, or one of the graph's two ends."""


class Interval(Document):
    """A measured number with its 95 % bootstrap interval over prompts."""

    ci_low: float
    ci_high: float

    @model_validator(mode="after")
    def _in_order(self) -> Interval:
        if self.ci_low > self.ci_high:
            raise ValueError(f"interval [{self.ci_low}, {self.ci_high}] ends before it begins")
        return self


class Share(Interval):
    """A share, in general of the gap loss(empty) - loss(full), with its interval."""

    share: float

    @property
    def text(self) -> str:
        """The share with its interval: `0.42 [0.40, 0.44]`."""
        return f"{self.share:z.2f} [{self.ci_low:z.2f}, {self.ci_high:z.2f}]"


class Behaviour(Document):
    """How well the model does the task whose roles or wiring were measured.

    `accuracy` by condition (a repeat period, a template), of which the least counts; `gap` =
    loss(empty) - loss(full), mean over pairs in metric units. `reason` says why nothing above can
    be tested, and is empty where it can.
    """

    accuracy: Annotated[dict[str, float], Field(min_length=1)]
    gap: float
    gap_low: float
    gap_high: float
    reason: str = ""

    @property
    def worst(self) -> float:
        """The accuracy on the condition that the model does worst on."""
        return min(self.accuracy.values())


class RoleMeasurement(Document):
    """What every measurement on a model says of how it was taken; `job_id` is who took it.

    `notes` are what a reader must know of model and pairs: how many were left out, what was cast.
    """

    model: ModelDocument
    task: str
    task_id: str
    dataset_sha256: str
    metric: Metric
    ablation: AblationSpec
    n_pairs: Annotated[int, Field(ge=1)]
    seed: int
    job_id: str | None = later(None)
    behaviour: Behaviour | None = later(None)
    notes: tuple[str, ...] = later(())

    def id_of(self, counted: str, *parts: str) -> str:
        """The hash of what was measured and how, not of what came out; `parts` are a kind's own.

        Args:
            counted: What its kind says behind the number of pairs and the seed.
            parts: What else tells two of its kind apart.
        """
        said = [
            self.model.fingerprint,
            self.task_id,
            self.dataset_sha256,
            self.metric.value,
            self.ablation.canonical_json(),
            f"{self.n_pairs} {self.seed}{counted}",
            *parts,
            *([self.job_id] if self.job_id else []),
        ]
        return sha256_hex("\n".join(said))

    def check_component(self, name: str) -> None:
        """Return if the model has a component of this name.

        Raises:
            ValueError: It has none; SpecError where the name is no component's.
        """
        part = Component.parse(name)
        layers, heads = self.model.n_layers, self.model.n_heads
        if (part.layer or 0) >= layers or (part.head or 0) >= heads:
            raise ValueError(
                f"{self.model.name!r} has no {name}: it has {layers} layers of {heads} heads"
            )


class RolePlay(Interval):
    """One component tested for one role.

    `scores` is the pattern's score on every probe condition, of which the least counts. `effect` =
    loss(component ablated) - loss(clean), mean over pairs, in metric units. `control` is the mean
    effect of `control_sets` distinct random components alike in kind and depth; null where there
    are too few to compare with. `q`: Benjamini and Hochberg's, over components and roles.

    Components with one pattern stand in for each other, so that none may be missed alone. Where
    `kin` of them have it, `kin_effect` is what this one is worth among them: its Shapley value, the
    mean of what it adds to the loss over orders in which all of them are ablated.
    """

    component: str
    role: RoleName
    scores: Annotated[dict[str, float], Field(min_length=1)]
    effect: float
    control: float | None = None
    control_sets: Annotated[int, Field(ge=0)] = 0
    q: Annotated[float, Field(ge=0, le=1)] | None = None
    passes: bool
    reason: str = ""
    kin: Annotated[int, Field(ge=0)] = later(0)
    kin_effect: float | None = later(None)
    kin_low: float | None = later(None)
    kin_high: float | None = later(None)

    @property
    def worth(self) -> float:
        """The larger of what it is worth alone and among its kin."""
        return (
            self.effect if self.kin_effect is None else max(self.effect, self.kin_effect, key=abs)
        )

    @property
    def score(self) -> float:
        """The pattern's score on the probe condition that it does worst on."""
        return min(self.scores.values())

    @model_validator(mode="after")
    def _among_kin(self) -> RolePlay:
        given = [each is not None for each in (self.kin_effect, self.kin_low, self.kin_high)]
        if any(given) != all(given) or all(given) != (self.kin >= 2):
            raise ValueError(
                f"an effect among {self.kin} components alike: expected it with its interval, and "
                "at least 2 of them"
            )
        return self

    @model_validator(mode="after")
    def _control_has_sets(self) -> RolePlay:
        if self.control is not None and self.control_sets < LEAST_CONTROL_SETS:
            raise ValueError(
                f"a control of {self.control_sets} random sets is none; with fewer than "
                f"{LEAST_CONTROL_SETS} leave it null"
            )
        return self


class Transduction(Document):
    """Whether an output role's heads carry the answer: their outputs on another prompt put here.

    `moved`: how far the logits go to that prompt's answer, as a share of a swap of the whole input;
    `accuracy`: how often that answer comes first then. `same_answer` is the control: the other
    prompt differs everywhere but in the answer. `others` is what the other heads of the same layers
    move, as many at a time; null where there are none.
    """

    role: RoleName
    members: Annotated[tuple[str, ...], Field(min_length=1)]
    moved: Share
    same_answer: Share | None = None
    accuracy: float
    others: float | None = None
    n_prompts: Annotated[int, Field(ge=1)]


class RolesPlayed(RoleMeasurement):
    """All that one measurement of roles found in one model on one task, passing or not.

    `columns` holds figures that describe and never decide: by component and name. `untested` says
    of each role that was asked for and could not be tested why: nobody plays it here as far as is
    known, which is not that nobody does.
    """

    schema_version: Literal[1] = 1
    method_version: Annotated[int, Field(ge=1)] = 1
    """Of the patterns and interventions that test for roles."""
    plays: tuple[RolePlay, ...]
    transductions: tuple[Transduction, ...] = later(())
    columns: dict[str, dict[str, float]] = later({})
    untested: dict[RoleName, str] = later({})

    @property
    def role_test_id(self) -> str:
        """Of what was measured and how, not of what came out: made again it is the same."""
        return self.id_of(f" {self.method_version}")

    @property
    def ranked(self) -> tuple[RolePlay, ...]:
        """Those that pass by role, what is worth most first; then the others by their pattern."""
        return tuple(
            sorted(
                self.plays,
                key=lambda play: (
                    not play.passes,
                    play.role.value,
                    -abs(play.worth) if play.passes else -play.score,
                    play.component,
                ),
            )
        )

    @model_validator(mode="after")
    def _once_each(self) -> RolesPlayed:
        seen: set[tuple[str, RoleName]] = set()
        for play in self.plays:
            if play.role in self.untested:
                raise ValueError(f"{play.role.value} is said to be untested and tested")
            self.check_component(play.component)
            if (play.component, play.role) in seen:
                raise ValueError(f"{play.component} is tested for {play.role.value} twice")
            seen.add((play.component, play.role))
        return self
