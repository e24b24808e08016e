"""What the demo found, told to somebody who sees it for the first time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, LiteralString

from graph_schema.documents import Rung
from graph_schema.documents.rungs import RungState
from graph_schema.documents.universality import ModelEvidence
from graph_schema.printable import printable
from graph_schema.reports import layer_table, picture, summary, table
from graph_schema.reports.text_picture import UNICODE, Marks
from graph_schema.reports.universality_tables import k_of_n, said_of
from workers.cli.demo import MODELS, MOTIF, Trained
from workers.results.universality import Universality

if TYPE_CHECKING:
    from workers.client import CircuitClient

Emit = Callable[[str], None]


@dataclass(frozen=True)
class Query:
    """A question of the demo and the Cypher that asks it; `$job` is the job that judged."""

    words: str
    cypher: LiteralString


QUERIES = (
    Query(
        "The edge that makes it induction, in each model: what previous-token heads hand to the\n"
        "keys of induction heads.",
        "MATCH (v:Verdict {job_id: $job, rung: 'wiring', path: 'any'})\n"
        "      -[says:SUPPORTED_BY|CONTRADICTED_BY|UNDECIDED_IN]->(:Model)\n"
        "MATCH (g:RoleGraph {role_graph_id: says.role_graph_id})\n"
        "      -[:HAS_ROLE]->(a:RoleNode {role: 'previous_token'})\n"
        "      -[e:CARRIES {channel: 'k'}]->(:RoleNode {role: 'induction'})\n"
        "RETURN g.family AS family, a.members AS senders, e.share AS share,\n"
        "       e.ci_low AS low, e.ci_high AS high, e.direct AS direct ORDER BY family",
    ),
    Query(
        "What the verdicts rest on.",
        "MATCH (v:Verdict {job_id: $job, path: 'any'})\n"
        "      -[e:SUPPORTED_BY|CONTRADICTED_BY|UNDECIDED_IN]->(m:Model)\n"
        "RETURN v.rung AS rung, v.outcome AS outcome, v.k AS k, v.n AS n, m.family AS family,\n"
        "       type(e) AS says, e.role AS role, e.wiring AS wiring ORDER BY rung, says, family",
    ),
)


def tell(
    client: CircuitClient,
    models: Sequence[Trained],
    found: Universality,
    emit: Emit,
    *,
    width: int = 100,
    marks: Marks = UNICODE,
) -> None:
    """Models, one circuit, roles, effects, the verdicts with scope and falsifiers, the Cypher."""
    by_path = {each.model: each for each in found.models}
    told = [(model.name, by_path[str(model.path)]) for model in models]
    emit(_models(models))
    _circuit(client, *told[0], emit, width, marks)
    emit(_roles(told))
    emit(_effects(told))
    emit(_verdicts(told, found))
    for query in QUERIES:
        answer = client.cypher(query.cypher, job=found.document.job_id)
        emit(f"\n{query.words}\n\n{_indented(query.cypher)}\n\n{_indented(str(answer))}")


def told_circuit(models: Sequence[Trained], found: Universality) -> str | None:
    """The id of the circuit that is told of; None where none was found."""
    by_path = {each.model: each for each in found.models}
    return next(iter(by_path[str(models[0].path)].circuits), None)


def next_steps(found: Universality) -> str:
    """Commands that go on from here."""
    job, verdict = found.document.job_id, found.verdicts[1].verdict_id[:12]
    circuits = [circuit for each in found.models for circuit in each.circuits]
    zoo = " ".join(f"--model zoo:{family}/{number}" for family, number in MODELS)
    steps = (
        ("all that the verdict rests on", f"circuits report {verdict}"),
        ("as a page with pictures", f"circuits report {verdict} --format html --out report.html"),
        *(("a circuit", f"circuits show {circuit[:12]}") for circuit in circuits[:1]),
        ("how the wiring runs in each", f"circuits query wired-otherwise --param motif={MOTIF}"),
        (
            "your own Cypher",
            f"circuits cypher --param job={job} "
            '"MATCH (v:Verdict {job_id: $job}) RETURN v.rung, v.path, v.outcome, v.k, v.n"',
        ),
        (
            "when along a training it comes",
            f"circuits training {MOTIF} --task induction --model zoo:gpt2/0 --wait",
        ),
        (
            "with a stress test, and without the control",
            f"circuits universality {MOTIF} --task induction {zoo} --wait",
        ),
    )
    return "\n".join(["next:", *(f"  # {words}\n  {command}" for words, command in steps)])


def _models(models: Sequence[Trained]) -> str:
    periods = list(models[0].by_period)
    rows = [
        (
            model.name + (" (control)" if model.is_control else ""),
            *(f"{model.by_period[period]:.2f}" for period in periods),
        )
        for model in models
    ]
    return _part(
        "Models",
        "Each reads random tokens that repeat. How often it says which comes next, by how far\n"
        "apart the copies are; the control was trained on copies 12 apart and knows no others.",
        table(("model", *(f"{period} apart" for period in periods)), rows),
    )


def _circuit(
    client: CircuitClient,
    name: str,
    evidence: ModelEvidence,
    emit: Emit,
    width: int,
    marks: Marks,
) -> None:
    if not evidence.circuits:
        emit(_part(f"A circuit of {name}", evidence.failures.get("discover", "none was found"), ""))
        return
    document = client.circuit(evidence.circuits[0]).document
    emit(
        _part(
            f"A circuit of {name}",
            f"One of {len(evidence.circuits)}, each found without the edges of those before as far "
            "as it goes.",
            summary(document),
        )
    )
    emit("\n" + layer_table(document, width))
    emit("\n" + picture(document, width, max_edges=20, marks=marks))


def _roles(told: Sequence[tuple[str, ModelEvidence]]) -> str:
    rows = [
        (name, str(node.role), " ".join(node.members) or "nobody")
        for name, evidence in told
        for node in evidence.members
        if node.role not in ("input", "logits")
    ]
    return _part(
        "Who plays which role",
        "By what a head looks at on prompts with several periods, and by what its loss costs.",
        table(("model", "role", "heads"), rows),
    )


def _effects(told: Sequence[tuple[str, ModelEvidence]]) -> str:
    rows: list[tuple[str, ...]] = []
    for name, evidence in told:
        for each in evidence.super_edges:
            if (edge := each.edge) is not None:
                direct = f"{edge.direct.share:.2f}" if edge.direct else ""
                wrong = next((c.text for c in edge.controls if c.name == "wrong_position"), "")
                rows.append((name, each.name, edge.text, direct, wrong))
    return _part(
        "What the roles carry to each other",
        "As a share of the behaviour, with 95 % intervals over prompts: all paths, of that the\n"
        "edges from head to head alone, and the same patch where it should carry nothing.",
        table(("model", "carries", "share", "directly", "wrong position"), rows),
    )


def _verdicts(told: Sequence[tuple[str, ModelEvidence]], found: Universality) -> str:
    names = {evidence.fingerprint: name for name, evidence in told}
    rows = [
        (
            said_of(each),
            k_of_n(each.pooled),
            "" if each.pooled.low is None else f"{each.pooled.low:.2f} to {each.pooled.high:.2f}",
            each.outcome.value,
            ", ".join(names[c.fingerprint] for c in each.counterexamples) or "none",
        )
        for each in found.verdicts
    ]
    columns = ("is there", "in models", "95 % bounds", "verdict", "counterexamples")
    lines = [table(columns, rows), ""]
    for name, evidence in told:
        why: dict[str, list[str]] = {}
        for state in map(evidence.at, Rung):
            if state.state is not RungState.PRESENT:
                why.setdefault(state.reason, []).append(f"{state.rung.value} {state.state.value}")
        lines += [f"{name}: {', '.join(said)}: {printable(each)}" for each, said in why.items()]
    lines += ["", "scope: " + printable(found.verdicts[1].scope), "", "what would change it:"]
    lines += [f"  {printable(each)}" for each in found.verdicts[1].falsifiers]
    return _part(
        f"Is {MOTIF} the same circuit in all of them?",
        "Bounds are over models: three models cannot decide what holds of all of their kind.",
        "\n".join(lines),
    )


def _part(heading: str, words: str, body: str) -> str:
    return f"\n{heading}\n{'=' * len(heading)}\n{words}\n\n{body}".rstrip()


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())
