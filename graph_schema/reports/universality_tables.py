"""What a universality report says, as tables and lists that every form of it shows.

Each table names the Cypher that finds its figures in the graph, and its rows the job that measured
them. Nothing is escaped here: that is the business of each form.
"""

from __future__ import annotations

import re

from graph_schema.documents.universality import UniversalityReport
from graph_schema.documents.verdict import Tally, Verdict
from graph_schema.reports import universality_models as of_models
from graph_schema.reports.universality_occurrences import occurrences
from graph_schema.reports.universality_sections import Section, listed
from graph_schema.reports.universality_specificity import specificity

_FINGERPRINT = re.compile(r"\b[0-9a-f]{12}\b")
"""A model as a verdict alone can call it."""


def title(found: UniversalityReport) -> str:
    n = len(found.models)
    return f"{found.motif} on {found.task}, in {n} model{'s' * (n != 1)}"


def by_family(found: UniversalityReport) -> UniversalityReport:
    """The report with its models in the order that a reader looks for them in."""
    models = sorted(found.models, key=lambda model: (model.family, model.name))
    return found.model_copy(update={"models": tuple(models)})


def sections(found: UniversalityReport) -> tuple[Section, ...]:
    """The report from top to bottom; models of a family stand together."""
    found = by_family(found)
    return (
        _verdicts(found),
        _families(found),
        _scope(found),
        Section("Assumptions", found.assumptions),
        _falsifiers(found),
        _stress(found),
        of_models.models(found),
        of_models.effects(found),
        of_models.transduction(found),
        of_models.depth(found),
        of_models.circuits(found),
        occurrences(found),
        specificity(found),
        _alignment(found),
        _equivalence(found),
        _jobs(found),
    )


def said_of(verdict: Verdict) -> str:
    """What a verdict is said of: `role`, `wiring`, `wiring, directly`."""
    direct = verdict.protocol is not None and verdict.protocol.path == "direct"
    return f"{verdict.rung.value}{', directly' if direct else ''}"


def k_of_n(tally: Tally) -> str:
    """`9 of 9`, with what could not be tested."""
    beside = f" (+{tally.untestable} untestable)" if tally.untestable else ""
    return f"{tally.present} of {tally.n}{beside}"


def _verdicts(found: UniversalityReport) -> Section:
    names = {each.fingerprint: each.name for each in found.models}
    rows = tuple(
        (
            said_of(each),
            each.outcome.value,
            k_of_n(each.pooled),
            _bounds(each.pooled),
            ", ".join(f"{f.family} {k_of_n(f)}" for f in each.families),
            k_of_n(each.over_families) if each.over_families else "",
            _bounds(each.over_families),
            ", ".join(names[c.fingerprint] for c in each.counterexamples) or "none",
            each.verdict_id[:12],
        )
        for each in found.verdicts
    )
    columns = ("said of", "outcome", "models", "95 % bounds", "by family", "families")
    return Section(
        "Verdicts",
        (
            f"Super-edges: {found.notation}. Models are counted in which the rung is present, of "
            f"those that could be tested. Judged by job {found.job_id[:12]}.",
        ),
        (*columns, "bounds over families", "counterexamples", "verdict"),
        rows,
        _counted(found),
    )


def _families(found: UniversalityReport) -> Section:
    rows = tuple(
        (said_of(each), tally.family, k_of_n(tally), _bounds(tally))
        for each in found.verdicts
        for tally in each.families
    )
    return Section(
        "By family",
        ("Each family's own count, with bounds over its models.",),
        ("said of", "family", "models", "95 % bounds"),
        rows,
        _counted(found),
    )


def _counted(found: UniversalityReport) -> str:
    """Cypher that finds the counts of the report's verdicts."""
    return (
        f"MATCH (v:Verdict {{job_id: '{found.job_id}'}})-[e:COUNTED_IN]->(f:ModelFamily) "
        "RETURN v.rung, v.path, v.outcome, v.k, v.n, v.low, v.high, f.name, e.k, e.n, e.low, "
        "e.high"
    )


def _scope(found: UniversalityReport) -> Section:
    return Section("Scope", tuple(dict.fromkeys(each.scope for each in found.verdicts)))


def _falsifiers(found: UniversalityReport) -> Section:
    names = {each.fingerprint[:12]: each.name for each in found.models}
    lines: dict[str, list[str]] = {}  # what is said of several verdicts alike stands once
    for verdict in found.verdicts:
        for text in verdict.falsifiers:
            named = _FINGERPRINT.sub(lambda m: names.get(m.group(), m.group()), text)
            lines.setdefault(named, []).append(said_of(verdict))
    told = (f"{' and '.join(of)}: {text}" for text, of in lines.items())
    return Section("What would change the verdicts", tuple(told))


