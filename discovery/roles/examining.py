"""One model examined for roles: probes, patterns, effects, tests, transduction, columns in turn."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from discovery.evaluation.measured import Measured
from discovery.evaluation.session import Session
from discovery.roles.causal import (
    FLOOR,
    Head,
    HeadEffects,
    head_effects,
    worth_ablating,
)
from discovery.roles.coalitions import kin_effects
from discovery.roles.columns import columns
from discovery.roles.copying import copying
from discovery.roles.group_effects import losses
from discovery.roles.movers import (
    NO_MOVERS,
    TOLD_BY_MOVERS,
    into_queries,
    looks_without,
    onto_logits,
)
from discovery.roles.output_roles import OUTPUT_ROLES, transductions
from discovery.roles.patterns import patterns
from discovery.roles.probing import Probed
from discovery.roles.statistics import Effect, effect_of, p_above
from discovery.roles.testing import PATTERN, Hypotheses, Hypothesis, by_condition
from discovery.roles.transduction import why_not
from graph_schema.documents import RoleName, RolePlay, Transduction, head_name
from graph_schema.documents.jobs import RolesSpec

ON_LOGITS = frozenset((RoleName.NAME_MOVER, RoleName.COPY_SUPPRESSION))
"""Roles that are told by what heads write to the logits, whatever others make up for."""


class Examination:
    """What is found as it goes: `plays`, `transductions`, `columns`, `untested`."""

    def __init__(self, session: Session, discovery: Measured, found: Probed) -> None:
        assert isinstance(session.spec, RolesSpec)
        self._spec, self._session, self._probed = session.spec, session, found
        self._adapter, self._discovery = session.experiment.adapter, discovery
        self.untested: dict[RoleName, str] = dict(found.untested)
        self.plays: list[RolePlay] = []
        self.transductions: list[Transduction] = []
        self.columns: dict[str, dict[str, float]] = {}

    def run(self) -> None:
        """Examine the model: its behaviour has been found good enough."""
        session, chunk = self._session, self._session.chunk
        roles = {role for role in self._spec.roles if role not in self.untested}
        told = roles & TOLD_BY_MOVERS
        # Name movers tell backups and S-inhibition, whoever is asked for.
        tested = roles | ({RoleName.NAME_MOVER} if told else set())
        with session.clock.stage("patterns"):
            self._patterns = patterns(
                self._adapter,
                self._probed.conditions,
                chunk=chunk,
                progress=session.report("patterns"),
            )
            looking = self._fitting(self._patterns.scores[RoleName.NAME_MOVER])
            self._copying = copying(self._adapter, self._probed.prompts, looking, chunk)
        with session.clock.stage("effects"):
            shape, fitting = self._adapter.shape, self._any_fitting(tested)
            self._ablated = worth_ablating(shape.n_layers, shape.n_heads, fitting, self._spec.seed)
            self._effects = head_effects(
                session.experiment,
                self._discovery.pairs,
                heads=self._ablated,
                chunk=chunk,
                progress=session.report("effects"),
            )
        tests = Hypotheses(self._effects.means.size * len(tested))
        with session.clock.stage("kin"):
            for role in sorted(tested - TOLD_BY_MOVERS):
                found = self._with_kin(role)
                tests.done += self._with_direct(found) if role in ON_LOGITS else found
        if told:
            with session.clock.stage("movers"):
                self._told_by_movers(told, tests)
        with session.clock.stage("transduction"):
            self.transductions = transductions(
                self._adapter,
                {role: tests.players(role) for role in OUTPUT_ROLES if role in roles},
                self._probed,
                n=self._spec.probes,
                seed=self._spec.seed,
                chunk=chunk,
                progress=session.report("transduction"),
            )
            unfit = {each.role: why for each in self.transductions if (why := why_not(each))}
        plays = tests.plays(self._effects.means, self._spec.seed, unfit)
        self.plays = [play for play in plays if play.role in roles]
        with session.clock.stage("columns"):
            described = columns(
                self._adapter,
                self._discovery.pairs,
                self._patterns,
                tests.players,
                self._session.chunk,
            )
            for name, found in described.items():
                self.columns.setdefault(name, {}).update(found)

    @cached_property
    def _floor(self) -> float:
        """What an effect must exceed, in the metric's units."""
        return FLOOR * max(0.0, float(self._discovery.gap.mean()))

    @cached_property
    def _heads(self) -> list[Head]:
        shape = self._adapter.shape
        return [(layer, head) for layer in range(shape.n_layers) for head in range(shape.n_heads)]

    def _fitting(self, scores: Mapping[str, NDArray[np.float64]]) -> list[Head]:
        """The heads whose attention fits by itself on every condition."""
        return [
            head
            for head in self._heads
            if scores and min(found[head] for found in scores.values()) >= PATTERN
        ]

    def _any_fitting(self, roles: Collection[RoleName]) -> set[Head]:
        """The heads that may play one of the roles, by their pattern alone.

        A backup's is told by the attention that it has without the name movers, which may be more.
        """
        return {
            head
            for role in roles
            for head in self._heads
            if (scores := self._scores(role, head)) and min(scores.values()) >= PATTERN
        }

    def _scores(self, role: RoleName, head: Head) -> dict[str, float]:
        scores = self._patterns.scores[role]
        if role is RoleName.NAME_MOVER:
            copied = {name: found.copied for name, found in self._copying.items()}
            return by_condition(scores, head, copied)
        if role is RoleName.COPY_SUPPRESSION:
            suppressed = {name: found.suppressed for name, found in self._copying.items()}
            return by_condition(scores, head, suppressed)
        return by_condition(scores, head)

    def _with_kin(self, role: RoleName) -> list[Hypothesis]:
        """Every head tested for the role, those with its pattern also among each other."""
        found = [self._hypothesis(role, head) for head in self._ablated]
        kin = [each.head for each in found if each.fits]
        if len(kin) < 2:
            return found
        rises = kin_effects(
            self._session.experiment,
            self._discovery.pairs,
            kin,
            seed=self._spec.seed,
            chunk=self._session.chunk,
            progress=self._session.report("kin"),
        )
        among = {
            head: self._effect(each.sign * row)
            for head, row, each in zip(kin, rises, (e for e in found if e.fits), strict=True)
        }
        return [
            replace(each, kin=len(kin), among=among[each.head]) if each.fits else each
            for each in found
        ]

    def _with_direct(self, found: list[Hypothesis]) -> list[Hypothesis]:
        """Those with the pattern also by what they write to the logits themselves."""
        session, fitting = self._session, {each.head: each for each in found if each.fits}
        patched = losses(
            session.experiment,
            self._discovery.pairs,
            [onto_logits(session.experiment, head) for head in fitting],
            chunk=session.chunk,
            progress=session.report("kin"),
        )
        for (head, each), loss in zip(list(fitting.items()), patched, strict=True):
            direct = self._effect(each.sign * (loss - self._discovery.full.loss))
            told = direct.signed(each.sign)
            own = self.columns.setdefault(head_name(*head), {})
            own |= {"direct_effect": told.mean, "direct_low": told.low, "direct_high": told.high}
            fitting[head] = replace(each, direct=direct)
        return [fitting.get(each.head, each) for each in found]

    def _effect(self, values: NDArray[np.float64]) -> Effect:
        """Of one value a discovery pair, held against the floor."""
        return effect_of(values, self._discovery.groups, self._floor, self._spec.seed)

    def _hypothesis(
        self,
        role: RoleName,
        head: Head,
        *,
        effects: HeadEffects | None = None,
        scores: dict[str, float] | None = None,
        besides: str = "",
        p_besides: float = 0.0,
    ) -> Hypothesis:
        # Copy suppression works against the answer: without it the loss falls.
        sign = -1 if role is RoleName.COPY_SUPPRESSION else 1
        return Hypothesis(
            head,
            role,
            self._scores(role, head) if scores is None else scores,
            self._effect(sign * (effects or self._effects).of(head)),
            self._floor,
            sign=sign,
            besides=besides,
            p_besides=p_besides,
        )

    # Roles that name movers tell.

    def _told_by_movers(self, roles: Collection[RoleName], tests: Hypotheses) -> None:
        movers = tests.players(RoleName.NAME_MOVER)
        if not movers:
            self.untested |= dict.fromkeys(roles, NO_MOVERS)
            return
        if RoleName.S_INHIBITION in roles:
            tests.done += self._inhibitors(movers)
        if RoleName.BACKUP_NAME_MOVER in roles:
            tests.done += self._backups(movers)

    def _inhibitors(self, movers: list[Head]) -> list[Hypothesis]:
        """S-inhibition works through the name movers' queries."""
        found = {head: self._hypothesis(RoleName.S_INHIBITION, head) for head in self._ablated}
        fitting = [head for head, each in found.items() if each.fits]
        patched = losses(
            self._session.experiment,
            self._discovery.pairs,
            [into_queries(self._session.experiment, head, movers) for head in fitting],
            chunk=self._session.chunk,
            progress=self._session.report("movers"),
        )
        for head, loss in zip(fitting, patched, strict=True):
            rises = loss - self._discovery.full.loss
            through = effect_of(rises, self._discovery.groups, 0.0, self._spec.seed)
            self.columns.setdefault(head_name(*head), {})["effect_through_movers_queries"] = (
                through.mean
            )
            lacks = (
                "" if through.low > 0 else "its edges into the name movers' queries carry nothing"
            )
            found[head] = self._hypothesis(
                RoleName.S_INHIBITION, head, besides=lacks, p_besides=through.p
            )
        return list(found.values())

    def _backups(self, movers: list[Head]) -> list[Hypothesis]:
        """Backups look at the answer's name, more than before, when the name movers are ablated.

        Heads that do not look there then are not taken further, and have no play.
        """
        prompts, chunk = self._probed.prompts, self._session.chunk
        before, after = looks_without(self._adapter, prompts, movers, chunk)
        groups = [each.template for several in prompts.values() for each in several]
        means = {name: looks.mean(axis=-1) for name, looks in after.items()}
        looking = [head for head in self._fitting(means) if head not in movers]
        copied = {
            name: each.copied
            for name, each in copying(self._adapter, prompts, looking, chunk).items()
        }
        found: list[Hypothesis] = []
        left = head_effects(
            self._session.experiment,
            self._discovery.pairs,
            heads=looking,
            without=movers,
            chunk=chunk,
            progress=self._session.report("movers"),
        )
        for head in looking:
            grown = np.concatenate([after[name][head] - before[name][head] for name in after])
            growth = effect_of(grown, groups, 0.0, self._spec.seed)
            lacks = "" if growth.low > 0 else "it looks at the name no more without the name movers"
            found.append(
                self._hypothesis(
                    RoleName.BACKUP_NAME_MOVER,
                    head,
                    effects=left,
                    scores=by_condition(means, head, copied),
                    besides=lacks,
                    p_besides=p_above(grown, groups, 0.0),
                )
            )
        return found
