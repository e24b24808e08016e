"""The atlas: models by tasks, what was found where, and what nobody asked for."""

from __future__ import annotations

import html
import re

import pytest
from starlette.testclient import TestClient

from graph_schema.documents import Eap, ModelId, ModelSource, TaskData, TopEdges
from graph_schema.documents.jobs import DiscoverSpec, ErrorDocument, Placement
from graph_schema.store import jobs
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.records.models import write_model
from tests.factories import make_circuit, make_imported, make_model
from tests.made_universality import Made, placed, store_report
from tests.workers.web.conftest import FOREIGN, Atlas
from tests.workers.web.test_screens import _text
from workers.web.overview import put_together

MODELS = [
    Made("o/gpt2-0", "o-gpt2", "d"),
    Made("o/gpt2-1", "o-gpt2", "a"),
    Made(f"o/{FOREIGN}", "o-neox", "b"),
]


@pytest.fixture(scope="module", autouse=True)
def stored(atlas: Atlas) -> str:
    """Models with a verdict; a copy of one of them under another name; one without a circuit."""
    store = atlas.client.service.store
    found = store_report(store, MODELS)
    weights = "7" * 64
    known = MODELS[0].document.model_copy(update={"weights_sha256": weights})
    copy = make_model("o/copy", "o-gpt2", weights_sha256=weights)
    circuits = [
        make_circuit(model=copy, job="copy", task="greater_than", task_id="g"),
        make_circuit(model=copy, job="twin", seed=1),
        make_imported("brought", model=make_model("o/brought", "o-none")),
    ]
    store.write(lambda tx: write_model(tx, known))
    for circuit in circuits:
        store.write(lambda tx, circuit=circuit: write_circuit(tx, circuit))
    store.write(lambda tx: write_model(tx, make_model("o/bare", "o-neox")))
    return found.verdicts[1].verdict_id


def _row(page: str, model: str) -> str:
    name = re.escape(html.escape(model).replace("&#x27;", "&#39;"))
    (row,) = re.findall(rf'<th scope="row" class="name">{name}.*?</tr>', page, re.DOTALL)
    return row


def _shown(browser: TestClient, **narrowed: str) -> str:
    answer = browser.get("/atlas", params=narrowed)
    assert answer.status_code == 200, _text(answer.text)
    return answer.text


def test_a_cell_says_what_was_found_of_a_model_on_a_task(browser: TestClient, stored: str) -> None:
    page = _shown(browser, task="induction", family="o-gpt2")
    row = _row(page, "o/gpt2-1")
    assert "3 circuits" in row
    assert "induction 1, previous token 1" in _text(row)
    assert f'href="/verdicts/{stored}"' in row
    assert "induction: behaviour present, role present, wiring absent" in row
    family = _text(page[page.index('class="family"') : page.index("o/gpt2-")])
    assert "2 models induction wired in 1 of 2" in family
    behaviour = _row(_shown(browser, task="induction", family="o-neox"), f"o/{FOREIGN}")
    assert "behaviour absent, role untestable, wiring untestable" in behaviour
    assert "rung untestable" in behaviour


def test_the_same_weights_are_one_model(browser: TestClient) -> None:
    page = _shown(browser, family="o-gpt2")
    assert page.count('scope="row" class="name"') == 2
    row = _row(page, "o/copy")
    assert "also under 1 other name" in row
    assert "4 circuits" in row  # three under one fingerprint, one under the other
    assert "1 circuit<" in row


def test_of_the_same_weights_the_latest_verdict_counts(atlas: Atlas, browser: TestClient) -> None:
    """Whichever fingerprint it is on: the order of these says nothing of time."""
    store = atlas.client.service.store
    weights = "8" * 64
    models = [make_model(f"o/{n}", "o-twice", weights_sha256=weights) for n in ("one", "two")]
    models.sort(key=lambda model: model.fingerprint)
    for model, at, wiring in zip(models, (1_000, 2_000), ("absent", "present"), strict=True):
        store.write(lambda tx, model=model: write_model(tx, model))
        store.write(
            lambda tx, model=model, at=at, wiring=wiring: tx.run(
                "MATCH (m:Model {fingerprint: $of}) CREATE (v:Verdict {verdict_id: $id, "
                "rung: 'wiring', task: 'induction', motif: 'induction', judged_at: $at}) "
                "CREATE (v)-[:SUPPORTED_BY {behaviour: 'present', role: 'present', "
                "wiring: $wiring}]->(m)",
                of=model.fingerprint,
                id=f"{at}",
                at=at,
                wiring=wiring,
            ).consume()
        )
    page = _shown(browser, family="o-twice")
    assert "behaviour present, role present, wiring present" in page
    assert "wiring absent" not in page


