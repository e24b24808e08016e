"""The job that judges: from what other jobs left in the graph to verdicts and reports."""

from __future__ import annotations

import json
from collections.abc import Generator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from graph_schema.documents import Outcome, Rung, RungState
from graph_schema.documents.jobs import JobState, UniversalitySpec
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.role_graphs import write_role_graph
from graph_schema.store.records.verdicts import read_verdict
from tests.made_universality import Made, effects_of, placed, store_jobs
from tests.workers.tiny import worker_settings
from workers.cli import app
from workers.client import CircuitClient
from workers.requests.discover import Submission
from workers.results.universality import Universality
from workers.running.inline import do_here

EVIL = "<script>alert(1)</script>|`x`\x1b[31m"


@pytest.fixture
def client(embedded_store: GraphStore, tmp_path: Path) -> Generator[CircuitClient]:
    settings = worker_settings(tmp_path / "home", embedded_store.address)
    with CircuitClient(settings=settings) as connected:
        yield connected


def judged(
    client: CircuitClient, store: GraphStore, models: list[Made], **options: Any
) -> tuple[Universality, UniversalitySpec]:
    spec = store_jobs(store, models, **options)
    job = do_here(client, Submission(spec, placed(models[0].name), None))
    assert job.state is JobState.SUCCEEDED, job.error
    return job.outcome(progress=False), spec


def made(prefix: str, *families: tuple[str, str]) -> list[Made]:
    return [
        Made(f"{prefix}/{family}-{number}", family, how)
        for family, hows in families
        for number, how in enumerate(hows)
    ]


def states(found: Universality, rung: Rung) -> str:
    """A letter a model, in the order they were made in."""
    by_name = {each.model.rsplit("/", 1)[-1]: each.at(rung).state for each in found.models}
    return "".join(by_name[name].value[0] for name in sorted(by_name))


def test_states_verdicts_and_reasons_of_models_of_every_kind(
    client: CircuitClient, embedded_store: GraphStore
) -> None:
    models = made("every", ("gpt2", "mm"), ("llama", "dd"), ("neox", "arbfe"))
    found, _ = judged(client, embedded_store, models)
    assert states(found, Rung.BEHAVIOUR) == "pp" + "pp" + "ppaup"
    assert states(found, Rung.ROLE) == "pp" + "pp" + "pauup"
    assert states(found, Rung.WIRING) == "pp" + "pp" + "aauuu"
    role, wiring, direct = found.verdicts
    assert (role.pooled.present, role.pooled.n, role.pooled.untestable) == (6, 7, 2)
    assert (wiring.pooled.present, wiring.pooled.n, wiring.pooled.untestable) == (4, 6, 3)
    # Of gpt2 both are absent directly, of neox both in any way: a family of 0 of 2 refutes.
    assert [each.outcome for each in found.verdicts][1:] == [Outcome.REFUTED, Outcome.REFUTED]
    assert {each.family for each in direct.counterexamples} == {"gpt2", "neox"}
    assert {each.family for each in wiring.counterexamples} == {"neox"}
    by_how = {each.how: model for each, model in zip(models, _in_order(found, models), strict=True)}
    assert "out of memory" in by_how["f"].at(Rung.ROLE).reason
    assert "worker died" in by_how["e"].at(Rung.WIRING).reason
    assert by_how["b"].at(Rung.WIRING).state is RungState.UNTESTABLE
    assert [edge.wired for edge in by_how["m"].super_edges] == ["through m0", "directly"]
    assert [edge.wired for edge in by_how["d"].super_edges] == ["directly", "directly"]
    assert by_how["d"].motif_in_circuits == pytest.approx(2 / 3)
    assert 0.7 < (by_how["d"].edge_iou or 0) < 0.9


def _in_order(found: Universality, models: list[Made]) -> list[Any]:
    by_fingerprint = {each.fingerprint: each for each in found.models}
    return [by_fingerprint[each.document.fingerprint] for each in models]


