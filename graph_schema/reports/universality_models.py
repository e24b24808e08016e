"""What a universality report says of each model: states, effects, roles, circuits.

The rows name the job that measured them.
"""

from __future__ import annotations

from graph_schema.documents.role import Behaviour
from graph_schema.documents.rungs import Rung
from graph_schema.documents.universality import ModelEvidence, UniversalityReport
from graph_schema.reports.tables import number
from graph_schema.reports.universality_sections import Section, interval, listed


def models(found: UniversalityReport) -> Section:
    rows = tuple(
        (
            each.name,
            each.family,
            *(each.at(rung).state.value for rung in Rung),
            _accuracy(each.behaviour),
            _gap(each.behaviour),
            _why(each),
            each.jobs.get("roles", "")[:12],
        )
        for each in found.models
    )
    return Section(
        "Models",
        (
            "Accuracy is that of the condition (a repeat period, a template) a model does worst "
            "on; the gap is loss(empty) - loss(full) with its 95 % interval, both by the job named "
            "here. What the states rest on stands in the tables below.",
        ),
        ("model", "family", *(rung.value for rung in Rung), "accuracy", "gap", "why", "job"),
        rows,
        f"MATCH (v:Verdict {{job_id: '{found.job_id}', rung: 'wiring', path: 'any'}})"
        "-[e:SUPPORTED_BY|CONTRADICTED_BY|UNDECIDED_IN]->(m:Model) "
        "RETURN m.family, m.name, e.behaviour, e.role, e.wiring, e.reason",
        f"UNWIND {listed(m.jobs.get('roles') for m in found.models)} AS job "
        "MATCH (t:RoleTest {job_id: job})-[:OF_MODEL]->(m:Model) RETURN m.name, t.document",
    )


def _accuracy(told: Behaviour | None) -> str:
    if told is None:
        return ""
    where = min(told.accuracy, key=lambda name: told.accuracy[name])
    return f"{told.worst:.2f} ({where})"


def _gap(told: Behaviour | None) -> str:
    return "" if told is None else f"{told.gap:.3g} [{told.gap_low:.3g}, {told.gap_high:.3g}]"


def _why(found: ModelEvidence) -> str:
    """The reason of the highest rung, and of the one below where that is another."""
    told = dict.fromkeys(found.at(rung).reason for rung in (Rung.WIRING, Rung.ROLE))
    return " | ".join(filter(None, told))


def effects(found: UniversalityReport) -> Section:
    rows: list[tuple[str, ...]] = []
    for model in found.models:
        for each in model.super_edges:
            edge = each.edge
            if edge is None:
                continue
            rows.append(
                (
                    model.name,
                    each.name,
                    f"{'at most ' if edge.is_bound else ''}{interval(edge)}",
                    each.state.value,
                    interval(edge.direct),
                    each.wired,
                    ", ".join(f"{m.component} {interval(m)}" for m in edge.mediators),
                    ", ".join(f"{c.name} {interval(c)}" for c in edge.controls),
                    ", ".join(f"{r.wiring} {interval(r)}" for r in model.restored),
                    model.jobs.get("effects", "")[:12],
                )
            )
    columns = ("model", "super-edge", "share", "state", "direct part", "runs")
    return Section(
        "Effects",
        (
            "Shares are of loss(empty) - loss(full), with 95 % intervals over prompts; direct "
            "parts and mediators are parts of the share; restored is what comes back under the "
            "motif's wiring alone.",
        ),
        (*columns, "mediators", "controls", "restored", "job"),
        tuple(rows),
        f"UNWIND {listed(m.jobs.get('effects') for m in found.models)} AS job "
        "MATCH (g:RoleGraph {job_id: job})-[:HAS_ROLE]->(a)-[e:CARRIES]->(b) "
        "RETURN g.model, a.role, e.channel, b.role, e.share, e.ci_low, e.ci_high, e.direct, "
        "e.direct_ci_low, e.direct_ci_high, e.mediators, e.mediator_shares, e.mediator_ci_low, "
        "e.mediator_ci_high, e.controls, e.control_shares, e.control_ci_low, e.control_ci_high, "
        "g.restored_direct, g.restored_mediated",
    )


def transduction(found: UniversalityReport) -> Section:
    rows = tuple(
        (
            model.name,
            moved.role.value,
            " ".join(moved.members),
            interval(moved.moved),
            interval(moved.same_answer),
            "" if moved.others is None else f"{moved.others:z.2f}",
            model.jobs.get("roles", "")[:12],
        )
        for model in found.models
        if (moved := model.transduction) is not None
    )
    return Section(
        "What the output role's heads carry",
        (
            "Their outputs on another prompt are put in place of their own: how far the answer "
            "moves to that prompt's, as a share of a full swap; where the answer is the same it "
            "should not.",
        ),
        ("model", "role", "heads", "moved", "same answer", "other heads", "job"),
        rows,
        f"UNWIND {listed(m.role_test_id for m in found.models)} AS test "
        "MATCH (t:RoleTest {role_test_id: test}) RETURN t.fingerprint, t.document",
    )


def depth(found: UniversalityReport) -> Section:
    by_place: dict[tuple[str, str], list[float]] = {}
    for model in found.models:
        for role, depth in model.depths.items():
            by_place.setdefault((role, model.family), []).append(depth)
    rows = tuple(
        (role, family, str(len(each)), *map(number, (min(each), sum(each) / len(each), max(each))))
        for (role, family), each in sorted(by_place.items())
    )
    return Section(
        "Depth of roles",
        ("Relative depth, input 0 and logits 1; of each model the mean over a role's members.",),
        ("role", "family", "models", "shallowest", "mean", "deepest"),
        rows,
        f"UNWIND {listed(m.jobs.get('effects') for m in found.models)} AS job "
        "MATCH (g:RoleGraph {job_id: job})-[:HAS_ROLE]->(n) RETURN g.family, n.role, n.members",
    )


def circuits(found: UniversalityReport) -> Section:
    rows = tuple(
        (
            model.name,
            str(len(model.circuits)),
            ", ".join("" if f is None else f"{f:.2f}" for f in model.faithfulness),
            "" if model.motif_in_circuits is None else f"{model.motif_in_circuits:.2f}",
            "" if model.edge_iou is None else f"{model.edge_iou:.2f}",
            model.failures.get("discover", ""),
            model.jobs.get("discover", "")[:12],
        )
        for model in found.models
    )
    return Section(
        "Circuits",
        (
            "Several circuits a model, each found with the edges of those before penalised: in "
            "what share of them the motif occurs (counted below), and how much their edges "
            "overlap: the mean over pairs.",
        ),
        ("model", "circuits", "faithfulness", "with motif", "edge IoU", "failure", "job"),
        rows,
        f"UNWIND {listed(m.jobs.get('discover') for m in found.models)} AS job "
        "MATCH (c:Circuit {job_id: job}) RETURN c.model, c.circuit_id, c.n_edges, c.faithfulness",
        f"UNWIND {listed(m.jobs.get('discover') for m in found.models)} AS job "
        "MATCH (c:Circuit {job_id: job})-[:CONTAINS]->(a)-[e:EDGE]->(b) "
        "WITH job, c, collect(a.name + e.channel + b.name) AS edges "
        "WITH job, collect({id: c.circuit_id, edges: edges}) AS found "
        "UNWIND found AS x UNWIND found AS y WITH x, y WHERE x.id < y.id "
        "WITH x, y, size([n IN x.edges WHERE n IN y.edges]) AS shared "
        "RETURN x.id, y.id, toFloat(shared) / (size(x.edges) + size(y.edges) - shared) AS edge_iou",
    )