def _stress(found: UniversalityReport) -> Section:
    stress = found.stress
    if stress is None:
        return Section("Stress test", ("None was asked for.",))
    n_states = sum(len(rungs) for rungs in stress.states.values())
    told = f"{stress.what}: {len(stress.moves)} of {n_states} states moved."
    models = {each.fingerprint: each for each in found.models}
    rows = tuple(
        (
            models[each.fingerprint].name,
            each.rung.value,
            each.before.value,
            each.after.value,
            each.reason,
            models[each.fingerprint].jobs.get("stress effects", "")[:12],
        )
        for each in stress.moves
    )
    return Section(
        "Stress test",
        (told[:1].upper() + told[1:],),
        ("model", "rung", "before", "after", "why", "job") if rows else (),
        rows,
        f"UNWIND {listed(m.jobs.get('stress effects') for m in found.models)} AS job "
        "MATCH (g:RoleGraph {job_id: job})-[:HAS_ROLE]->(a)-[e:CARRIES]->(b) "
        "RETURN g.model, a.role, e.channel, b.role, e.share, e.ci_low, e.ci_high, e.controls, "
        "e.control_shares, e.control_ci_low, e.control_ci_high",
        f"UNWIND {listed(m.jobs.get('stress roles') for m in found.models)} AS job "
        "MATCH (t:RoleTest {job_id: job}) RETURN t.fingerprint, t.document",
        counted=True,
    )


def _alignment(found: UniversalityReport) -> Section:
    known = found.alignment
    if known is None:
        return Section("Alignment of role graphs", ("Fewer than two models have a role graph.",))
    verdict = "" if known.testable else ": too few permutations to say anything at this level"
    told = (
        f"Weighted Jaccard index of super-edges, mean over pairs of models: {known.similarity:.2f} "
        f"[{known.ci_low:.2f}, {known.ci_high:.2f}] (parametric, from the shares' intervals), "
        f"p = {known.p:.3g} against {known.draws} permutations of roles within each graph{verdict}."
    )
    family = {each.role_graph_id: each.family for each in found.models}
    groups: dict[tuple[str, str], list[float]] = {}
    for pair in found.alignments:
        one, two = sorted(family[each] for each in pair.role_graph_ids)
        groups.setdefault((one, two), []).append(pair.similarity)
    rows = tuple(
        (one, two, str(len(each)), f"{sum(each) / len(each):.2f}")
        for (one, two), each in sorted(groups.items())
    )
    return Section(
        "Alignment of role graphs",
        (told,),
        ("family", "family", "pairs", "mean"),
        rows,
        f"UNWIND {listed(m.role_graph_id for m in found.models)} AS id "
        "MATCH (a:RoleGraph {role_graph_id: id})-[e:ALIGNED]->(b:RoleGraph) "
        "RETURN a.family, a.model, b.family, b.model, e.similarity, e.ci_low, e.ci_high, e.p",
    )


def _equivalence(found: UniversalityReport) -> Section:
    rows = tuple(
        (
            said_of(verdict),
            each.super_edge,
            ", ".join(f"{family} {mean:.2f}" for family, mean in sorted(each.means.items())),
            "" if each.p is None else f"{each.p:.3g}",
            "yes" if each.equivalent else f"no: {each.reason}",
        )
        for verdict in found.verdicts
        for each in verdict.equivalence
    )
    return Section(
        "Do families carry the same",
        (
            f"Two one-sided tests that all families' means lie within {found.protocol.margin:g} of "
            f"each other, at level {found.protocol.alpha:g}.",
        ),
        ("said of", "super-edge", "means by family", "p", "equivalent"),
        rows,
        f"MATCH (v:Verdict {{job_id: '{found.job_id}'}}) RETURN v.rung, v.path, v.document",
    )


def _jobs(found: UniversalityReport) -> Section:
    rows = tuple(
        (model.name, what, job_id, model.failures.get(what, ""))
        for model in found.models
        for what, job_id in model.jobs.items()
    )
    return Section(
        "Jobs",
        (f"Judged by job {found.job_id}, by protocol {found.protocol.protocol_id}.",),
        ("model", "what", "job", "failure"),
        rows,
        f"UNWIND {listed(j for m in found.models for j in m.jobs.values())} AS id "
        "MATCH (j:Job {job_id: id}) RETURN j.job_id, j.kind, j.state, j.spec",
    )


def _bounds(tally: Tally | None) -> str:
    if tally is None or tally.low is None or tally.high is None:
        return ""
    return f"{tally.low:.3f} to {tally.high:.3f}"