def test_a_model_of_which_nothing_can_be_read_is_untestable_and_said_so(
    client: CircuitClient, embedded_store: GraphStore
) -> None:
    found, _ = judged(client, embedded_store, made("nothing", ("llama", "dn")))
    lost = next(each for each in found.models if each.family == "unknown")
    assert {each.state for each in lost.rungs} == {RungState.UNTESTABLE}
    assert "no config" in lost.rungs[0].reason
    assert "1 more could not be read" in found.verdicts[0].scope


def test_a_stress_test_says_which_states_moved(
    client: CircuitClient, embedded_store: GraphStore
) -> None:
    found, _ = judged(client, embedded_store, made("stress", ("llama", "dd")), stressed="a")
    stress = found.document.stress
    assert stress is not None
    assert [(each.rung, each.before, each.after) for each in stress.moves] == [
        (Rung.WIRING, RungState.PRESENT, RungState.ABSENT)
    ] * 2
    assert "ablation mean in place of corrupt" in stress.what


def test_the_json_object_has_the_keys_that_are_promised(
    client: CircuitClient, embedded_store: GraphStore
) -> None:
    found, spec = judged(client, embedded_store, made("keys", ("llama", "d"), ("gpt2", "m")))
    text = json.loads(json.dumps(found.to_json({"./given": found.models[0].fingerprint})))
    assert text["job_id"] == spec.job_id
    assert text["state"] == "succeeded"
    (model,) = text["models"]
    assert model["model"] == "./given"
    assert set(model["rungs"]) == {"behaviour", "role", "wiring"}
    assert set(model["rungs"]["role"]) == {"state", "reason"}
    wanted = {"sender", "channel", "receiver", "share", "ci_low", "ci_high", "direct", "mediators"}
    assert wanted | {"restored", "controls"} <= set(model["super_edges"][0])
    wanted = {"fingerprint", "family", "transduction", "same_answer", "circuits", "edge_iou"}
    assert wanted | {"motif_in_circuits"} <= set(model)
    wanted = {"verdict_id", "rung", "outcome", "k", "n", "low", "high", "families"}
    assert wanted | {"counterexamples"} <= set(text["verdicts"][0])
    assert {"assumptions", "stress", "motif", "task"} <= set(text)
    assert set(Universality.no_json()) <= set(text)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


def test_hostile_names_stay_text_in_every_form(
    client: CircuitClient, embedded_store: GraphStore
) -> None:
    found, spec = judged(
        client, embedded_store, [Made(EVIL, "llama", "d"), Made("b", "llama", "m")]
    )
    page = _Tags()
    page.feed(found.to_html())
    assert "script" not in page.tags
    assert not [name for name in page.attributes if name.startswith("on")]
    assert "http" not in found.to_html().replace("http://www.w3.org/2000/svg", "").replace(
        "http-equiv", ""
    )
    assert "<script" not in found.to_markdown()
    assert "\x1b" not in found.to_markdown() + found.to_html() + str(found)
    for part in ("Assumptions", "Scope", "Stress test", "What would change the verdicts"):
        assert part in found.to_html()
        assert f"## {part}" in found.to_markdown()
    assert spec.models[0].main.effects[:12] in found.to_html()
    assert "MATCH (g:RoleGraph {job_id: job})" in str(found)


def test_the_report_is_found_by_verdict_or_job_and_every_query_in_it_answers(
    client: CircuitClient, embedded_store: GraphStore
) -> None:
    models = made("asked", ("llama", "dd"), ("gpt2", "m"))
    found, spec = judged(client, embedded_store, models, stressed="a")
    verdict = found.verdicts[1]
    assert read_verdict(embedded_store, verdict.verdict_id) == verdict
    for given in (verdict.verdict_id[:20], spec.job_id[:20]):
        assert client.report(given).document == found.document
    from graph_schema.reports.universality_tables import sections

    asked = [part for part in sections(found.document) if part.queries]
    assert len(asked) >= 8
    answers = {
        part.title: [client.cypher(query).records() for query in part.queries] for part in asked
    }
    assert all(rows for told in answers.values() for rows in told)
    assert {part.title for part in sections(found.document) if part.rows} == set(answers)
    _are_the_figures(answers, found)
    rows = client.verdicts()
    assert {verdict.verdict_id} <= {row["verdict_id"] for row in rows}
    environment = client.settings.environment()
    shown = CliRunner().invoke(app, ["report", verdict.verdict_id[:20]], env=environment)
    assert shown.exit_code == 0, shown.output
    assert "counterexamples" in shown.stdout