def test_nothing_found_and_nothing_asked_are_not_the_same(
    atlas: Atlas, browser: TestClient
) -> None:
    def cells() -> str:
        return _row(_shown(browser, family="o-neox"), "o/bare")

    assert "not asked" in cells()
    link = html.unescape(re.findall(r'href="(/submit\?[^"]*task=induction)"', cells())[0])
    model = make_model("o/bare", "o-neox")
    assert link == f"/submit?of={model.fingerprint}&task=induction"
    spec = DiscoverSpec(
        model=ModelId(fingerprint=model.fingerprint),
        data=TaskData.model_validate({"task": {"name": "induction"}}),
        method=Eap(),
        selection=TopEdges(n_edges=5),
    )
    store = atlas.client.service.store
    jobs.submit(store, spec, placed("bare"))
    assert f'href="/jobs/{spec.job_id}"><span class="state queued">' in cells()
    jobs.claim(store, spec.job_id, "t", owner="a", lease=60, max_attempts=3)
    jobs.fail(store, spec.job_id, "t", ErrorDocument(type="ModelError", message="no weights"))
    assert 'class="state failed"' in cells()
    brought = _row(_shown(browser, family="o-none"), "o/brought")
    assert "1 circuit" in brought  # of a task that nobody knows


def test_the_form_is_filled_in_with_where_the_model_lay(atlas: Atlas, browser: TestClient) -> None:
    store = atlas.client.service.store
    model = make_model("o/lies", "o-lies")
    spec = DiscoverSpec(
        model=ModelId(fingerprint=model.fingerprint),
        data=TaskData.model_validate({"task": {"name": "ioi"}}),
        method=Eap(),
        selection=TopEdges(n_edges=5),
    )
    jobs.submit(store, spec, Placement(model=ModelSource(name="/models/lies", revision="r1")))
    circuit = make_circuit(model=model, job_id=spec.job_id)
    store.write(lambda tx: write_circuit(tx, circuit))
    form = browser.get("/submit", params={"of": model.fingerprint, "task": "greater_than"}).text
    assert 'name="model" value="/models/lies"' in form
    assert 'name="revision" value="r1"' in form
    assert '<option value="greater_than" selected>' in form
    bare = make_model("o/bare", "o-neox").fingerprint
    assert 'name="model" value="o/bare"' in browser.get("/submit", params={"of": bare}).text
    assert browser.get("/submit", params={"of": "0" * 64}).status_code == 404


def test_rows_and_columns_of_a_page_are_bounded(atlas: Atlas, browser: TestClient) -> None:
    store = atlas.client.service.store
    for number in range(45):
        model = make_model(f"o/many-{number:02}", "o-many")
        store.write(lambda tx, model=model: write_model(tx, model))
    for number in range(12):
        task = f"own-{number:02}"
        circuit = make_circuit(model=model, job=task, task=task, task_id=task)
        store.write(lambda tx, circuit=circuit: write_circuit(tx, circuit))
    page = _shown(browser, family="o-many")
    assert page.count('scope="row" class="name"') == 40
    assert page.count('<th scope="col"><a') == 10
    assert "More tasks:" in page
    assert "models 1 to 40 of 45" in page
    (further,) = re.findall(r'rel="next" href="([^"]+)"', page)
    rest = browser.get(html.unescape(further)).text
    assert rest.count('scope="row" class="name"') == 5
    assert "No model of this family" in _shown(browser, family="o-nobody")


def test_foreign_text_is_text_in_the_atlas(browser: TestClient) -> None:
    for narrowed in ({}, {"task": FOREIGN}, {"family": FOREIGN}, {"motif": FOREIGN}):
        page = browser.get("/atlas", params=narrowed).text
        assert "<script>" not in page
        assert "alert(" in page
        assert re.findall(r"<style|\sstyle=|\son\w+=", page) == []


def test_the_atlas_is_asked_for_elsewhere(browser: TestClient) -> None:
    page = html.unescape(_shown(browser))
    (link,) = re.findall(r'<p class="ask"><a href="([^"]+)"', page)
    assert "<tbody><tr>" in browser.get(link).text


def test_an_empty_graph_says_where_to_begin() -> None:
    from graph_schema.store.records.overview import Overview

    table = put_together(Overview([], [], [], [], [], []))
    assert (table.families, table.circuits, table.models) == ((), 0, 0)