def test_what_a_job_found_stays_when_another_seed_judges_the_same(
    client: CircuitClient, embedded_store: GraphStore
) -> None:
    models = made("seeds", ("llama", "d"), ("gpt2", "m"))
    first, spec = judged(client, embedded_store, models)
    later, other = judged(client, embedded_store, models, seed=1)
    own = [[each.verdict_id for each in found.verdicts] for found in (first, later)]
    assert own[0] == own[1]
    for asked, found in ((spec, first), (other, later)):
        assert client.job(asked.job_id).outcome(progress=False).document == found.document
        assert client.report(asked.job_id[:20]).document == found.document
    assert client.report(own[0][0][:20]).document == later.document


def _are_the_figures(answers: dict[str, list[list[dict[str, Any]]]], found: Universality) -> None:
    """What the queries answer is what the report says, for every kind of figure."""
    by_name = {each.name: each for each in found.models}
    edges = {(row["g.model"], row["a.role"], row["b.role"]): row for row in answers["Effects"][0]}
    assert len(edges) == 6
    for name, model in by_name.items():
        for each in model.super_edges:
            assert each.edge is not None
            row = edges[name, each.edge.sender, each.edge.receiver]
            told = (row["e.share"], row["e.ci_low"], row["e.ci_high"])
            assert told == (each.edge.share, each.edge.ci_low, each.edge.ci_high)
            assert row["e.mediator_shares"] == [m.share for m in each.edge.mediators]
            assert row["e.control_ci_high"] == [c.ci_high for c in each.edge.controls]
            assert row["g.restored_direct"] == model.restored[0].share
    states = {row["m.name"]: row for row in answers["Models"][0]}
    gaps = {row["m.name"]: json.loads(row["t.document"]) for row in answers["Models"][1]}
    moved = [
        json.loads(row["t.document"]) for row in answers["What the output role's heads carry"][0]
    ]
    shares = {each["model"]["name"]: each["transductions"][0]["moved"]["share"] for each in moved}
    for name, model in by_name.items():
        assert states[name]["e.wiring"] == model.at(Rung.WIRING).state
        assert gaps[name]["behaviour"]["gap"] == (model.behaviour and model.behaviour.gap)
        assert model.transduction is not None
        assert shares[name] == model.transduction.moved.share
    overlaps = [row["edge_iou"] for row in answers["Circuits"][1]]
    assert len(overlaps) == 9
    assert sum(overlaps) / 9 == pytest.approx(sum(m.edge_iou or 0 for m in found.models) / 3)
    counts = {
        row["r.circuit_id"]: row["r.observed"] for row in answers["Occurrences against chance"][0]
    }
    test = found.document.occurrences
    assert test is not None
    assert counts == {each.circuit_id: each.observed for each in test.results}
    kinds = {row["v.rung"]: (row["v.k"], row["v.n"]) for row in answers["Verdicts"][0]}
    assert kinds["role"] == (3, 3)
    alike = answers["Alignment of role graphs"][0]
    assert {row["e.similarity"] for row in alike} == {
        each.similarity for each in found.document.alignments
    }
    assert len(answers["Stress test"][0]) == 6
    documents = {
        (row["v.rung"], row["v.path"]): json.loads(row["v.document"])
        for row in answers["Do families carry the same"][0]
    }
    for path, mean in (("any", 0.5), ("direct", 0.45)):
        (keys, _) = documents["wiring", path]["equivalence"]
        assert keys["means"]["llama"] == pytest.approx(mean)
    assert {row["j.state"] for row in answers["Jobs"][0]} == {"succeeded"}


def test_wired_otherwise_names_the_mediator_by_family(
    client: CircuitClient, embedded_store: GraphStore
) -> None:
    judged(client, embedded_store, made("wired", ("llama", "d"), ("gpt2", "m")))
    rows = client.query("wired-otherwise", motif="induction").records()
    aligned = "MATCH (a:RoleGraph)-[e:ALIGNED]-(b:RoleGraph) WHERE a.model < b.model RETURN a.model"
    assert len([row for row in client.cypher(aligned).rows if row[0].startswith("wired/")]) == 1
    mine = {row["family"]: row for row in rows if row["model"].startswith("wired/")}
    assert mine["gpt2"]["mediators"] == ["m0"]
    assert mine["gpt2"]["direct"] < 0.3 < mine["llama"]["direct"]


@pytest.mark.slow
def test_what_is_stored_later_against_a_strong_verdict_is_flagged(
    client: CircuitClient, embedded_store: GraphStore
) -> None:
    families = [(family, "d" * 12) for family in ("gpt2", "llama", "neox")]
    found, spec = judged(client, embedded_store, made("strong", *families), seed=5)
    strong = found.verdicts[1]
    assert [each.outcome for each in found.verdicts] == [
        Outcome.WEAK,
        Outcome.STRONG,
        Outcome.STRONG,
    ]
    late = made(
        "late", *[(family, "d" * 12) for family in ("gpt2", "llama")], ("neox", "d" * 11 + "a")
    )
    later, _ = judged(client, embedded_store, late, seed=5)
    rows = client.query("contradictions", motif="induction").records()
    mine = [row for row in rows if row["verdict"] == strong.verdict_id]
    assert {row["kind"] for row in mine} >= {"RoleGraph", "Verdict"}
    against = [row for row in mine if row["contradicted_by"] == later.verdicts[1].verdict_id]
    assert "1 of its models lack the wiring" in against[0]["reason"]
    graphs = [row for row in mine if row["kind"] == "RoleGraph"]
    assert {row["model"] for row in graphs} == {"late/neox-11"}
    # Measured again and found there, it is no contradiction any more.
    last = late[-1]
    effects = next(m for m in later.models if m.fingerprint == last.document.fingerprint)
    from graph_schema.documents.jobs import EffectsSpec, read_spec

    effects_spec = read_spec(jobs.get(embedded_store, effects.jobs["effects"]).spec)
    assert isinstance(effects_spec, EffectsSpec)
    again = effects_of(last, "d", effects_spec, effects_spec.ablation)
    embedded_store.write(lambda tx: write_role_graph(tx, again))
    rows = client.query("contradictions", motif="induction").records()
    mine = [row for row in rows if row["verdict"] == strong.verdict_id]
    assert "RoleGraph" not in {row["kind"] for row in mine}
    assert spec.job_id == strong.job_id


def test_occurrences_of_every_circuit_stand_beside_chance_in_every_form(
    client: CircuitClient, embedded_store: GraphStore
) -> None:
    found, _ = judged(client, embedded_store, made("chance", ("llama", "dd"), ("gpt2", "bf")))
    test = found.document.occurrences
    assert test is not None
    # Of the model that does not do the task no role passes; of the failed job nothing is known.
    assert len(test.results) == 3 * 3
    by_model = {each.model.rsplit("/", 1)[-1]: each for each in found.models}
    counts = {r.circuit_id: (r.observed, r.null_mean, r.distinct) for r in test.results}
    mine = [counts[each] for each in by_model["llama-0"].circuits]
    assert sorted(count[0] for count in mine) == [0, 1, 1]
    # In one of the distinct deals both heads get their own role, in the others at most one of them.
    for observed, mean, distinct in mine:
        assert mean in (0, pytest.approx(1 / distinct)), (observed, mean, distinct)
    assert {r.state.value for r in test.results} == {"untestable"}
    told = found.to_json()
    by_name = {each["model"].rsplit("/", 1)[-1]: each["occurrences"] for each in told["models"]}
    assert [len(by_name[f"{family}-1"]) for family in ("llama", "gpt2")] == [3, 0]
    assert by_name["llama-0"][0]["null_mean"] == pytest.approx(mine[0][1])
    assert told["occurrences"]["test_id"] == test.test_id
    assert told["occurrences"]["tests"] == 9
    for text in (str(found), found.to_markdown(), found.to_html()):
        assert "Occurrences against chance" in text
        assert f"untestable: {test.results[0].reason}" in text
    assert test.test_id in {each.test_id for each in client.motifs.tests()}
